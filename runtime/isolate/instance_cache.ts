// Live modules ready for use. Every run gets instances that it cannot tell from fresh ones: fresh
// ones, made in advance while the isolate had nothing to do; or sealed ones, which no run can change
// (instance_seal.ts); or, where user code asked for it (`experimental_reuseContext`), used ones. Entries
// whose code changes built-in objects get a private realm for each run (private_realm.ts).

import type { ComponentId } from "../../engine/types.ts";
import type { LogLimits } from "./console.ts";
import {
  type ComponentCode,
  type EvaluationLooks,
  ImportedModules,
  type LoadedModule,
  loadEntry,
  loadPrivately,
} from "./imported_modules.ts";
import { ScopeReports } from "./instance_seal.ts";
import type { PrivateRealm } from "./private_realm.ts";
import { putBounded, ReadyInstances } from "./ready_instances.ts";

export class InstanceCache {
  readonly #limits: LogLimits;
  /** By component and entry module; oldest use first. */
  readonly #kept = new Map<string, LoadedModule>();
  readonly #ready = new ReadyInstances();
  /** Entries whose modules, as they were, could not be sealed. */
  readonly #singleUse = new Map<string, EvaluationLooks>();
  /** Entries whose modules, as they were, change built-in objects. */
  readonly #private = new Map<string, EvaluationLooks>();

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
    const loaded = this.#ready.take(key, code) ?? this.#load(key, path, code, isPrivate);
    if (loaded.exports.experimental_reuseContext === true) {
      putBounded(this.#kept, key, loaded);
    } else {
      this.#ready.want(key, component, path);
    }
    return loaded;
  }

  /** The sealed instances of the entry showed: from now on every run gets fresh ones. */
  refuseSealed(component: ComponentId, path: string): void {
    const key = `${component}\0${path}`;
    const kept = this.#kept.get(key);
    if (kept === undefined || !kept.modules.isSealed) return;
    this.#kept.delete(key);
    putBounded(this.#singleUse, key, kept.modules.looks);
  }

  /** A run tried to change built-in objects: from now on every run gets a realm of its own. */
  requirePrivateRealm(component: ComponentId, path: string, modules: ImportedModules): void {
    const key = `${component}\0${path}`;
    this.#kept.delete(key);
    this.#ready.drop(key);
    putBounded(this.#private, key, modules.looks);
  }

  /** Whether {@link prepareOne} has something to do. */
  get wantsTime(): boolean {
    return this.#ready.wantsTime;
  }

  /** Evaluates the modules of one recently used entry in advance. */
  prepareOne(codeOf: (component: ComponentId) => ComponentCode): void {
    this.#ready.prepareOne((key, component, path) => {
      const code = codeOf(component);
      return this.#load(key, path, code, isKnown(this.#private, key, code));
    });
  }

  /** Loads the modules and seals them if that is possible; keeps them then. */
  #loadSealed(key: string, path: string, code: ComponentCode): LoadedModule {
    const loaded = loadEntry(path, (realm) => {
      const reports = realm === null ? new ScopeReports() : null;
      return new ImportedModules(code, this.#limits, {}, reports, realm);
    });
    const { modules, exports } = loaded;
    const wantsUsed = exports.experimental_reuseContext === true;
    if (modules.realm !== null && !wantsUsed) putBounded(this.#private, key, modules.looks);
    else if (modules.seal() === null || wantsUsed) putBounded(this.#kept, key, loaded);
    else putBounded(this.#singleUse, key, modules.looks);
    return loaded;
  }

  #load(key: string, path: string, code: ComponentCode, isPrivate: boolean): LoadedModule {
    const create = (realm: PrivateRealm | null) =>
      new ImportedModules(code, this.#limits, {}, null, realm);
    if (isPrivate) return loadPrivately(path, create);
    const loaded = loadEntry(path, create);
    if (loaded.modules.realm !== null) putBounded(this.#private, key, loaded.modules.looks);
    return loaded;
  }
}

/** Whether something is known of the entry as its code is now. */
export function isKnown(
  entries: Map<string, EvaluationLooks>,
  key: string,
  code: ComponentCode,
): boolean {
  const known = entries.get(key);
  if (known === undefined) return false;
  if (known.holdIn(code)) return true;
  entries.delete(key);
  return false;
}
