// Live modules for actions. An action has effects, so it cannot run again when it meets a frozen
// object with a write: it shares sealed instances only where no function of the modules writes to
// what it did not make (runtime/instrumentation/foreign_writes.ts). All others are evaluated afresh, in
// advance where there was time.

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
import { isKnown } from "./instance_cache.ts";
import { ScopeReports } from "./instance_seal.ts";
import type { PrivateRealm } from "./private_realm.ts";
import { putBounded, ReadyInstances } from "./ready_instances.ts";

const PATCHING_ENTRIES_MAX = 1000;

export class ActionInstances {
  readonly #limits: LogLimits;
  /** By component and entry module; oldest use first. */
  readonly #sealed = new Map<string, LoadedModule>();
  readonly #ready = new ReadyInstances();
  /** Entries whose modules, as they were, must be fresh. */
  readonly #singleUse = new Map<string, EvaluationLooks>();
  /** Entries whose modules, as they were, change built-in objects, or look as if they did. */
  readonly #private = new Map<string, EvaluationLooks>();
  /** Entries whose functions tried to change built-in objects. */
  readonly #patching = new Set<string>();

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  /**
   * Instances of the module and all that it imports, as fresh as user code can tell.
   * @throws whatever evaluation throws.
   */
  take(component: ComponentId, path: string, code: ComponentCode): LoadedModule {
    const key = `${component}\0${path}`;
    const sealed = this.#sealed.get(key);
    if (sealed !== undefined) {
      this.#sealed.delete(key);
      if (sealed.modules.adopt(code)) {
        this.#sealed.set(key, sealed);
        return sealed;
      }
    }
    const isPrivate = this.#needsPrivateRealm(key, code);
    const isFresh = isPrivate || isKnown(this.#singleUse, key, code);
    const loaded = !isFresh
      ? this.#loadSealed(key, path, code)
      : this.#ready.take(key, code) ?? this.#load(key, path, code, isPrivate);
    if (!loaded.modules.isSealed) this.#ready.want(key, component, path);
    return loaded;
  }

  /** Too late for this run, not for the next. */
  noteRefusedWrite(component: ComponentId, path: string): void {
    const key = `${component}\0${path}`;
    this.#sealed.delete(key);
    this.#ready.drop(key);
    if (this.#patching.size < PATCHING_ENTRIES_MAX) this.#patching.add(key);
  }

  /** Whether {@link prepareOne} has something to do. */
  get wantsTime(): boolean {
    return this.#ready.wantsTime;
  }

  /** Evaluates the modules of one recently used entry in advance. */
  prepareOne(codeOf: (component: ComponentId) => ComponentCode): void {
    this.#ready.prepareOne((key, component, path) => {
      const code = codeOf(component);
      return this.#load(key, path, code, this.#needsPrivateRealm(key, code));
    });
  }

  #needsPrivateRealm(key: string, code: ComponentCode): boolean {
    return this.#patching.has(key) || isKnown(this.#private, key, code);
  }

  #create(
    code: ComponentCode,
    realm: PrivateRealm | null,
    reports: ScopeReports | null,
  ): ImportedModules {
    return new ImportedModules(code, this.#limits, {}, reports, realm);
  }

  #load(key: string, path: string, code: ComponentCode, isPrivate: boolean): LoadedModule {
    const create = (realm: PrivateRealm | null) => this.#create(code, realm, null);
    if (isPrivate) return loadPrivately(path, create);
    // Half-way it is too late for a realm of its own.
    const loaded = loadEntry(path, create, true);
    if (loaded.modules.realm !== null) putBounded(this.#private, key, loaded.modules.looks);
    return loaded;
  }

  #loadSealed(key: string, path: string, code: ComponentCode): LoadedModule {
    const loaded = loadEntry(
      path,
      (realm) => this.#create(code, realm, realm === null ? new ScopeReports() : null),
      true,
    );
    const { modules, exports } = loaded;
    if (modules.realm !== null) putBounded(this.#private, key, modules.looks);
    else if (modules.sealForActions(exports) === null) putBounded(this.#sealed, key, loaded);
    else putBounded(this.#singleUse, key, modules.looks);
    return loaded;
  }
}
