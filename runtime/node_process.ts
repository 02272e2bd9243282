// A process that runs actions in Node's environment, many at a time. It may read the app's modules and
// packages, write one private directory, and connect to others; it knows nothing else of the host.

import type { PlatformError } from "../engine/errors.ts";
import type { SyscallStreams } from "./action_isolate.ts";
import { BusyWatch } from "./busy_watch.ts";
import { ByteStreams } from "./byte_streams.ts";
import { directoryBytes } from "./directory_size.ts";
import type { RunCall, SyscallResult } from "./frames.ts";
import { type ExitReason, IsolateProcess, type ProcessCommand } from "./isolate_process.ts";
import type { LimitUsage } from "./limit_usage.ts";
import type { RuntimeLimits } from "./limits.ts";
import type {
  FromNode,
  ModuleDescription,
  NodeOutcome,
  NodeUsage,
  ReportedError,
  ToNode,
} from "./node/protocol.ts";
import type { NodeDirectories } from "./node_directories.ts";
import { processUsage } from "./process_usage.ts";
import { internalError } from "./system_failure.ts";
import type { LogLevel } from "./types.ts";
import { overrunMessage, residentBytesMax } from "./watchdog.ts";

const BYTES_PER_MEBIBYTE = 1024 * 1024;

export interface NodeProcessOptions {
  readonly directories: NodeDirectories;
  readonly command: ProcessCommand;
  readonly nativeAddons: boolean;
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: RuntimeLimits;
  /** Hears of the highest uses. */
  readonly usage: LimitUsage;
  readonly dispatch: NodeSyscallDispatcher;
  readonly events: NodeProcessEvents;
}

export type NodeSyscallDispatcher = (
  name: string,
  args: string,
  call: RunCall,
  streams: SyscallStreams,
) => Promise<SyscallResult>;

export interface NodeProcessEvents {
  /** The process should get no more actions. */
  leaving(process: NodeProcess): void;
  ended(process: NodeProcess, reason: ExitReason): void;
}

export interface NodeAction {
  readonly call: RunCall;
  readonly timeMs: number;
  readonly log: (level: LogLevel, messages: readonly string[]) => void;
  readonly settle: (outcome: NodeOutcome) => void;
  readonly fail: (error: PlatformError) => void;
}

interface Running {
  readonly action: NodeAction;
  readonly streams: ByteStreams;
  readonly ending: AbortController;
}

export class NodeProcess {
  /** Resolves once, when the process and its directories are gone. */
  readonly exited: Promise<void>;
  readonly #options: NodeProcessOptions;
  readonly #process: IsolateProcess<ToNode, FromNode>;
  readonly #busyWatch: BusyWatch;
  readonly #running = new Map<number, Running>();
  readonly #describing = new Map<number, PromiseWithResolvers<ModuleDescription>>();
  #lastDescription = 0;
  #overrun: "memory" | "temporary" | null = null;
  #isMeasuring = false;

  constructor(options: NodeProcessOptions) {
    this.#options = options;
    const { directories, command, nativeAddons, environment, limits } = options;
    this.#process = IsolateProcess.start(command, (frames) => this.#receive(frames));
    this.#busyWatch = new BusyWatch(this.#process.pid);
    this.#process.send({
      type: "init",
      appDirectory: directories.app,
      temporaryDirectory: directories.temporary,
      environment,
      operationsMax: limits.nodeOperations,
      nativeAddons,
    });
    this.exited = this.#process.exited.then((reason) => this.#ended(reason));
  }

  get runningCount(): number {
    return this.#running.size;
  }

  get alive(): boolean {
    return this.#process.alive;
  }

  run(action: NodeAction): void {
    const { callId, path, args } = action.call;
    const streams = new ByteStreams(callId, (frame) => this.#process.send(frame));
    this.#running.set(callId, { action, streams, ending: new AbortController() });
    const { module, name } = path;
    this.#process.send({ type: "run", callId, module, name, args, timeMs: action.timeMs });
  }

  /** Gives an action up. What it computes cannot be stopped but with the process. */
  cancel(callId: number): void {
    if (this.#take(callId) !== null) this.#process.send({ type: "cancel", callId });
  }

  /** What the module exports. Rejects when the process ends before it says so. */
  describe(module: string): Promise<ModuleDescription> {
    const answer = Promise.withResolvers<ModuleDescription>();
    const id = ++this.#lastDescription;
    this.#describing.set(id, answer);
    this.#process.send({ type: "describe", id, module });
    return answer.promise;
  }

  kill(): void {
    this.#process.kill();
  }

  /** Whether an action keeps the process from answering. To be asked regularly. */
  isBusy(nowMs: number): boolean {
    return this.#running.size > 0 && this.#busyWatch.isBusy(nowMs);
  }

  /** Ends the process if it takes too much of the machine's memory or disk. To be called regularly. */
  checkSize(): void {
    const usage = processUsage(this.#process.pid);
    const bytesMax = residentBytesMax(this.#options.limits.nodeHeapMebibytes);
    if (usage !== null && usage.residentBytes > bytesMax) this.#endFor("memory");
    else if (!this.#isMeasuring) this.#checkTemporaryFiles();
  }

  async #checkTemporaryFiles(): Promise<void> {
    const { directories, limits, usage } = this.#options;
    const bytesMax = limits.nodeTemporaryMebibytes * BYTES_PER_MEBIBYTE;
    this.#isMeasuring = true;
    try {
      const bytes = await directoryBytes(directories.temporary, bytesMax);
      usage.note("nodeTemporaryMebibytes", Math.ceil(bytes / BYTES_PER_MEBIBYTE));
      if (bytes > bytesMax) this.#endFor("temporary");
    } catch {
      // The process made a directory unreadable.
      this.#endFor("temporary");
    } finally {
      this.#isMeasuring = false;
    }
  }

  #endFor(overrun: "memory" | "temporary"): void {
    if (!this.alive) return;
    this.#overrun = overrun;
    this.kill();
  }

  /** For the operator to see; the process may say anything. */
  #noteUsage({ operations, heapBytes }: NodeUsage): void {
    const { limits, usage } = this.#options;
    const note = (name: "nodeOperations" | "nodeHeapMebibytes", used: number) => {
      if (Number.isFinite(used)) usage.note(name, Math.min(used, limits[name]));
    };
    note("nodeOperations", operations);
    note("nodeHeapMebibytes", Math.ceil(heapBytes / BYTES_PER_MEBIBYTE));
  }

  #take(callId: number): Running | null {
    const running = this.#running.get(callId);
    if (running === undefined) return null;
    this.#running.delete(callId);
    running.streams.close("the action has ended");
    running.ending.abort();
    return running;
  }

  #receive(frames: readonly FromNode[]): void {
    this.#busyWatch.heard();
    for (const frame of frames) {
      switch (frame.type) {
        case "ready":
          break;
        case "log":
          this.#running.get(frame.callId)?.action.log(frame.level, frame.messages);
          break;
        case "syscall":
          this.#syscall(frame);
          break;
        case "chunk":
        case "end":
        case "credit":
        case "stop":
          this.#running.get(frame.callId)?.streams.receive(frame);
          break;
        case "result":
          this.#noteUsage(frame.usage);
          this.#take(frame.callId)?.action.settle(frame.outcome);
          break;
        case "described":
          this.#describing.get(frame.id)?.resolve(frame.description);
          this.#describing.delete(frame.id);
          break;
        case "leaving":
          this.#options.events.leaving(this);
          break;
        default:
          throw new Error(`a Node process sent ${JSON.stringify(frame).slice(0, 100)}`);
      }
    }
  }

  async #syscall(frame: FromNode & { type: "syscall" }): Promise<void> {
    const { callId, opId, name, args } = frame;
    const running = this.#running.get(callId);
    if (running === undefined) return;
    const { action, streams, ending } = running;
    const result = await this.#options.dispatch(name, args, action.call, {
      input: () => streams.incoming(opId),
      output: (bytes) => void streams.sendAll(opId, bytes),
      signal: ending.signal,
      log: action.log,
    });
    if (this.#running.has(callId)) this.#process.send({ type: "reply", callId, opId, result });
  }

  async #ended(reason: ExitReason): Promise<void> {
    if (reason.kind === "heap") this.#overrun = "memory";
    const exit: ExitReason = this.#overrun === null ? reason : { ...reason, kind: "heap" };
    const error = internalError(new Error(`the Node process ended: ${exit.detail}`));
    const report = this.#overrunReport();
    for (const callId of [...this.#running.keys()]) {
      const { action } = this.#take(callId)!;
      if (report !== null) action.settle({ ok: false, error: report });
      else action.fail(error);
    }
    for (const { resolve, reject } of this.#describing.values()) {
      if (report !== null) resolve({ ok: false, error: report });
      else reject(error);
    }
    this.#describing.clear();
    this.#options.events.ended(this, exit);
    await this.#options.directories.remove();
  }

  /** Null: the process did not end for what it took. */
  #overrunReport(): ReportedError | null {
    const { limits, usage } = this.#options;
    switch (this.#overrun) {
      case null:
        return null;
      case "memory": {
        usage.note("nodeHeapMebibytes", limits.nodeHeapMebibytes);
        const heap = { ...limits, heapMebibytes: limits.nodeHeapMebibytes };
        return { message: overrunMessage("memory", heap), frames: [] };
      }
      case "temporary":
        return {
          message: "Temporary files take too much space (maximum " +
            `${limits.nodeTemporaryMebibytes} MiB for all actions that run in Node.js)`,
          frames: [],
        };
    }
  }
}
