// Live modules ready for use: instances that user code asked to keep (`experimental_reuseContext`),
// and one fresh instance made in advance while the isolate had nothing to do.

import type { ComponentId } from "../../engine/types.ts";
import type { LogLimits } from "./console.ts";
import { type ComponentCode, ImportedModules } from "./imported_modules.ts";
import type { ModuleExports } from "./module_loader.ts";

/** Kept instances, and instances made in advance, each. */
const INSTANCES_MAX = 64;

export interface LoadedModule {
  readonly modules: ImportedModules;
  readonly exports: ModuleExports;
}

export class InstanceCache {
  readonly #limits: LogLimits;
  /** By component and entry module; oldest use first. */
  readonly #kept = new Map<string, LoadedModule>();
  readonly #ready = new Map<string, LoadedModule>();
  /** Entries that were used since the last time of leisure. */
  readonly #wanted = new Map<string, { component: ComponentId; path: string }>();

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  /**
   * Instances of the module and all that it imports, as fresh as user code can tell.
   * @throws whatever evaluation throws.
   */
  take(component: ComponentId, path: string, code: ComponentCode): LoadedModule {
    const key = `${component}\0${path}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      if (kept.modules.adopt(code)) {
        this.#kept.set(key, kept);
        return kept;
      }
    }
    const ready = this.#ready.get(key);
    this.#ready.delete(key);
    const loaded = ready !== undefined && ready.modules.adopt(code)
      ? ready
      : this.#load(path, code);
    if (loaded.exports.experimental_reuseContext === true) {
      evictOldest(this.#kept);
      this.#kept.set(key, loaded);
    } else {
      evictOldest(this.#wanted);
      this.#wanted.set(key, { component, path });
    }
    return loaded;
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
      const loaded = this.#load(path, codeOf(component));
      evictOldest(this.#ready);
      this.#ready.set(key, loaded);
    } catch {
      // The next run evaluates again and reports the error.
    }
  }

  #load(path: string, code: ComponentCode): LoadedModule {
    const modules = new ImportedModules(code, this.#limits);
    return { modules, exports: modules.load(path) };
  }
}

function evictOldest(map: Map<string, unknown>): void {
  if (map.size < INSTANCES_MAX) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
