// The runtime of one deployment: runs the developer's functions, in isolates, against the engine.

import { dirname, join, resolve } from "node:path";
import type { Engine } from "../engine/engine.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { Transaction } from "../engine/transaction.ts";
import { ActionPool } from "./action_pool.ts";
import { ActionSyscalls, registerFunctionCalls } from "./action_syscalls.ts";
import { Analyzer } from "./analysis.ts";
import type { InitFrame, IsolateMode, ModuleAnalysis } from "./frames.ts";
import { type IsolateProgram, processMarks } from "./isolate_process.ts";
import { LimitUsage } from "./limit_usage.ts";
import { DEFAULT_RUNTIME_LIMITS, type RuntimeLimits } from "./limits.ts";
import { NodeAnalyzer } from "./node_analysis.ts";
import type { InstalledNode } from "./installed_node.ts";
import { NodeLauncher, nodeProcessMark } from "./node_launcher.ts";
import { NodePool } from "./node_pool.ts";
import { registerNodeSyscalls } from "./node_syscalls.ts";
import { endOrphans } from "./orphans.ts";
import { NO_OUTBOUND_POLICY, type OutboundPolicy, outboundVariables } from "./outbound_policy.ts";
import { Pool } from "./pool.ts";
import { isSystemModule, runSystemQuery, type SystemFunctions } from "./system_functions.ts";
import { TransactionSyscalls } from "./transaction_syscalls.ts";
import { runCall, type SessionRequest, TransactionRunner } from "./transaction_runner.ts";
import type { Turn } from "./turn.ts";
import type {
  ActionOutcome,
  FunctionCall,
  FunctionKind,
  FunctionPath,
  FunctionRunner,
  HttpActionRunner,
  HttpExchange,
  LogLine,
  MutationOutcome,
  QueryOutcome,
} from "./types.ts";

const ISOLATE_PROGRAM = new URL("./isolate/main.ts", import.meta.url).pathname;
/** Room for what the isolate itself needs beside the function's heap. */
const ISOLATE_OWN_HEAP_MEBIBYTES = 32;
/** Actions share their isolate's heap. */
const ACTION_HEAPS = 4;
/** All modules of a push pass through the analysis, each of them evaluated by itself. */
const ANALYSIS_HEAPS = 4;

const KINDS = { Query: "query", Mutation: "mutation", Action: "action" } as const;

export interface RuntimeOptions {
  readonly engine: Engine;
  /** The key with which the engine was opened: pages that isolates make must be readable by all. */
  readonly cursorKey: Uint8Array;
  /** Signs the tokens in upload URLs. */
  readonly uploadKey: Uint8Array;
  /** Isolates for queries and mutations; one more is kept warm. */
  readonly isolates: number;
  /** Where actions may not connect to. */
  readonly outbound?: OutboundPolicy;
  /** Runs Node actions; default: Deno does. */
  readonly installedNode?: InstalledNode | null;
  /** Whether packages of Node actions may load native add-ons; default: no. */
  readonly nativeAddons?: boolean;
  /** Isolates for actions; they start when the first action comes. */
  readonly actionIsolates: number;
  /** The name that functions are told. */
  readonly deploymentName: string;
  /** Public origins, without a slash at the end. */
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly limits?: Partial<RuntimeLimits>;
  /** All variables that the app sees, for Node processes. */
  readonly environment: (tx: Transaction) => Readonly<Record<string, string>>;
  readonly systemFunctions: SystemFunctions;
  /** Hears of ended isolates and internal errors; default: standard error. */
  readonly onFault?: (message: string) => void;
}

export class Runtime implements FunctionRunner, HttpActionRunner {
  /** What actions may ask of the server; rooms above register more. */
  readonly actionSyscalls: ActionSyscalls;
  /** What mutations may ask of the server; rooms above register it. */
  readonly transactionSyscalls: TransactionSyscalls;
  readonly analyze: Analyzer;
  readonly analyzeNode: NodeAnalyzer;
  readonly limits: RuntimeLimits;
  /** The highest use of each limit since the start. */
  readonly usage: LimitUsage;
  readonly #engine: Engine;
  readonly #systemFunctions: SystemFunctions;
  readonly #pool: Pool;
  readonly #transactions: TransactionRunner;
  readonly #actions: ActionPool;
  readonly #node: NodePool;
  #lastActionId = 0;

  private constructor(
    options: RuntimeOptions,
    parts: {
      limits: RuntimeLimits;
      usage: LimitUsage;
      pool: Pool;
      actions: ActionPool;
      analyze: Analyzer;
      node: { analyze: NodeAnalyzer; pool: NodePool };
    },
    syscalls: { actions: ActionSyscalls; transactions: TransactionSyscalls },
  ) {
    this.#engine = options.engine;
    this.#systemFunctions = options.systemFunctions;
    this.limits = parts.limits;
    this.usage = parts.usage;
    this.#pool = parts.pool;
    this.#actions = parts.actions;
    this.analyze = parts.analyze;
    this.analyzeNode = parts.node.analyze;
    this.#node = parts.node.pool;
    this.actionSyscalls = syscalls.actions;
    this.transactionSyscalls = syscalls.transactions;
    this.#transactions = new TransactionRunner(options.engine, parts.pool);
    registerFunctionCalls(syscalls.actions, options.engine, this);
  }

  /** Resolves when functions can run. Rejects if isolates cannot be started. */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    const { engine, outbound = NO_OUTBOUND_POLICY } = options;
    const onFault = options.onFault ?? ((message) => console.error(`runtime: ${message}`));
    const limits = { ...DEFAULT_RUNTIME_LIMITS, ...options.limits };
    const usage = new LimitUsage();
    // The engine forgets all chains when it opens, so counting may begin again.
    let lastIsolate = 0;
    const nextIsolate = () => ++lastIsolate;
    const init = (mode: IsolateMode) => (isolate: number) =>
      initFrame(options, limits, mode, isolate);
    const program = isolateProgram(engine.path, limits);
    const nodeDirectory = join(dirname(resolve(engine.path)), "node");
    const orphans = [processMarks(program), [nodeProcessMark(nodeDirectory)]].flatMap(endOrphans);
    for (const pid of orphans) {
      onFault(`ended isolate ${pid}, which an earlier server had left running`);
    }
    const actionSyscalls = new ActionSyscalls(onFault);
    const transactionSyscalls = new TransactionSyscalls(onFault);
    const pool = await Pool.start({
      isolates: options.isolates,
      program,
      init: init("transactions"),
      nextIsolate,
      sink: engine.committer,
      syscalls: transactionSyscalls,
      limits,
      usage,
      onFault,
    });
    const actions = new ActionPool({
      isolates: options.actionIsolates,
      program: {
        ...program,
        allowNet: true,
        denyNet: outbound.denied,
        variables: outboundVariables(outbound, (name) => Deno.env.get(name)),
        heapMebibytes: ISOLATE_OWN_HEAP_MEBIBYTES + ACTION_HEAPS * limits.heapMebibytes,
      },
      init: init("actions"),
      nextIsolate,
      dispatch: (...syscall) => actionSyscalls.answer(...syscall),
      limits,
      usage,
      onFault,
    });
    const launcher = await NodeLauncher.open({
      directory: nodeDirectory,
      limits,
      usage,
      outbound,
      installedNode: options.installedNode ?? null,
      nativeAddons: options.nativeAddons ?? false,
      dispatch: (...syscall) => actionSyscalls.answer(...syscall),
    });
    const node = {
      analyze: new NodeAnalyzer(launcher),
      pool: new NodePool({ engine, launcher, environment: options.environment, limits, onFault }),
    };
    const { deploymentName } = options;
    registerNodeSyscalls(actionSyscalls, { engine, pool: node.pool, deploymentName });
    const analyze = new Analyzer({
      program: {
        ...program,
        heapMebibytes: ISOLATE_OWN_HEAP_MEBIBYTES + ANALYSIS_HEAPS * limits.heapMebibytes,
      },
      init: init("transactions"),
      nextIsolate,
      limits,
      usage,
    });
    const parts = { limits, usage, pool, actions, analyze, node };
    const syscalls = { actions: actionSyscalls, transactions: transactionSyscalls };
    return new Runtime(options, parts, syscalls);
  }

  // deno-lint-ignore require-await -- errors must be rejections
  async runQuery(
    call: FunctionCall,
    ts: Timestamp,
    journal: string | null,
  ): Promise<QueryOutcome> {
    if (isSystemModule(call.path.module)) {
      return runSystemQuery(this.#engine, this.#systemFunctions, call, ts);
    }
    return this.#transactions.runQuery(call, ts, journal);
  }

  runMutation(
    call: FunctionCall,
    session?: SessionRequest,
    onAccepted?: () => void,
    turn?: Turn,
  ): Promise<MutationOutcome> {
    return this.#transactions.runMutation(call, session, { onAccepted, turn });
  }

  runAction(call: FunctionCall, onLog: (line: LogLine) => void = () => {}): Promise<ActionOutcome> {
    return this.#actions.run(runCall(++this.#lastActionId, "action", call), onLog);
  }

  runHttpAction(
    call: FunctionCall,
    exchange: HttpExchange,
    onLog: (line: LogLine) => void = () => {},
  ): Promise<ActionOutcome> {
    return this.#actions.run(runCall(++this.#lastActionId, "httpAction", call), onLog, exchange);
  }

  kindOf(path: FunctionPath): FunctionKind | null {
    if (isSystemModule(path.module)) {
      return this.#systemFunctions.find(path.module, path.name)?.kind ?? null;
    }
    const row =
      this.#engine.read((tx) => tx.table("modules").first("by_path", [path.component, path.module]))
        .value;
    if (typeof row?.analysis !== "string") return null;
    const analysis: ModuleAnalysis = JSON.parse(row.analysis);
    const found = analysis.functions.find(({ name }) => name === path.name);
    return found === undefined ? null : KINDS[found.udfType];
  }

  /** Process ids of the isolates at work, for tests and the status page. */
  get isolatePids(): readonly number[] {
    return this.#pool.pids;
  }

  /** Ends all isolates; what was running fails. */
  async close(): Promise<void> {
    await Promise.all([
      this.#pool.close(),
      this.#actions.close(),
      this.#node.close(),
      this.analyze.close(),
      this.analyzeNode.close(),
    ]);
  }
}

function isolateProgram(path: string, limits: RuntimeLimits): IsolateProgram {
  // Absolute: it tells this database's isolates from others' (orphans.ts).
  const databasePath = resolve(path);
  return {
    entry: ISOLATE_PROGRAM,
    readableFiles: [databasePath, `${databasePath}-wal`, `${databasePath}-shm`],
    allowNet: false,
    heapMebibytes: ISOLATE_OWN_HEAP_MEBIBYTES + limits.heapMebibytes,
  };
}

function initFrame(
  options: RuntimeOptions,
  limits: RuntimeLimits,
  mode: IsolateMode,
  isolate: number,
): InitFrame {
  const { engine, deploymentName, cloudUrl, siteUrl } = options;
  return {
    type: "init",
    isolate,
    mode,
    ipv4Only: options.outbound?.ipv4Only ?? false,
    dbPath: engine.path,
    deploymentName,
    cursorKey: options.cursorKey.toHex(),
    uploadKey: options.uploadKey.toHex(),
    env: { cloudUrl, siteUrl },
    limits: engine.limits,
    runtimeLimits: limits,
  };
}
