// Evaluation of code at push: module analysis, schema, auth config, component definitions, and
// queries that are not part of the app (spec deploy 7 to 9, function-runtime 3.5, components 3).

import { PlatformError, userError } from "../../engine/errors.ts";
import { Transaction } from "../../engine/transaction.ts";
import { SCHEMA_DOCUMENTATION } from "../../engine/values/schema.ts";
import type { AnalyzeOutcome, AnalyzeRequest, PreparedModule, RunCall } from "../frames.ts";
import { ImportClock, TransactionClock } from "./clock.ts";
import type { LogLine } from "../types.ts";
import { CodeCache, CodeView, type ExtraModule } from "./code_view.ts";
import { drive } from "./drive.ts";
import { describeThrown, plainError } from "./errors.ts";
import { Execution } from "./execution.ts";
import { INTERNAL_ERROR_TEXT } from "./function_result.ts";
import { monotonicMs, realNowMs } from "./host.ts";
import {
  type ComponentCode,
  ImportedModules,
  type ImportOverrides,
  loadEntry,
} from "./imported_modules.ts";
import { InstanceCache } from "./instance_cache.ts";
import { analyzeExports } from "./module_analysis.ts";
import type { ModuleExports } from "./module_loader.ts";
import { RandomStream, seedFromHex } from "./random.ts";
import type { ScopeSyscalls } from "./scope.ts";
import { ReuseState, TransactionRun } from "./transaction_run.ts";
import type { TransactionsOptions } from "./transactions.ts";

type Loaded = AnalyzeRequest & { readonly kind: "load" };

/** Console lines that are shown with a failure. */
const SHOWN_LINES_MAX = 100;

/** An evaluation failed in a way that has a code of its own. */
class EvaluationError extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** Syscalls of code that is evaluated at push. */
const PUSH_SYSCALLS: ScopeSyscalls = {
  syscall: unsupportedSyscall,
  // deno-lint-ignore require-await -- errors must be rejections
  asyncSyscall: async (name) => unsupportedSyscall(name),
  jsSyscall: unsupportedSyscall,
};

function unsupportedSyscall(name: string): never {
  throw new Error(`Syscall ${name} unsupported at import time`);
}

export class Analysis {
  readonly #options: TransactionsOptions;
  #loaded: Loaded | null = null;
  #modules = new Map<string, PreparedModule>();
  #byHash = new Map<string, PreparedModule>();

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  /** `done` is called from the event loop or at once. */
  run(request: AnalyzeRequest, done: (outcome: AnalyzeOutcome) => void): void {
    if (request.kind === "testQuery") {
      this.#testQuery(request.call, done);
      return;
    }
    done(this.#evaluate(request));
  }

  #evaluate(request: Exclude<AnalyzeRequest, { kind: "testQuery" }>): AnalyzeOutcome {
    switch (request.kind) {
      case "load":
        this.#load(request);
        return { ok: true, value: "null" };
      case "module":
        return this.#withModule(
          request.path,
          {},
          null,
          (exports, module) => JSON.stringify(analyzeExports(module, exports)),
        );
      case "schema":
        return this.#schema(request.path);
      case "authConfig":
        return this.#authConfig(request.path);
      case "definition":
        return this.#definition(request);
    }
  }

  #load(request: Loaded): void {
    this.#loaded = request;
    this.#modules = new Map(request.modules.map((module) => [module.path, module]));
    this.#byHash = new Map(request.modules.map((module) => [module.hash, module]));
  }

  /**
   * Evaluates a module in fresh instances and looks at it.
   * @param failureCode of an error that the developer's code throws.
   */
  #withModule(
    path: string,
    overrides: ImportOverrides,
    failureCode: string | null,
    body: (exports: ModuleExports, module: PreparedModule) => string,
    synthetic?: (specifier: string) => ModuleExports | undefined,
  ): AnalyzeOutcome {
    const module = this.#modules.get(path);
    if (module === undefined) throw new Error(`module ${path} is not loaded`);
    const { limits, usage } = this.#options.services;
    let lines: readonly LogLine[] = [];
    const startedMs = monotonicMs();
    try {
      const { modules, exports } = loadEntry(path, (realm) => {
        const modules = new ImportedModules(
          this.#code(synthetic),
          limits,
          { syscalls: PUSH_SYSCALLS, ...overrides },
          null,
          realm,
        );
        lines = modules.logLines;
        return modules;
      });
      return { ok: true, value: modules.evaluate(() => body(exports, module)) };
    } catch (error) {
      return failure(error, failureCode, lines);
    } finally {
      usage.note("analysisTimeMs", monotonicMs() - startedMs);
    }
  }

  #code(synthetic?: (specifier: string) => ModuleExports | undefined): ComponentCode {
    const { config, env } = this.#loaded!;
    const { urls } = this.#options;
    return {
      provider: {
        find: (path) => this.#modules.get(path) ?? null,
        source: (hash) => this.#byHash.get(hash)!,
        synthetic,
      },
      config,
      environmentVariable: (name) => {
        if (env !== null && Object.hasOwn(env, name)) return env[name];
        if (name === "CONVEX_CLOUD_URL") return urls.cloudUrl;
        return name === "CONVEX_SITE_URL" ? urls.siteUrl : undefined;
      },
    };
  }

  #schema(path: string): AnalyzeOutcome {
    const overrides = {
      environmentVariable: () => {
        throw new Error("Environment variables unsupported when evaluating schema");
      },
    };
    const refuseImports = (specifier: string): never => {
      throw new Error(`Can't import ${specifier} while evaluating schema`);
    };
    return this.#withModule(path, overrides, null, (exports) => {
      if (!("default" in exports)) {
        throw new EvaluationError(
          "MissingSchemaExportError",
          `Schema file missing default export. ${SCHEMA_DOCUMENTATION}`,
        );
      }
      return exportText(exports.default) ?? fail(
        "InvalidSchemaExport",
        `Default export from schema file isn't a Convex schema. ${SCHEMA_DOCUMENTATION}`,
      );
    }, refuseImports);
  }

  #authConfig(path: string): AnalyzeOutcome {
    const environment = this.#code().environmentVariable;
    let missing: string | null = null;
    const missingText = (name: string) =>
      `Environment variable ${name} is used in auth config file but its value was not set`;
    const overrides = {
      ...forbidden("auth config file"),
      environmentVariable: (name: string) => {
        const value = environment(name);
        if (value !== undefined) return value;
        missing ??= name;
        throw new Error(missingText(name));
      },
    };
    const outcome = this.#withModule(path, overrides, "InvalidAuthConfig", (exports) => {
      if (!("default" in exports)) {
        return fail(
          "InvalidAuthConfig",
          "auth config file is missing default export. To learn more, see the auth " +
            "documentation at https://docs.convex.dev/auth.",
        );
      }
      return JSON.stringify(exports.default) ?? "null";
    });
    // Also when the config caught the error: the variable is needed.
    if (missing === null) return outcome;
    const code = "AuthConfigMissingEnvironmentVariable";
    return { ok: false, code, message: missingText(missing) };
  }

  #definition(
    { path, definitionPath }: Extract<AnalyzeRequest, { kind: "definition" }>,
  ): AnalyzeOutcome {
    const { componentDependencies = {} } = this.#loaded!;
    const isApp = definitionPath === "";
    const overrides: ImportOverrides = {
      ...forbidden("component definition"),
      ...!isApp && {
        environmentVariable: () => {
          throw new Error(
            "Environment variables are only supported in the app's convex.config.ts.",
          );
        },
      },
    };
    const place = isApp
      ? "`convex.config.ts` in your app"
      : `\`convex.config.ts\` in component \`${definitionPath}\``;
    const invalid = (why: string) =>
      fail("InvalidDefinition", `The default export of ${place} has an invalid value (${why}).`);
    return this.#withModule(path, overrides, "InvalidConvexConfig", (exports) => {
      const names = Object.keys(exports).filter((name) => name !== "__esModule");
      if (names.length !== 1 || names[0] !== "default") {
        return invalid(`expected one export, default, but found ${names.join(", ") || "none"}`);
      }
      return exportText(exports.default) ?? invalid("it has no export() method");
    }, (specifier) => componentDependency(specifier, componentDependencies));
  }

  #testQuery(call: RunCall, done: (outcome: AnalyzeOutcome) => void): void {
    const extra = new Map<string, ExtraModule>();
    for (const module of this.#modules.values()) {
      const outcome = this.#evaluate({ kind: "module", path: module.path });
      if (!outcome.ok) return done(outcome);
      const { functions } = JSON.parse(outcome.value);
      const { path, environment, hash } = module;
      const byName = new Map(functions.map((each: { name: string }) => [each.name, each]));
      extra.set(path, {
        row: { path, environment, hash, functions: byName as never },
        source: module,
      });
    }
    const snapshot = this.#options.reader.open(call.at ?? undefined);
    const { services, limits, cursorCipher, deploymentName, files } = this.#options;
    const nowMs = realNowMs();
    const random = new RandomStream(() => seedFromHex(call.seed));
    const tx = new Transaction(snapshot, {
      nowMs,
      randomBytes: (n) => random.bytes(n),
      limits,
      cursorCipher,
    });
    const code = new CodeView(snapshot, new CodeCache(), null, {
      component: call.path.component,
      modules: extra,
    }).access(tx);
    const clock = new TransactionClock(nowMs, this.#loaded!.config.importPhaseUnixTimestamp, false);
    const reuse = new ReuseState(false);
    const ask = () => {
      throw new Error("a query has nothing to ask of the host");
    };
    const state = { call, clock, deploymentName, files, ask, observedIdentity: false, reuse };
    const run = new TransactionRun(state, "query", call.path, tx, code, null);
    const execution = new Execution(
      { ...services, instances: new InstanceCache(services.limits) },
      run,
      random,
      { ...call, kind: "query", depth: 0, nested: null },
    );
    execution.start();
    drive(execution, (problem) => {
      snapshot.close();
      if (problem !== undefined) {
        done({ ok: false, code: "InternalServerError", message: INTERNAL_ERROR_TEXT });
        return;
      }
      const value = { result: execution.result, logLines: execution.log.lines };
      done({ ok: true, value: JSON.stringify(value) });
    });
  }
}

function fail(code: string, message: string): never {
  throw new EvaluationError(code, message);
}

/** The JSON text of what a definition object exports; null if it is no such object. */
function exportText(definition: unknown): string | null {
  const exporter = (definition as { export?: unknown } | null | undefined)?.export;
  if (typeof exporter !== "function") return null;
  const exported: unknown = exporter.call(definition);
  return typeof exported === "string" ? exported : JSON.stringify(exported) ?? null;
}

function componentDependency(
  specifier: string,
  dependencies: Readonly<Record<string, string>>,
): ModuleExports {
  const text = dependencies[specifier];
  if (text === undefined) {
    throw userError("InvalidConvexConfig", `Can't import ${specifier} in a component definition`);
  }
  const { metadata, ...reference } = JSON.parse(text);
  return { __esModule: true, default: { ...reference, export: () => metadata } };
}

/** Neither time nor random numbers. */
function forbidden(what: string): ImportOverrides {
  const refuse = (name: string) => (): never => {
    throw new Error(`${name} unsupported when evaluating ${what}`);
  };
  const clock = new ImportClock(0);
  clock.now = refuse("Date");
  const random = new RandomStream(() => new Uint8Array());
  random.nextUint32 = refuse("Math.random");
  return { clock, random };
}

/** Whether the error says itself what is wrong with the module. */
function isVerdict(error: unknown): error is PlatformError {
  return error instanceof PlatformError &&
    (error.code === "InvalidModules" || error.code === "InvalidFunctionName");
}

function failure(
  error: unknown,
  failureCode: string | null,
  logLines: readonly LogLine[],
): AnalyzeOutcome {
  if (error instanceof EvaluationError || isVerdict(error)) {
    return { ok: false, code: error.code, message: error.message };
  }
  // Others, such as a missing module, are failures of the module's evaluation.
  const { text } = error instanceof PlatformError
    ? plainError(error.message)
    : describeThrown(error);
  const lines = logLines.slice(-SHOWN_LINES_MAX)
    .map(({ level, messages }) => `[${level}] ${messages.join(" ")}`);
  const message = lines.length === 0 ? text : `${text}\n${lines.join("\n")}`;
  return { ok: false, code: failureCode, message };
}
