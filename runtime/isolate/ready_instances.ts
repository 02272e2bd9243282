// Module instances that are made in advance, while the isolate has nothing to do, for entries that need
// fresh ones for each run.

import type { ComponentId } from "../../engine/types.ts";
import type { ComponentCode, LoadedModule } from "./imported_modules.ts";

/** Entries of a map that grows with the app. */
const ENTRIES_MAX = 256;
/** Characters of code behind the instances that wait; what they occupy is about twice as much. */
const READY_CODE_CHARS_MAX = 8 * 1024 * 1024;

interface WantedEntry {
  readonly component: ComponentId;
  readonly path: string;
}

export class ReadyInstances {
  /** By component and entry module; oldest first. */
  readonly #ready = new Map<string, LoadedModule>();
  #codeChars = 0;
  /** Entries that were used since the last time of leisure. */
  readonly #wanted = new Map<string, WantedEntry>();

  /** Instances made in advance, if there are some and evaluating now would give the same. */
  take(key: string, code: ComponentCode): LoadedModule | null {
    const ready = this.#ready.get(key);
    this.drop(key);
    return ready !== undefined && ready.modules.adopt(code) ? ready : null;
  }

  drop(key: string): void {
    const ready = this.#ready.get(key);
    if (ready === undefined) return;
    this.#ready.delete(key);
    this.#codeChars -= ready.modules.codeChars;
  }

  /** The entry was used and will be again. */
  want(key: string, component: ComponentId, path: string): void {
    putBounded(this.#wanted, key, { component, path });
  }

  /** Whether {@link prepareOne} has something to do. */
  get wantsTime(): boolean {
    return this.#wanted.size > 0;
  }

  /** Evaluates the modules of one recently used entry with `load`. */
  prepareOne(load: (key: string, component: ComponentId, path: string) => LoadedModule): void {
    const [key] = this.#wanted.keys();
    if (key === undefined) return;
    const { component, path } = this.#wanted.get(key)!;
    this.#wanted.delete(key);
    if (this.#ready.has(key)) return;
    try {
      this.#put(key, load(key, component, path));
    } catch {
      // The next run evaluates again and reports the error.
    }
  }

  #put(key: string, loaded: LoadedModule): void {
    this.#ready.set(key, loaded);
    this.#codeChars += loaded.modules.codeChars;
    for (const oldest of this.#ready.keys()) {
      if (this.#codeChars <= READY_CODE_CHARS_MAX && this.#ready.size <= ENTRIES_MAX) break;
      this.drop(oldest);
    }
  }
}

/** Keeps an entry, in the place of the oldest if there are too many. */
export function putBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  if (map.size >= ENTRIES_MAX) {
    const [oldest] = map.keys();
    map.delete(oldest!);
  }
  map.set(key, value);
}
