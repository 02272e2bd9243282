// Live modules ready for use. Every run gets instances that it cannot tell from fresh ones: fresh
// ones, made in advance while the isolate had nothing to do; or sealed ones, which no run can change
// (instance_seal.ts); or, where user code asked for it (`experimental_reuseContext`), used ones. Entries
// whose code changes built-in objects get a private realm for each run (private_realm.ts).

import type { ComponentId } from "../../engine/types.ts";
import type { LogLimits } from "./console.ts";
import {
  type ComponentCode,
  ImportedModules,
  type LoadedModule,
  loadEntry,
  loadPrivately,
} from "./imported_modules.ts";
import { ScopeReports } from "./instance_seal.ts";
import type { PrivateRealm } from "./private_realm.ts";

/** Kept instances, instances made in advance, and entries known to need fresh ones, each. */
const INSTANCES_MAX = 256;

export class InstanceCache {
  readonly #limits: LogLimits;
  /** By component and entry module; oldest use first. */
  readonly #kept = new Map<string, LoadedModule>();
  readonly #ready = new Map<string, LoadedModule>();
  /** Entries whose modules, as they were, could not be sealed. */
  readonly #singleUse = new Map<string, ImportedModules>();
  /** Entries whose modules, as they were, change built-in objects. */
  readonly #private = new Map<string, ImportedModules>();
  /** Entries that were used since the last time of leisure. */
  readonly #wanted = new Map<string, { component: ComponentId; path: string }>();

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  /**
   * Instances of the module and all that it imports, as fresh as user code can tell.
   * @param allowSealed false: nothing that another run will see, even if no run can change it.
   * @throws whatever evaluation throws.
   */
  take(
    component: ComponentId,
    path: string,
    code: ComponentCode,
    allowSealed: boolean,
  ): LoadedModule {
    const key = `${component}\0${path}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && (allowSealed || !kept.modules.isSealed)) {
      this.#kept.delete(key);
      if (kept.modules.adopt(code)) {
        this.#kept.set(key, kept);
        return kept;
      }
    }
    const isPrivate = isKnown(this.#private, key, code);
    if (!isPrivate && allowSealed && !isKnown(this.#singleUse, key, code)) {
      return this.#loadSealed(key, path, code);
    }
    const ready = this.#ready.get(key);
    this.#ready.delete(key);
    const loaded = ready !== undefined && ready.modules.adopt(code)
      ? ready
      : this.#load(key, path, code, isPrivate);
    if (loaded.exports.experimental_reuseContext === true) {
      putBounded(this.#kept, key, loaded);
    } else {
      putBounded(this.#wanted, key, { component, path });
    }
    return loaded;
  }

  /** The sealed instances of the entry showed: from now on every run gets fresh ones. */
  refuseSealed(component: ComponentId, path: string): void {
    const key = `${component}\0${path}`;
    const kept = this.#kept.get(key);
    if (kept === undefined || !kept.modules.isSealed) return;
    this.#kept.delete(key);
    putBounded(this.#singleUse, key, kept.modules);
  }

  /** A run tried to change built-in objects: from now on every run gets a realm of its own. */
  requirePrivateRealm(component: ComponentId, path: string, modules: ImportedModules): void {
    const key = `${component}\0${path}`;
    this.#kept.delete(key);
    this.#ready.delete(key);
    putBounded(this.#private, key, modules);
  }

  /** Whether {@link prepareOne} has something to do. */
  get wantsTime(): boolean {
    return this.#wanted.size > 0;
  }

  /** Evaluates the modules of one recently used entry in advance. */
  prepareOne(codeOf: (component: ComponentId) => ComponentCode): void {
    const [key] = this.#wanted.keys();
    if (key === undefined) return;
    const { component, path } = this.#wanted.get(key)!;
    this.#wanted.delete(key);
    if (this.#ready.has(key)) return;
    try {
      const code = codeOf(component);
      putBounded(this.#ready, key, this.#load(key, path, code, isKnown(this.#private, key, code)));
    } catch {
      // The next run evaluates again and reports the error.
    }
  }

  /** Loads the modules and seals them if that is possible; keeps them then. */
  #loadSealed(key: string, path: string, code: ComponentCode): LoadedModule {
    const loaded = loadEntry(path, (realm) => {
      const reports = realm === null ? new ScopeReports() : null;
      return new ImportedModules(code, this.#limits, {}, reports, realm);
    });
    const { modules, exports } = loaded;
    const wantsUsed = exports.experimental_reuseContext === true;
    if (modules.realm !== null && !wantsUsed) putBounded(this.#private, key, modules);
    else if (modules.seal() === null || wantsUsed) putBounded(this.#kept, key, loaded);
    else putBounded(this.#singleUse, key, modules);
    return loaded;
  }

  #load(key: string, path: string, code: ComponentCode, isPrivate: boolean): LoadedModule {
    const create = (realm: PrivateRealm | null) =>
      new ImportedModules(code, this.#limits, {}, null, realm);
    if (isPrivate) return loadPrivately(path, create);
    const loaded = loadEntry(path, create);
    if (loaded.modules.realm !== null) putBounded(this.#private, key, loaded.modules);
    return loaded;
  }
}

/** Whether something is known of the entry as its code is now. */
export function isKnown(
  entries: Map<string, ImportedModules>,
  key: string,
  code: ComponentCode,
): boolean {
  const known = entries.get(key);
  if (known === undefined) return false;
  if (known.adopt(code)) return true;
  entries.delete(key);
  return false;
}

/** Keeps an entry, in the place of the oldest if there are too many. */
export function putBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  if (map.size >= INSTANCES_MAX) {
    const [oldest] = map.keys();
    map.delete(oldest!);
  }
  map.set(key, value);
}
