// Evaluation of pushed code before it goes live: what the modules export, the schema, the auth config,
// the component definition. It happens in an isolate of its own, which ends when nothing was asked of it
// for a while.

import { PlatformError, userError } from "../engine/errors.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { Json } from "../engine/values/value.ts";
import type {
  AnalyzeOutcome,
  AnalyzeRequest,
  FromIsolate,
  InitFrame,
  ModuleAnalysis,
  PreparedModule,
  TestQueryResult,
  UdfConfig,
} from "./frames.ts";
import { IsolateProcess, type IsolateProgram } from "./isolate_process.ts";
import type { LimitUsage } from "./limit_usage.ts";
import type { RuntimeLimits } from "./limits.ts";
import { invalidModules, ModulePreparation, type SourceModule } from "./module_preparation.ts";
import { processUsage } from "./process_usage.ts";
import { internalError } from "./system_failure.ts";
import { runCall } from "./transaction_runner.ts";
import type { FunctionCall } from "./types.ts";
import { type Overrun, overrunMessage, Watchdog } from "./watchdog.ts";

/** The isolate ends after so long without work. */
const IDLE_MS_MAX = 10_000;
const WATCH_INTERVAL_MS = 50;
/** Modules of one push that may define functions. */
const MODULES_MAX = 4096;

/** For evaluations whose result must not depend on time and chance. */
const FIXED_CONFIG: UdfConfig = {
  serverVersion: "",
  importPhaseRngSeed: btoa("\0".repeat(32)),
  importPhaseUnixTimestamp: 0,
};

export type Environment = Readonly<Record<string, string>> | null;

export interface DefinitionOptions {
  /** "" for the app. */
  readonly definitionPath: string;
  /** Only the app's definition sees variables. */
  readonly env: Environment;
  /** JSON texts of what can be imported, by specifier. */
  readonly dependencies: Readonly<Record<string, string>>;
}

export interface AnalyzerOptions {
  readonly program: IsolateProgram;
  readonly init: (isolate: number) => InitFrame;
  readonly nextIsolate: () => number;
  readonly limits: RuntimeLimits;
  readonly usage: LimitUsage;
}

interface Waiting {
  readonly resolve: (outcome: AnalyzeOutcome) => void;
  readonly reject: (error: Error) => void;
}

/** A running analysis isolate. Requests are answered in order. */
interface Session {
  readonly process: IsolateProcess;
  readonly watchdog: Watchdog;
  /** Oldest first; the first one is being worked on. */
  readonly waiting: Map<number, Waiting>;
  overrun: Overrun | null;
}

export class Analyzer {
  readonly #options: AnalyzerOptions;
  readonly #preparation = new ModulePreparation();
  /** One evaluation at a time: each loads its own modules. */
  #turn: Promise<unknown> = Promise.resolve();
  #session: Session | null = null;
  #lastId = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #watchTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: AnalyzerOptions) {
    this.#options = options;
  }

  /**
   * Makes modules ready to be stored and run.
   * @throws PlatformError `InvalidModules`
   */
  prepare(modules: readonly SourceModule[]): Promise<PreparedModule[]> {
    return this.#preparation.prepare(modules);
  }

  /**
   * What every module that is not a shared chunk exports, by path (spec deploy 7).
   * @throws PlatformError `InvalidModules`, or the code that the isolate names
   */
  analyzeModules(
    modules: readonly PreparedModule[],
    env: Environment,
    config: UdfConfig,
  ): Promise<Record<string, ModuleAnalysis>> {
    const paths = modules.map(({ path }) => path).filter((path) => !path.startsWith("_deps/"));
    if (paths.length > MODULES_MAX) {
      const message = `Too many function files (${paths.length} > maximum ${MODULES_MAX}) in ` +
        `"convex/".`;
      return Promise.reject(userError("InvalidModules", message));
    }
    return this.#alone(async () => {
      await this.#load(modules, env, config);
      const outcomes = await Promise.all(
        paths.map((path) => this.#ask({ kind: "module", path })),
      );
      return Object.fromEntries(
        outcomes.map((outcome, i) => [paths[i]!, moduleAnalysis(paths[i]!, outcome)]),
      );
    });
  }

  /**
   * The JSON text that the schema exports.
   * @param exceptionCode of an exception that the schema throws
   * @throws PlatformError with that code, or the one that the isolate names
   */
  evaluateSchema(
    module: PreparedModule,
    config: UdfConfig,
    exceptionCode: string,
  ): Promise<string> {
    const request = { kind: "schema", path: module.path } as const;
    return this.#evaluate([module], null, config, request, exceptionCode);
  }

  /** @throws PlatformError `AuthConfigMissingEnvironmentVariable`, `InvalidAuthConfig` */
  async evaluateAuthConfig(module: PreparedModule, env: Environment): Promise<Json> {
    const request = { kind: "authConfig", path: module.path } as const;
    return JSON.parse(
      await this.#evaluate([module], env, FIXED_CONFIG, request, "InvalidAuthConfig"),
    );
  }

  /**
   * What the `export()` of a component definition returns.
   * @throws PlatformError `InvalidDefinition`, `InvalidConvexConfig`
   */
  async evaluateDefinition(module: PreparedModule, options: DefinitionOptions): Promise<Json> {
    const { definitionPath, env, dependencies } = options;
    const request = { kind: "definition", path: module.path, definitionPath } as const;
    const code = "InvalidConvexConfig";
    return JSON.parse(
      await this.#evaluate([module], env, FIXED_CONFIG, request, code, dependencies),
    );
  }

  /**
   * Runs a query that is not part of the app: `call.path` names one of `modules`.
   * @throws PlatformError when the module cannot be loaded or is no query
   */
  async runTestQuery(
    modules: readonly PreparedModule[],
    call: FunctionCall,
    at: Timestamp,
    env: Environment,
    config: UdfConfig,
  ): Promise<TestQueryResult> {
    const request: AnalyzeRequest = {
      kind: "testQuery",
      call: { ...runCall(0, "query", call), at },
    };
    return JSON.parse(await this.#evaluate(modules, env, config, request, "InvalidModules"));
  }

  async close(): Promise<void> {
    await Promise.all([this.#preparation.close(), this.#stop()]);
  }

  #evaluate(
    modules: readonly PreparedModule[],
    env: Environment,
    config: UdfConfig,
    request: AnalyzeRequest,
    defaultCode: string,
    componentDependencies?: Readonly<Record<string, string>>,
  ): Promise<string> {
    return this.#alone(async () => {
      await this.#load(modules, env, config, componentDependencies);
      const outcome = await this.#ask(request);
      if (outcome.ok) return outcome.value;
      throw userError(outcome.code ?? defaultCode, outcome.message);
    });
  }

  #alone<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(body);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #load(
    modules: readonly PreparedModule[],
    env: Environment,
    config: UdfConfig,
    componentDependencies?: Readonly<Record<string, string>>,
  ): Promise<void> {
    const outcome = await this.#ask({ kind: "load", modules, env, config, componentDependencies });
    if (!outcome.ok) throw userError(outcome.code ?? "InvalidModules", outcome.message);
  }

  #ask(request: AnalyzeRequest): Promise<AnalyzeOutcome> {
    return new Promise((resolve, reject) => {
      clearTimeout(this.#idleTimer);
      this.#session ??= this.#start();
      const { process, waiting, watchdog } = this.#session;
      const id = ++this.#lastId;
      if (waiting.size === 0) watchdog.restart(performance.now());
      waiting.set(id, { resolve, reject });
      process.send({ type: "analyze", id, request });
      this.#watchTimer ??= setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
    });
  }

  #start(): Session {
    const { program, init, nextIsolate, limits } = this.#options;
    const process = IsolateProcess.spawn({
      ...program,
      onFrames: (frames) => this.#receive(session, frames),
    });
    const session: Session = {
      process,
      watchdog: new Watchdog(
        // Instances of several modules are in memory until the next collection of garbage.
        { ...limits, userTimeMs: limits.analysisTimeMs, heapMebibytes: program.heapMebibytes },
        () => processUsage(process.pid),
      ),
      waiting: new Map(),
      overrun: null,
    };
    process.send(init(nextIsolate()));
    process.exited.then((reason) => {
      if (this.#session === session) this.#session = null;
      this.#ended(session, reason.kind === "heap" ? "memory" : session.overrun, reason.detail);
    });
    return session;
  }

  #receive(session: Session, frames: readonly FromIsolate[]): void {
    session.watchdog.restart(performance.now());
    for (const frame of frames) {
      if (frame.type === "usage") this.#options.usage.noteAll(frame.highest);
      if (frame.type !== "analyzed") continue;
      session.waiting.get(frame.id)?.resolve(frame.outcome);
      session.waiting.delete(frame.id);
    }
    if (session.waiting.size > 0) return;
    this.#stopWatching();
    this.#idleTimer = setTimeout(() => this.#stop(), IDLE_MS_MAX);
    Deno.unrefTimer(this.#idleTimer);
  }

  #watch(): void {
    const session = this.#session;
    if (session === null || session.waiting.size === 0) return this.#stopWatching();
    const overrun = session.watchdog.check(performance.now());
    if (overrun === null) return;
    session.overrun = overrun;
    session.process.kill();
  }

  /** The first waiting request is the culprit; those behind it fail with it. */
  #ended(session: Session, overrun: Overrun | null, detail: string): void {
    const limits = { ...this.#options.limits, userTimeMs: this.#options.limits.analysisTimeMs };
    for (const { resolve, reject } of session.waiting.values()) {
      if (overrun === null || overrun === "stuck") {
        reject(internalError(new Error(`the analysis isolate ended: ${detail}`)));
      } else {
        resolve({ ok: false, code: null, message: overrunMessage(overrun, limits) });
      }
    }
    session.waiting.clear();
  }

  #stopWatching(): void {
    clearInterval(this.#watchTimer);
    this.#watchTimer = undefined;
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#idleTimer);
    this.#stopWatching();
    const session = this.#session;
    this.#session = null;
    session?.process.kill();
    await session?.process.exited;
  }
}

/** @throws PlatformError with the texts of spec deploy 7. */
function moduleAnalysis(path: string, outcome: AnalyzeOutcome): ModuleAnalysis {
  if (outcome.ok) return JSON.parse(outcome.value);
  const { code, message } = outcome;
  if (code === null) throw invalidModules(`Failed to analyze ${path}: ${message}`);
  if (code === "InvalidModules") throw invalidModules(message);
  throw new PlatformError("badRequest", code, message);
}
