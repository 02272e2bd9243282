// Turns pushed modules into live ones. Each text is compiled once; each execution evaluates the
// modules that it needs afresh, so that no state carries over between calls (spec function-runtime 3.3).

import { Script } from "node:vm";
import { userError } from "../../engine/errors.ts";
import type { ModuleSource } from "./code_view.ts";
import { markAsMessage } from "./errors.ts";
import { type ScopeReports, seal } from "./instance_seal.ts";
import { isIntrinsic } from "./intrinsics.ts";
import type { PrivateRealm } from "./private_realm.ts";
import { currentScope, noteCaught } from "./scope.ts";
import { forgetScript, registerScript } from "./source_maps.ts";

/** Where an execution gets its modules from. */
export interface ModuleProvider {
  /** Identity of the module's text, or null if there is no such module. */
  find(path: string): { readonly hash: string } | null;
  source(hash: string): ModuleSource;
  /** A module that is no text; undefined for all others. May refuse imports by throwing. */
  readonly synthetic?: (specifier: string) => ModuleExports | undefined;
}

export type ModuleExports = Record<string, unknown>;

type Wrapper = (
  exports: ModuleExports,
  require: (specifier: string) => unknown,
  module: { exports: ModuleExports },
  scope: ScopeReports["report"] | null,
  off: ((stop: () => void) => void) | null,
  caught: (error: unknown) => void,
) => void;

interface CompiledModule {
  readonly script: Script;
  readonly wrapper: Wrapper;
  readonly path: string;
  readonly hash: string;
  readonly reuseObstacle: string | null;
  /** The text looks as if it changed built-in objects, perhaps only while a function runs. */
  readonly seemsToPatch: boolean;
  readonly codeChars: number;
  /** What the module's import specifiers mean. */
  readonly resolved: Map<string, string>;
}

/** Compiled modules that are kept: the chunks of a few versions of a large app. */
const COMPILED_MODULES_MAX = 4096;
/** The wrapper's first line ends here, so that the code's own positions keep their columns. */
const WRAPPER_HEAD = "(function(exports,require,module,__scope,__off,__caught){" +
  '"use strict";__off&&__off(()=>{__scope=null});\n';
const WRAPPER_TAIL = "\n})";
const WRAPPER_LINES = 1;

const compiledModules = new Map<string, CompiledModule>();

function compile(path: string, hash: string, provider: ModuleProvider): CompiledModule {
  const key = `${hash} ${path}`;
  const known = compiledModules.get(key);
  if (known !== undefined) return known;
  const { code, codeMap, sourceMap, reuseObstacle } = provider.source(hash);
  const filename = scriptName(path, hash);
  registerScript(filename, { codeMap, sourceMap });
  const script = new Script(WRAPPER_HEAD + code + WRAPPER_TAIL, {
    filename,
    lineOffset: -WRAPPER_LINES,
    // Without this option `import()` would fail with another text.
    importModuleDynamically: ((specifier: string) =>
      currentScope().importDynamically(specifier, path)) as never,
  });
  const wrapper = script.runInThisContext() as Wrapper;
  const compiled: CompiledModule = {
    script,
    wrapper,
    path,
    hash,
    // A module of unknown origin was not instrumented.
    reuseObstacle: reuseObstacle === undefined ? "it was not analyzed" : reuseObstacle,
    seemsToPatch: PATCHES_BUILT_IN.test(code),
    codeChars: code.length,
    resolved: new Map<string, string>(),
  };
  if (compiledModules.size >= COMPILED_MODULES_MAX) {
    for (const old of compiledModules.values()) forgetScript(scriptName(old.path, old.hash));
    compiledModules.clear();
  }
  compiledModules.set(key, compiled);
  return compiled;
}

/** Names of objects whose properties code likes to change. */
const BUILT_IN =
  "(?:Object|Array|String|Number|Boolean|BigInt|Symbol|Date|Promise|RegExp|Function|" +
  "Map|Set|WeakMap|WeakSet|(?:Type|Range|Syntax|Reference|Eval|URI|Aggregate)?Error|ArrayBuffer|" +
  "(?:Uint|Int|Float|BigInt|BigUint)\\d+(?:Clamped)?Array|Math|JSON|Reflect|Intl|Iterator|crypto|" +
  "performance|Request|Response|Headers|FormData|URL|URLSearchParams|Blob|File)";
/** Names that code likes to replace. */
const REPLACED =
  "(?:Date|Promise|Math|JSON|Intl|Symbol|Map|Set|crypto|performance|fetch|process|console|" +
  "setTimeout|setInterval|Request|Response|Headers|FormData|URL)";
const OWN = `(?<![\\w$.])(?:globalThis\\.|self\\.)?`;
/** What may be assigned in the locked realm, too. */
const ASSIGNABLE = "(?!Error\\.(?:stackTraceLimit|prepareStackTrace)\\b)";
/** `Array.prototype.x =`, `delete Math.x`, `Object.defineProperty(String.prototype`, `Date =`, … */
const PATCHES_BUILT_IN = new RegExp([
  `${OWN}${ASSIGNABLE}${BUILT_IN}(?:\\.prototype)?(?:\\.[\\w$]+|\\[[^\\]]*\\])\\s*=(?![=>])`,
  `${OWN}${REPLACED}\\s*=(?![=>])`,
  `\\bdelete\\s+(?:globalThis\\.|self\\.)?${BUILT_IN}\\b`,
  `\\b(?:definePropert(?:y|ies)|assign|setPrototypeOf|set)\\(\\s*${BUILT_IN}(?:\\.prototype)?\\s*,`,
].join("|"));

function scriptName(path: string, hash: string): string {
  return `convex:/${hash.slice(0, 16)}/${path}`;
}

/** One set of live modules. */
export class ModuleInstances {
  /** Path → text of every module that was asked for, missing ones (null) included. */
  readonly used = new Map<string, string | null>();
  readonly #provider: ModuleProvider;
  readonly #modules = new Map<string, { exports: ModuleExports }>();
  /** What the top levels tell while they run, if the instances may serve several runs. */
  #reports: ScopeReports | null;
  readonly #stopReports: (() => void)[] = [];
  /** Some module's text looks as if it changed built-in objects. */
  seemsToPatch = false;
  /** Characters of all modules together. */
  codeChars = 0;

  /** @param realm where the modules live; null for the one that all runs share. */
  constructor(
    provider: ModuleProvider,
    reports: ScopeReports | null = null,
    private readonly realm: PrivateRealm | null = null,
  ) {
    this.#provider = provider;
    this.#reports = reports;
  }

  /**
   * Makes the instances unchangeable, after their evaluation (instance_seal.ts).
   * @param others objects that belong to the instances besides what modules declare.
   * @returns what stands in the way, or null when the instances may serve any number of runs.
   */
  seal(others: readonly unknown[]): string | null {
    const reports = this.#reports;
    if (reports === null) return "it was not watched";
    this.#reports = null;
    for (const stop of this.#stopReports) stop();
    if (reports.obstacle !== null) return reports.obstacle;
    const exports = [...this.#modules.values()].map((module) => module.exports);
    return seal([...others, ...exports, ...reports.values()], isIntrinsic);
  }

  /** Where a run might meet a frozen object with a write; null if surely nowhere. */
  foreignWrite(): string | null {
    return this.#reports?.foreignWrite(this.#modules.size) ?? null;
  }

  /**
   * The exports of a module, evaluated if they are not yet.
   * @throws PlatformError when the module or one that it imports does not exist; whatever the code throws.
   */
  load(path: string): ModuleExports {
    const module = this.#modules.get(path) ?? this.#instantiate(path);
    if (module === null) throw userError("ModuleNotFound", missingModule(path));
    return module.exports;
  }

  /** Resolves a specifier written in `importer` and loads the module. */
  loadFrom(specifier: string, importer: string): ModuleExports {
    return this.load(resolveSpecifier(specifier, importer));
  }

  #instantiate(path: string): { exports: ModuleExports } | null {
    const found = this.#provider.find(path);
    this.used.set(path, found?.hash ?? null);
    if (found === null) return null;
    const compiled = compile(path, found.hash, this.#provider);
    const reports = this.#reports;
    if (reports !== null) reports.obstacle ??= compiled.reuseObstacle;
    this.seemsToPatch ||= compiled.seemsToPatch;
    this.codeChars += compiled.codeChars;
    const { realm } = this;
    const module = { exports: realm?.createObject() ?? {} };
    // Before evaluation: in an import cycle the others see the exports that exist so far.
    this.#modules.set(path, module);
    const require = (specifier: string) => this.#require(specifier, compiled);
    const wrapper = realm === null
      ? compiled.wrapper
      : realm.run(compiled.script) as CompiledModule["wrapper"];
    wrapper(
      module.exports,
      require,
      module,
      reports?.report ?? null,
      reports === null ? null : (stop) => void this.#stopReports.push(stop),
      noteCaught,
    );
    return module;
  }

  #require(specifier: string, importer: CompiledModule): ModuleExports {
    let path = importer.resolved.get(specifier);
    if (path === undefined) {
      path = resolveSpecifier(specifier, importer.path);
      importer.resolved.set(specifier, path);
    }
    const synthetic = this.#provider.synthetic?.(specifier);
    if (synthetic !== undefined) return synthetic;
    const module = this.#modules.get(path) ?? this.#instantiate(path);
    if (module === null) throw this.#missingImport(specifier, path, importer);
    return module.exports;
  }

  #missingImport(specifier: string, path: string, importer: CompiledModule): Error {
    const { source } = this.#provider.source(importer.hash);
    const position = Math.max(source.indexOf(JSON.stringify(specifier)), 0);
    const before = source.slice(0, position).split("\n");
    const column = before.at(-1)!.length + 1;
    const where = `convex:/${importer.path}:${before.length}:${column}`;
    // Module code may catch it: it must be an ordinary error.
    const error = new Error(`${where}: ${missingModule(path)}`);
    markAsMessage(error);
    return error;
  }
}

export function missingModule(path: string): string {
  return `Couldn't find JavaScript module '${path}'. Did you forget to run \`npx convex dev\`?`;
}

/** The path that a specifier in `importer` names; other specifiers than relative ones are kept. */
function resolveSpecifier(specifier: string, importer: string): string {
  if (specifier.startsWith("convex:/")) return specifier.slice("convex:/".length);
  if (!specifier.startsWith("./") && !specifier.startsWith("../")) return specifier;
  const parts = importer.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}
