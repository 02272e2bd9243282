// An isolate process that runs queries and mutations, with what the host knows about it: the calls
// it was given, its chain of unconfirmed mutations, its watchdog.

import { assert, PlatformError } from "../engine/errors.ts";
import type { SessionRecord } from "../engine/types.ts";
import type { PendingCall } from "./call_queue.ts";
import { ChainCoordinator, type CommitSink } from "./chain_coordinator.ts";
import type { FromIsolate, InitFrame, RunResult, SyscallFrame } from "./frames.ts";
import { type ExitReason, IsolateProcess, type IsolateProgram } from "./isolate_process.ts";
import type { HighestUse } from "./limit_usage.ts";
import type { RuntimeLimits } from "./limits.ts";
import type { NestedCallName, NestedFrame } from "./nested_overruns.ts";
import { processUsage } from "./process_usage.ts";
import type { ChunkFrame } from "./stream_frames.ts";
import { internalError } from "./system_failure.ts";
import type { TransactionSyscalls } from "./transaction_syscalls.ts";
import { type Overrun, Watchdog } from "./watchdog.ts";

/** What the pool hears from its isolates. */
export interface TransactionIsolateEvents {
  /** It can take work. */
  ready(isolate: TransactionIsolate): void;
  /** A call ran; `result` is null if it ended in a system failure. */
  finished(isolate: TransactionIsolate, call: PendingCall, result: RunResult | null): void;
  /** The call ran on top of a mutation that never happened. */
  stale(calls: readonly PendingCall[]): void;
  /** The calls did not run, and have to after the commits that were accepted so far. */
  deferred(calls: readonly PendingCall[]): void;
  /** The call makes nested calls. */
  nests(call: PendingCall): void;
  /** Functions came nearer to their limits than any before in that isolate. */
  usage(highest: HighestUse): void;
  /** It may take another batch; to be handed out at once. */
  capacity(): void;
  /** All frames that had arrived are handled. */
  turn(): void;
  ended(isolate: TransactionIsolate, end: IsolateEnd): void;
}

/** How an isolate ended and what it had to do then. */
export interface IsolateEnd {
  readonly reason: ExitReason;
  /** The watchdog ended it. */
  readonly overrun: Overrun | null;
  /** One of these was running, as far as is known. */
  readonly suspects: readonly PendingCall[];
  /** Whether `suspects` is the one call that was running. */
  readonly isCertain: boolean;
  /** The process held much of other functions when the running call began. */
  readonly wasLargeBefore: boolean;
  /** The nested call in which that one was, as far as is known. */
  readonly nested: NestedCallName | null;
  /** These had not begun. */
  readonly innocents: readonly PendingCall[];
}

interface OutstandingFrame {
  /** Calls without a result, in the order of execution. */
  readonly calls: Map<number, PendingCall>;
  /** Sum of the estimates when it was sent. */
  readonly estimateMs: number;
  /** Calls were taken back: the isolate may be running one that is no longer here. */
  wasStolenFrom: boolean;
}

/** What all isolates of a pool share. */
export interface TransactionIsolateServices {
  readonly sink: CommitSink;
  readonly syscalls: TransactionSyscalls;
  readonly limits: RuntimeLimits;
}

export class TransactionIsolate {
  readonly #isolate: number;
  readonly #process: IsolateProcess;
  readonly #chain: ChainCoordinator;
  readonly #watchdog: Watchdog;
  readonly #events: TransactionIsolateEvents;
  readonly #services: TransactionIsolateServices;
  /** Oldest first; the first one is being executed. */
  #frames: OutstandingFrame[] = [];
  #isReady = false;
  #overrun: Overrun | null = null;
  #lastSignMs = 0;
  /** Results have arrived that the committer has not seen yet. */
  #isCommitting = false;
  /** Calls that have to run again, not told yet. */
  #stale: PendingCall[] = [];
  /** Where the last call that told it was. */
  #nested: NestedFrame | null = null;
  /** It waits for an answer of the host. */
  #isAsking = false;
  /** Bytes that belong to the question that follows. */
  #chunk: ChunkFrame | null = null;

  constructor(
    init: InitFrame,
    process: IsolateProgram,
    services: TransactionIsolateServices,
    events: TransactionIsolateEvents,
  ) {
    this.#isolate = init.isolate;
    this.#events = events;
    this.#services = services;
    this.#process = IsolateProcess.spawn({
      ...process,
      onFrames: (frames) => this.#receive(frames),
    });
    this.#chain = new ChainCoordinator(
      init.isolate,
      services.sink,
      (frame) => this.#process.send(frame),
    );
    this.#watchdog = new Watchdog(services.limits, () => processUsage(this.#process.pid));
    this.#process.send(init);
    this.#process.exited.then((reason) => this.#ended(reason));
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isReady(): boolean {
    return this.#isReady && this.#process.alive;
  }

  get frameCount(): number {
    return this.#frames.length;
  }

  get estimateMs(): number {
    let sum = 0;
    for (const frame of this.#frames) sum += frame.estimateMs;
    return sum;
  }

  /** Whether mutations run here, or have run and are not decided yet. */
  get hasMutations(): boolean {
    if (this.#isCommitting || !this.#chain.isDecided) return true;
    return this.#frames.some((frame) => {
      for (const pending of frame.calls.values()) {
        if (pending.call.kind === "mutation") return true;
      }
      return false;
    });
  }

  /** The running call runs alone to find out whether it kills its isolate. */
  get isSolo(): boolean {
    const calls = this.#frames[0]?.calls;
    return calls !== undefined && calls.values().next().value!.isSolo;
  }

  /** How long the isolate has been at work without a result. */
  silentMs(nowMs: number): number {
    return this.#frames.length === 0 ? 0 : nowMs - this.#lastSignMs;
  }

  /** Gives it calls to run after those that it has. */
  run(calls: readonly PendingCall[], estimateMs: number, nowMs: number): void {
    assert(this.isReady && calls.length > 0);
    if (this.#frames.length === 0) {
      this.#lastSignMs = nowMs;
      this.#watchdog.restart(nowMs);
    }
    for (const pending of calls) pending.runsAhead = pending.turn?.hasCome === false;
    this.#frames.push({
      calls: new Map(calls.map((pending) => [pending.call.callId, pending])),
      estimateMs,
      wasStolenFrom: false,
    });
    this.#process.send({
      type: "run",
      epoch: this.#chain.epoch,
      calls: calls.map((pending) => pending.call),
    });
  }

  /**
   * Takes back the calls that wait behind the one that is running, to run them elsewhere. Their
   * results, should they still come, are ignored, and their writes never happen.
   */
  steal(): PendingCall[] {
    const running = this.#frames[0];
    if (running === undefined) return [];
    const stolen: PendingCall[] = [];
    for (const [callId, pending] of [...running.calls].slice(1)) {
      running.calls.delete(callId);
      running.wasStolenFrom = true;
      // Results may be held back in the isolate, so this could be the one that runs and never ends.
      pending.isSolo = true;
      stolen.push(pending);
    }
    for (const frame of this.#frames.slice(1)) stolen.push(...frame.calls.values());
    this.#frames = [running];
    return stolen;
  }

  /** Stops the process if the running call has used up a limit. To be called regularly. */
  watch(nowMs: number): void {
    if (this.#frames.length === 0 || !this.#process.alive) return;
    if (this.#isAsking) this.#watchdog.excuse();
    const overrun = this.#watchdog.check(nowMs);
    if (overrun === null) return;
    this.#overrun = overrun;
    this.#process.kill();
  }

  kill(): void {
    this.#process.kill();
  }

  get exited(): Promise<ExitReason> {
    return this.#process.exited;
  }

  #receive(frames: FromIsolate[]): void {
    for (const frame of frames) {
      switch (frame.type) {
        case "ready":
          this.#isReady = true;
          this.#events.ready(this);
          break;
        case "results":
          this.#lastSignMs = performance.now();
          this.#watchdog.restart(this.#lastSignMs);
          this.#results(frame.results);
          break;
        case "progress":
          this.#watchdog.progress(frame.userMs, frame.systemMs);
          break;
        case "nests": {
          const pending = this.#find(frame.callId);
          if (pending !== undefined) this.#events.nests(pending);
          break;
        }
        case "nested":
          this.#watchdog.progress(frame.userMs, frame.systemMs);
          this.#nested = frame;
          break;
        case "deferred":
          this.#defer(frame.callIds);
          break;
        case "chunk":
          this.#chunk = frame;
          break;
        case "syscall":
          if (this.#isAsking) throw new Error("a transaction isolate asked while it waited");
          this.#answer(frame);
          break;
        case "usage":
          this.#events.usage(frame.highest);
          break;
        case "failed": {
          const pending = this.#remove(frame.callId);
          if (pending === undefined) break;
          pending.fail(internalError(new Error(frame.message)));
          this.#events.finished(this, pending, null);
          break;
        }
        default:
          throw new Error(`a transaction isolate sent a frame of type ${frame.type}`);
      }
    }
    this.#events.turn();
  }

  #results(results: readonly RunResult[]): void {
    const calls = results.map((result) => this.#remove(result.callId));
    this.#isCommitting = results.some(({ chainSeq }) => chainSeq > 0);
    // The isolate gets its next batch before this one is committed: both work at the same time.
    this.#events.capacity();
    this.#process.flush();
    for (let i = 0; i < results.length; i++) this.#result(results[i]!, calls[i]);
    this.#isCommitting = false;
    this.#tellStale();
  }

  /** Whether it ran without those that go before it. */
  #isEarly({ turn, runsAhead }: PendingCall): boolean {
    if (turn === undefined || (turn.hasCome && !runsAhead)) return false;
    return !turn.hasCome || !turn.followsIn(this.#isolate);
  }

  /** Those of one frame are told together, so that they keep their order when they run again. */
  #noteStale(pending: PendingCall): void {
    this.#stale.push(pending);
    if (!this.#isCommitting) this.#tellStale();
  }

  #tellStale(): void {
    if (this.#stale.length === 0) return;
    const calls = this.#stale;
    this.#stale = [];
    this.#events.stale(calls);
  }

  #result(result: RunResult, pending: PendingCall | undefined): void {
    const isMutation = result.chainSeq > 0;
    if (pending === undefined) {
      if (isMutation) this.#chain.discard(result);
      return;
    }
    this.#events.finished(this, pending, result);
    if (!isMutation) return pending.settle({ kind: "ran", result, commit: null });
    this.#chain.take({
      result,
      source: pending.source,
      session: sessionRecord(pending, result),
      isEarly: () => this.#isEarly(pending),
      onEarly: () => pending.settle({ kind: "early" }),
      onStale: () => this.#noteStale(pending),
      onAccepted: () => {
        if (pending.turn !== undefined) pending.turn.acceptedIn = this.#isolate;
        pending.onAccepted?.();
      },
      onSubmitted: (commit) => pending.settle({ kind: "ran", result, commit }),
    });
  }

  async #answer(frame: SyscallFrame): Promise<void> {
    const { callId, opId } = frame;
    const bytes = this.#chunk?.stream === opId ? this.#chunk.bytes : new Uint8Array();
    this.#chunk = null;
    this.#isAsking = true;
    const { syscalls, limits } = this.#services;
    const reply = await syscalls.answer(frame, bytes, this.#find(callId), limits);
    this.#isAsking = false;
    if (reply.bytes !== undefined) {
      this.#process.send({ type: "chunk", callId, stream: opId, bytes: reply.bytes });
    }
    this.#process.send({ type: "reply", callId, opId, result: reply.result });
  }

  #defer(callIds: readonly number[]): void {
    this.#lastSignMs = performance.now();
    this.#watchdog.restart(this.#lastSignMs);
    const calls = callIds.map((callId) => this.#remove(callId)).filter((call) =>
      call !== undefined
    );
    // What they wait for becomes visible before they run again.
    this.#services.sink.flush();
    this.#events.deferred(calls);
  }

  #find(callId: number): PendingCall | undefined {
    return this.#frames.find(({ calls }) => calls.has(callId))?.calls.get(callId);
  }

  #remove(callId: number): PendingCall | undefined {
    for (let i = 0; i < this.#frames.length; i++) {
      const { calls } = this.#frames[i]!;
      const pending = calls.get(callId);
      if (pending === undefined) continue;
      calls.delete(callId);
      if (calls.size === 0) this.#frames.splice(i, 1);
      return pending;
    }
    return undefined;
  }

  #ended(reason: ExitReason): void {
    const [running, ...waiting] = this.#frames;
    this.#frames = [];
    const suspects = running === undefined ? [] : [...running.calls.values()];
    const nested = this.#nested?.callId === suspects[0]?.call.callId ? this.#nested : null;
    this.#events.ended(this, {
      reason,
      overrun: this.#overrun,
      suspects,
      isCertain: suspects.length === 1 && !running!.wasStolenFrom,
      wasLargeBefore: this.#watchdog.wasLargeBefore,
      nested: nested?.running ?? null,
      innocents: waiting.flatMap((frame) => [...frame.calls.values()]),
    });
  }
}

/** What a retry of the client's request will get. */
function sessionRecord(pending: PendingCall, result: RunResult): SessionRecord | undefined {
  if (pending.session === undefined || !result.result.ok) return undefined;
  return {
    ...pending.session,
    result: result.result.value,
    logLines: result.logLines.map((line) => JSON.stringify(line)),
  };
}

/** The pool is closing. */
export function closingError(): PlatformError {
  return new PlatformError("overloaded", "ServiceUnavailable", "The server is shutting down.");
}
