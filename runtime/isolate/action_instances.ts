// Live modules for actions. An action has effects, so it cannot run again when it meets a frozen
// object with a write: it shares sealed instances only where no function of the modules writes to
// what it did not make (runtime/instrumentation/foreign_writes.ts). All others are evaluated afresh.

import type { ComponentId } from "../../engine/types.ts";
import type { LogLimits } from "./console.ts";
import {
  type ComponentCode,
  ImportedModules,
  type LoadedModule,
  loadEntry,
  loadPrivately,
} from "./imported_modules.ts";
import { isKnown, putBounded } from "./instance_cache.ts";
import { ScopeReports } from "./instance_seal.ts";
import type { PrivateRealm } from "./private_realm.ts";

const PATCHING_ENTRIES_MAX = 1000;

export class ActionInstances {
  readonly #limits: LogLimits;
  /** By component and entry module; oldest use first. */
  readonly #sealed = new Map<string, LoadedModule>();
  /** Entries whose modules, as they were, must be fresh. */
  readonly #singleUse = new Map<string, ImportedModules>();
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
    const create = (realm: PrivateRealm | null) => this.#create(code, realm, null);
    if (this.#patching.has(key)) return loadPrivately(path, create);
    // Half-way it is too late for a realm of its own.
    if (isKnown(this.#singleUse, key, code)) return loadEntry(path, create, true);
    return this.#loadSealed(key, path, code);
  }

  /** Too late for this run, not for the next. */
  noteRefusedWrite(component: ComponentId, path: string): void {
    const key = `${component}\0${path}`;
    this.#sealed.delete(key);
    if (this.#patching.size < PATCHING_ENTRIES_MAX) this.#patching.add(key);
  }

  #create(
    code: ComponentCode,
    realm: PrivateRealm | null,
    reports: ScopeReports | null,
  ): ImportedModules {
    return new ImportedModules(code, this.#limits, {}, reports, realm);
  }

  #loadSealed(key: string, path: string, code: ComponentCode): LoadedModule {
    const loaded = loadEntry(
      path,
      (realm) => this.#create(code, realm, realm === null ? new ScopeReports() : null),
      true,
    );
    const { modules, exports } = loaded;
    const isSealed = modules.realm === null && modules.sealForActions(exports) === null;
    if (isSealed) putBounded(this.#sealed, key, loaded);
    else putBounded(this.#singleUse, key, modules);
    return loaded;
  }
}
