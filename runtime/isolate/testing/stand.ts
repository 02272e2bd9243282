// For tests: a database made with the engine, functions pushed into it as CommonJS texts, and a real
// isolate process that runs them.

import { createHash } from "node:crypto";
import type { ComponentDocument } from "../../../engine/components.ts";
import { Engine } from "../../../engine/engine.ts";
import { DEFAULT_TRANSACTION_LIMITS } from "../../../engine/limits.ts";
import type { SystemFields } from "../../../engine/system_table_access.ts";
import { createComponentTables } from "../../../engine/table_creation.ts";
import type { ComponentId } from "../../../engine/types.ts";
import type { Json } from "../../../engine/values/value.ts";
import type {
  AnalyzedFunction,
  AnalyzeOutcome,
  AnalyzeRequest,
  FromIsolate,
  IsolateMode,
  RunCall,
  RunResult,
  ToIsolate,
} from "../../frames.ts";
import { instrumentModule } from "../../instrumentation/instrument.ts";
import { IsolateProcess } from "../../isolate_process.ts";
import { DEFAULT_RUNTIME_LIMITS, type RuntimeLimits } from "../../limits.ts";
import { NO_OUTBOUND_POLICY, type OutboundPolicy } from "../../outbound_policy.ts";
import type { Identity } from "../../types.ts";

const ENTRY = new URL("../main.ts", import.meta.url).pathname;
const CURSOR_KEY = new Uint8Array(32);
const HEAP_MEBIBYTES = 96;
export const IMPORT_MS = 1_700_000_000_000;

/** A function of a test module; anything not given is the usual. */
export type TestFunction = Partial<AnalyzedFunction> & { readonly udfType: string };

export interface TestModule {
  readonly code: string;
  readonly functions?: Readonly<Record<string, TestFunction>>;
  readonly sourceMap?: string | null;
  readonly imports?: readonly string[];
  /** Prepare it as a push does, so that instances may be reused. */
  readonly isInstrumented?: boolean;
}

/**
 * Head of test modules: registers functions as the package does, with `db` reduced to syscalls.
 * `query(async (call, args) => …)`: `call(name, args)` performs a syscall.
 */
export const LIBRARY = `
const call = async (name, args) => {
  let text;
  try { text = await Convex.asyncSyscall("1.0/" + name, JSON.stringify(args)); }
  catch (e) { const error = new Error(e.message); if (e.data !== undefined) error.data = e.data; throw error; }
  return JSON.parse(text);
};
const callSync = (name, args) => JSON.parse(Convex.syscall("1.0/" + name, JSON.stringify(args)));
const register = (flag, method) => (handler) => {
  const fn = () => {};
  fn[flag] = true; fn.isPublic = true; fn._handler = handler;
  const run = async (args) => {
    const result = await handler(call, ...JSON.parse(args));
    return JSON.stringify(result === undefined ? null : result);
  };
  fn[method] = method === "invokeAction" ? (_id, args) => run(args) : run;
  fn.exportArgs = () => '{"type":"any"}';
  fn.exportReturns = () => "null";
  return fn;
};
const query = register("isQuery", "invokeQuery");
const mutation = register("isMutation", "invokeMutation");
const action = register("isAction", "invokeAction");
`;

export class Stand {
  readonly engine: Engine;
  readonly #directory: string;
  readonly #processes: TestIsolate[] = [];

  private constructor(engine: Engine, directory: string) {
    this.engine = engine;
    this.#directory = directory;
  }

  static async open(modules: Readonly<Record<string, TestModule>>): Promise<Stand> {
    const directory = Deno.makeTempDirSync();
    const engine = await Engine.open({ path: `${directory}/db.sqlite`, cursorKey: CURSOR_KEY });
    const stand = new Stand(engine, directory);
    await stand.push(modules);
    return stand;
  }

  /** Installs a component as a push does; its id is the result. */
  async install(
    component: Pick<ComponentDocument, "name"> & Partial<ComponentDocument>,
    modules: Readonly<Record<string, TestModule>>,
  ): Promise<ComponentId> {
    const { value: id } = await this.engine.transact((tx) => {
      const id = tx.table("components").insert({
        parent: "",
        path: component.name,
        definitionPath: component.name,
        state: "active",
        httpPrefix: null,
        env: {},
        mounts: [],
        ...component,
      } as unknown as SystemFields);
      createComponentTables(tx, id);
      return id;
    });
    await this.push(modules, id);
    return id;
  }

  /** Stores modules, in the place of those with the same path, and handles of their functions. */
  async push(
    modules: Readonly<Record<string, TestModule>>,
    component: ComponentId = "",
  ): Promise<void> {
    await this.engine.transact((tx) => {
      const config = tx.table("udfConfig");
      if (config.first("by_component", [component]) === null) {
        config.insert({
          component,
          serverVersion: "1.48.0",
          importPhaseRngSeed: btoa("seed".repeat(8)),
          importPhaseUnixTimestamp: IMPORT_MS,
        });
      }
      for (const [path, module] of Object.entries(modules)) {
        const { code, sourceMap = null, imports = [] } = module;
        const hash = createHash("sha256").update(code + sourceMap).digest("hex");
        const rows = tx.table("modules");
        const old = rows.first("by_path", [component, path]);
        if (old !== null) rows.remove(old._id);
        const analysis = JSON.stringify({ functions: analyzedFunctions(module) });
        rows.insert({ component, path, environment: "isolate", hash, analysis });
        for (const name of Object.keys(module.functions ?? {})) {
          const handles = tx.table("functionHandles");
          const point = [component, `${path}:${name}`];
          if (handles.first("by_path", point) !== null) continue;
          handles.insert({ component, path: point[1]!, deletedTs: null });
        }
        const sources = tx.table("moduleSources");
        if (sources.first("by_hash", [hash]) === null) {
          const prepared = module.isInstrumented ? instrumentModule(code) : { code };
          sources.insert({
            hash,
            source: code,
            sourceMap,
            code: prepared.code,
            codeMap: null,
            imports: [...imports],
            ...("obstacle" in prepared ? { reuseObstacle: prepared.obstacle } : {}),
          });
        }
      }
    });
  }

  async setVariable(name: string, value: string): Promise<void> {
    await this.engine.transact((tx) => {
      const table = tx.table("environmentVariables");
      const old = table.first("by_name", [name]);
      if (old !== null) table.remove(old._id);
      table.insert({ name, value });
    });
  }

  async isolate(
    mode: IsolateMode = "transactions",
    limits: Partial<RuntimeLimits> = {},
    outbound = NO_OUTBOUND_POLICY,
  ): Promise<TestIsolate> {
    const isolate = await TestIsolate.start(this.engine.path, mode, limits, outbound);
    this.#processes.push(isolate);
    return isolate;
  }

  async close(): Promise<void> {
    for (const process of this.#processes) await process.close();
    await this.engine.close();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

function analyzedFunctions({ functions = {} }: TestModule): Json {
  return Object.entries(functions).map(([name, entry]) => ({
    name,
    pos: null,
    visibility: { kind: "public" },
    args: '{"type":"any"}',
    returns: "null",
    ...entry,
  })) as unknown as Json;
}

export type CallOptions = Partial<RunCall> & { readonly arguments?: Json[] };

export class TestIsolate {
  readonly frames: FromIsolate[] = [];
  readonly #process: IsolateProcess;
  readonly #waiting: { test: (frame: FromIsolate) => boolean; resolve(frame: FromIsolate): void }[];
  #exit: string | null = null;
  #lastId = 0;
  epoch = 0;

  private constructor(path: string, mode: IsolateMode, denyNet: readonly string[]) {
    this.#waiting = [];
    this.#process = IsolateProcess.spawn({
      entry: ENTRY,
      readableFiles: [path, `${path}-wal`, `${path}-shm`],
      allowNet: mode === "actions",
      denyNet,
      heapMebibytes: HEAP_MEBIBYTES,
      onFrames: (frames) => frames.forEach((frame) => this.#receive(frame)),
    });
  }

  static async start(
    path: string,
    mode: IsolateMode,
    limits: Partial<RuntimeLimits>,
    outbound: OutboundPolicy,
  ): Promise<TestIsolate> {
    const isolate = new TestIsolate(path, mode, outbound.denied);
    isolate.#process.exited.then((reason) => isolate.#exit = reason.detail);
    isolate.send({
      type: "init",
      isolate: 1,
      mode,
      ipv4Only: outbound.ipv4Only,
      dbPath: path,
      deploymentName: "test",
      cursorKey: "00".repeat(CURSOR_KEY.length),
      uploadKey: "00",
      env: { cloudUrl: "http://cloud.test", siteUrl: "http://site.test" },
      limits: DEFAULT_TRANSACTION_LIMITS,
      runtimeLimits: { ...DEFAULT_RUNTIME_LIMITS, ...limits },
    });
    await isolate.receive((frame) => frame.type === "ready");
    return isolate;
  }

  send(frame: ToIsolate): void {
    this.#process.send(frame);
  }

  /** The next frame that passes the test. @throws Error when the process ends before. */
  receive(test: (frame: FromIsolate) => boolean): Promise<FromIsolate> {
    const at = this.frames.findIndex(test);
    if (at >= 0) return Promise.resolve(this.frames.splice(at, 1)[0]!);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ test, resolve });
      this.#process.exited.then((reason) => reject(new Error(`isolate ended: ${reason.detail}`)));
    });
  }

  #receive(frame: FromIsolate): void {
    const at = this.#waiting.findIndex(({ test }) => test(frame));
    if (at >= 0) this.#waiting.splice(at, 1)[0]!.resolve(frame);
    else this.frames.push(frame);
  }

  call(kind: RunCall["kind"], name: string, options: CallOptions = {}): RunCall {
    const [module, fn = "default"] = name.split(":");
    const identity: Identity = { kind: "anonymous" };
    return {
      callId: ++this.#lastId,
      kind,
      path: { component: "", module: `${module}.js`, name: fn },
      args: JSON.stringify(options.arguments ?? [{}]),
      identity,
      requestId: "0123456789abcdef",
      visibility: "public",
      journal: null,
      at: null,
      seed: "00112233445566778899aabbccddeeff",
      ip: null,
      userAgent: null,
      caller: "HttpApi",
      ...options,
    };
  }

  /** Runs calls as one batch; results in the order of the calls. */
  async runBatch(calls: RunCall[]): Promise<RunResult[]> {
    this.send({ type: "run", epoch: this.epoch, calls });
    const results: RunResult[] = [];
    while (results.length < calls.length) {
      const frame = await this.receive(({ type }) => type === "results" || type === "failed");
      if (frame.type === "failed") throw new Error(frame.message);
      if (frame.type === "results") results.push(...frame.results);
    }
    return results;
  }

  async run(kind: RunCall["kind"], name: string, options: CallOptions = {}): Promise<RunResult> {
    const [result] = await this.runBatch([this.call(kind, name, options)]);
    return result!;
  }

  async analyze(request: AnalyzeRequest): Promise<AnalyzeOutcome> {
    const id = ++this.#lastId;
    this.send({ type: "analyze", id, request });
    const frame = await this.receive((each) => each.type === "analyzed" && each.id === id);
    return (frame as FromIsolate & { type: "analyzed" }).outcome;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exit(): string | null {
    return this.#exit;
  }

  async close(): Promise<void> {
    this.#process.kill();
    await this.#process.exited;
  }
}

/** The value of a successful result. */
export function valueOf(result: RunResult): Json {
  if (!result.result.ok) throw new Error(result.result.error.text);
  return JSON.parse(result.result.value);
}

/** The text of a failed result. */
export function errorOf(result: RunResult): string {
  return result.result.ok ? `no error: ${result.result.value}` : result.result.error.text;
}
