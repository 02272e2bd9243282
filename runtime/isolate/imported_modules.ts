// Live modules for executions, with everything that their evaluation looked at, so that instances
// made in advance or kept (`experimental_reuseContext`) are used only where evaluating the modules
// afresh would do the same.

import { type Component, ROOT_COMPONENT } from "../../engine/components.ts";
import { userError } from "../../engine/errors.ts";
import type { ComponentId } from "../../engine/types.ts";
import type { UdfConfig } from "../frames.ts";
import type { LogLine } from "../types.ts";
import { decodeBase64 } from "../../engine/values/base64.ts";
import { ImportClock } from "./clock.ts";
import type { CodeAccess, ModuleSource } from "./code_view.ts";
import { ExecutionConsole, type LogLimits, LogLines } from "./console.ts";
import { isRefusedWrite } from "./intrinsics.ts";
import type { ScopeReports } from "./instance_seal.ts";
import { type ModuleExports, ModuleInstances, type ModuleProvider } from "./module_loader.ts";
import { PrivateRealm } from "./private_realm.ts";
import { RandomStream } from "./random.ts";
import { replaceRouteMaps } from "./route_map.ts";
import { runInScope, type Scope, type ScopeClock, type ScopeSyscalls } from "./scope.ts";

/** Origins that every component sees in `process.env`. */
export interface SystemUrls {
  readonly cloudUrl: string;
  readonly siteUrl: string;
}

/** Modules and variables of one component. */
export interface ComponentCode {
  readonly provider: ModuleProvider;
  readonly config: UdfConfig | null;
  readonly environmentVariable: (name: string) => string | undefined;
}

/**
 * The component's code as the transaction's snapshot has it; looks are recorded. Modules of all
 * components are imported at the time and with the seed of the app's.
 */
export function componentCode(
  access: CodeAccess,
  component: ComponentId,
  urls: SystemUrls,
): ComponentCode {
  let known = componentCodes.get(access);
  if (known === undefined) componentCodes.set(access, known = new Map());
  let code = known.get(component);
  if (code === undefined) known.set(component, code = newComponentCode(access, component, urls));
  return code;
}

/** A transaction that calls into a component often looks up its code once. */
const componentCodes = new WeakMap<CodeAccess, Map<ComponentId, ComponentCode>>();

function newComponentCode(
  access: CodeAccess,
  component: ComponentId,
  urls: SystemUrls,
): ComponentCode {
  return {
    provider: {
      find: (path) => access.module(component, path),
      source: (hash) => requireSource(access.source(hash)),
    },
    config: access.udfConfig(ROOT_COMPONENT),
    environmentVariable: (name) => environmentVariable(access, component, urls, name),
  };
}

function requireSource(source: ModuleSource | null): ModuleSource {
  // A module row always has its source.
  if (source === null) throw new Error("the source of a module is missing");
  return source;
}

/** Where variables are looked up: now, or as they were. */
export type VariableAccess = Pick<CodeAccess, "environmentVariable" | "component" | "deployment">;

/** The variables as they are now, for an action that goes on while they change. */
export function variablesNow(access: CodeAccess, componentId: ComponentId): VariableAccess {
  const variables = access.variables();
  const component = componentId === ROOT_COMPONENT ? null : access.component(componentId);
  const deployment = access.deployment();
  return {
    environmentVariable: (name) => variables.get(name),
    component: () => component,
    deployment: () => deployment,
  };
}

/** What `process.env` shows to the component (spec function-runtime 3.6, components 10). */
export function environmentVariable(
  access: VariableAccess,
  componentId: ComponentId,
  urls: SystemUrls,
  name: string,
): string | undefined {
  const component = componentId === ROOT_COMPONENT ? null : access.component(componentId);
  const value = componentId === ROOT_COMPONENT
    ? access.environmentVariable(name)
    : boundVariable(access, component, name);
  if (value !== undefined) return value;
  if (name === "CONVEX_CLOUD_URL") return access.deployment()?.convexCloudUrl ?? urls.cloudUrl;
  if (name !== "CONVEX_SITE_URL") return undefined;
  const siteUrl = access.deployment()?.convexSiteUrl ?? urls.siteUrl;
  const mount = component?.httpPrefix ?? null;
  return mount === null ? siteUrl : withoutFinalSlash(siteUrl) + withoutFinalSlash(mount);
}

/** Components see only what `app.use()` gave them: a literal, or a variable of the app as it is now. */
function boundVariable(
  access: VariableAccess,
  component: Component | null,
  name: string,
): string | undefined {
  if (component === null || !Object.hasOwn(component.env, name)) return undefined;
  const binding = component.env[name]!;
  return binding.type === "value" ? binding.value : access.environmentVariable(binding.name);
}

function withoutFinalSlash(text: string): string {
  return text.endsWith("/") ? text.slice(0, -1) : text;
}

/** What push-time evaluation changes about the surroundings of module code. */
export interface ImportOverrides {
  readonly clock?: ScopeClock;
  readonly random?: RandomStream;
  readonly environmentVariable?: (name: string) => string | undefined;
  readonly syscalls?: ScopeSyscalls;
}

/** What the evaluation of modules looked at; all of it, for as long as nobody evaluates more. */
export class EvaluationLooks {
  readonly environment = new Map<string, string | undefined>();

  constructor(
    readonly config: UdfConfig | null,
    readonly modules: ReadonlyMap<string, string | null>,
  ) {}

  /**
   * Whether evaluation would look the same in `code`. All looks are recorded in the transaction of
   * `code` either way.
   */
  holdIn(code: ComponentCode): boolean {
    let isSame = sameConfig(code.config, this.config);
    for (const [path, hash] of this.modules) {
      if ((code.provider.find(path)?.hash ?? null) !== hash) isSame = false;
    }
    for (const [name, value] of this.environment) {
      if (code.environmentVariable(name) !== value) isSame = false;
    }
    return isSame;
  }
}

/** One set of live modules and what their evaluation depended on. */
export class ImportedModules {
  readonly globals = new Map<PropertyKey, unknown>();
  /** Lines that top-level code wrote: they appear in the log of every execution. */
  readonly logLines: LogLine[];
  readonly looks: EvaluationLooks;
  readonly #instances: ModuleInstances;
  readonly #scope: Scope;
  #code: ComponentCode;
  /** No run can change the instances: they may serve any number of runs. */
  isSealed = false;
  #refusedWrite = false;

  constructor(
    code: ComponentCode,
    limits: LogLimits,
    overrides: ImportOverrides = {},
    reports: ScopeReports | null = null,
    readonly realm: PrivateRealm | null = null,
  ) {
    this.#code = code;
    const log = new LogLines(limits);
    this.logLines = log.lines;
    const provider: ModuleProvider = {
      find: (path) => this.#code.provider.find(path),
      source: (hash) => this.#code.provider.source(hash),
      synthetic: code.provider.synthetic,
    };
    this.#instances = new ModuleInstances(provider, reports, realm);
    this.looks = new EvaluationLooks(code.config, this.#instances.used);
    const environment = overrides.environmentVariable ?? code.environmentVariable;
    this.#scope = {
      phase: "import",
      clock: overrides.clock ?? new ImportClock(code.config?.importPhaseUnixTimestamp ?? 0),
      random: overrides.random ?? importRandom(code.config),
      console: new ExecutionConsole(log, realm),
      syscalls: overrides.syscalls ?? IMPORT_SYSCALLS,
      environmentVariable: (name) => {
        const value = environment(name);
        this.looks.environment.set(name, value);
        return value;
      },
      globals: this.globals,
      refusedWrite: () => {
        this.#refusedWrite = true;
      },
      unhandledRejection: () => {
        // A promise that module code left behind: nobody waits for it.
      },
      importDynamically: dynamicImportUnsupported,
    };
  }

  /** When the modules believe they were imported, in milliseconds. */
  get originMs(): number {
    return this.looks.config?.importPhaseUnixTimestamp ?? 0;
  }

  /** Characters of the modules' code: a measure of what the instances occupy. */
  get codeChars(): number {
    return this.#instances.codeChars;
  }

  /** The modules' top level tried to change built-in objects: they need a private realm. */
  get needsPrivateRealm(): boolean {
    return this.realm === null && this.#refusedWrite;
  }

  /** The modules' functions may try it. */
  get mayNeedPrivateRealm(): boolean {
    return this.realm === null && (this.#refusedWrite || this.#instances.seemsToPatch);
  }

  /**
   * Tries to make the instances unchangeable; says what stands in the way.
   * @param others objects that belong to them and that nothing leads to.
   */
  seal(others: readonly unknown[] = []): string | null {
    const obstacle = this.#instances.seal([...this.globals.values(), ...others]);
    this.isSealed = obstacle === null;
    return obstacle;
  }

  /** The same for actions; the router's tables, if the module exports one, need not be frozen. */
  sealForActions(exports: ModuleExports): string | null {
    const write = this.#instances.foreignWrite();
    if (write !== null) return write;
    return this.seal(this.evaluate(() => replaceRouteMaps(exports.default)));
  }

  /** Names assigned on `globalThis`, for one run. */
  globalsForRun(): Map<PropertyKey, unknown> {
    return this.isSealed ? new Map(this.globals) : this.globals;
  }

  /** Runs `body` as module level code. */
  evaluate<T>(body: () => T): T {
    return runInScope(this.#scope, body);
  }

  /**
   * The exports of a module, evaluated if it is not yet.
   * @throws PlatformError when it does not exist; whatever its code throws.
   */
  load(path: string): ModuleExports {
    try {
      return this.evaluate(() => this.#instances.load(path));
    } catch (error) {
      if (error instanceof TypeError && isRefusedWrite(error)) this.#refusedWrite = true;
      throw error;
    }
  }

  loadFrom(specifier: string, importer: string): ModuleExports {
    return this.evaluate(() => this.#instances.loadFrom(specifier, importer));
  }

  /**
   * Takes over what evaluation looked at: true if it would look the same in `code`. All looks are
   * recorded in the transaction of `code` either way.
   */
  adopt(code: ComponentCode): boolean {
    // The same transaction, in which nothing of this changes, has looked already.
    if (code === this.#code) return true;
    const isSame = this.looks.holdIn(code);
    if (isSame) this.#code = code;
    return isSame;
  }
}

/** Modules of an entry, and what it exports. */
export interface LoadedModule {
  readonly modules: ImportedModules;
  readonly exports: ModuleExports;
}

/**
 * Loads an entry and all that it imports; in a private realm if it turns out that the modules need one.
 * @param isEager make that realm also when functions of the modules may need it later.
 * @throws whatever evaluation throws.
 */
export function loadEntry(
  path: string,
  create: (realm: PrivateRealm | null) => ImportedModules,
  isEager = false,
): LoadedModule {
  const modules = create(null);
  try {
    const exports = modules.load(path);
    const isPrivate = isEager ? modules.mayNeedPrivateRealm : modules.needsPrivateRealm;
    if (!isPrivate) return { modules, exports };
  } catch (error) {
    if (!modules.needsPrivateRealm) throw error;
  }
  return loadPrivately(path, create);
}

/** Loads an entry into a private realm. @throws whatever evaluation throws. */
export function loadPrivately(
  path: string,
  create: (realm: PrivateRealm | null) => ImportedModules,
): LoadedModule {
  const modules = create(new PrivateRealm());
  return { modules, exports: modules.load(path) };
}

function sameConfig(a: UdfConfig | null, b: UdfConfig | null): boolean {
  return a?.importPhaseRngSeed === b?.importPhaseRngSeed &&
    a?.importPhaseUnixTimestamp === b?.importPhaseUnixTimestamp;
}

function importRandom(config: UdfConfig | null): RandomStream {
  return new RandomStream(
    () => decodeBase64(config?.importPhaseRngSeed ?? "") ?? new Uint8Array(),
  );
}

export function dynamicImportUnsupported(): never {
  throw new TypeError("dynamic module import unsupported");
}

function noDatabase(): never {
  throw new Error("Can't use database at import time");
}

/** Syscalls of module level code. */
const IMPORT_SYSCALLS: ScopeSyscalls = {
  syscall(name) {
    if (name === "1.0/componentArgument") {
      throw new Error("Can't use `componentArg` at import time");
    }
    return noDatabase();
  },
  asyncSyscall: () => Promise.reject(new Error("Can't use database at import time")),
  jsSyscall: noDatabase,
};

/** @throws PlatformError `Couldn't find "{fn}" in module "{mod.js}".` */
export function requireExport(exports: ModuleExports, path: string, name: string): unknown {
  if (name === "__esModule" || !Object.hasOwn(exports, name)) {
    throw userError(
      "FunctionNotFound",
      `Couldn't find ${JSON.stringify(name)} in module "${path}".`,
    );
  }
  return exports[name];
}
