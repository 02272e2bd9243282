// The isolates that run queries and mutations, and who runs what. Calls that wait while isolates are
// busy travel together in one frame. Mutations go to one isolate, their home, where they chain and
// cannot conflict with each other; when they wait there too long, others help. Functions that met
// conflicts lately never leave home. Queries go everywhere, in a fair order (query_queue.ts).

import { PlatformError } from "../engine/errors.ts";
import { CallEnd, CallQueue, type PendingCall, type WaitingLine } from "./call_queue.ts";
import type { CommitSink } from "./chain_coordinator.ts";
import { ContentionTracker } from "./contention.ts";
import { DurationEstimates } from "./duration_estimates.ts";
import type { InitFrame, RunCall } from "./frames.ts";
import type { IsolateProgram } from "./isolate_process.ts";
import type { HighestUse, LimitUsage } from "./limit_usage.ts";
import type { RuntimeLimits } from "./limits.ts";
import { NestedOverruns } from "./nested_overruns.ts";
import { QueryQueue } from "./query_queue.ts";
import { internalError } from "./system_failure.ts";
import {
  closingError,
  type IsolateEnd,
  TransactionIsolate,
  type TransactionIsolateEvents,
} from "./transaction_isolate.ts";
import type { TransactionSyscalls } from "./transaction_syscalls.ts";
import { overrunMessage } from "./watchdog.ts";

/** Calls of one kind that may wait. */
const WAITING_CALLS_MAX = 20_000;
/** A call that waited longer is turned away. */
const WAITING_MS_MAX = 5_000;
/** The same for a call that lost its isolate: others have to start first. */
const WAITING_AFTER_DEATH_MS_MAX = 30_000;
const BATCH_CALLS_MAX = 64;
/** Calls are put together in a batch up to this estimate. */
const BATCH_ESTIMATE_MS_MAX = 4;
/** A second batch waits in the isolate's pipe, so that it never idles; not behind slow calls. */
const FRAMES_IN_FLIGHT_MAX = 2;
const PIPELINED_ESTIMATE_MS_MAX = 4;
/**
 * Mutations that waited longer for their home isolate may run in another. On few processors the helper
 * takes its time from the home, so this is well above what waiting takes under a load that home can bear.
 */
const SPILL_AFTER_MS = 25;
/**
 * Queries up to this estimate are short: they have a lane of their own among those that wait, and only
 * they run in the home of the mutations, if there are other isolates.
 */
const SHORT_QUERY_ESTIMATE_MS_MAX = 10;
/** An isolate silent for so long is busy with one slow call; the calls behind it go elsewhere. */
const STEAL_AFTER_MS = 60;
/** How often running calls are looked after. */
const WATCH_INTERVAL_MS = 20;
/** The server itself stood still so long (a suspended machine): nobody kept the others waiting then. */
const STANDSTILL_MS_MIN = 1_000;
/** A call whose isolates ended so often, and not surely by its own fault, is given up. */
const DEATHS_MAX = 3;
const RESPAWN_DELAY_MS_MIN = 50;
const RESPAWN_DELAY_MS_MAX = 5_000;
/** An isolate that is not ready by then is ended, and another one started. */
const START_MS_MAX = 60_000;

export interface PoolOptions {
  /** Isolates at work at a time; one more is kept warm. */
  readonly isolates: number;
  readonly program: IsolateProgram;
  /** The first frame of each isolate, given its number. */
  readonly init: (isolate: number) => InitFrame;
  /** Hands out numbers that no isolate had before. */
  readonly nextIsolate: () => number;
  readonly sink: CommitSink;
  /** What mutations may ask of the server. */
  readonly syscalls: TransactionSyscalls;
  readonly limits: RuntimeLimits;
  readonly usage: LimitUsage;
  /** How long an isolate may take to start. */
  readonly startMsMax?: number;
  /** Hears what the operator should know. */
  readonly onFault: (message: string) => void;
}

/** What a caller says about a call besides the frame's content. */
export type CallRequest = Pick<
  PendingCall,
  | "call"
  | "source"
  | "client"
  | "session"
  | "isExclusive"
  | "onAccepted"
  | "turn"
  | "settle"
  | "fail"
>;

export class Pool implements TransactionIsolateEvents {
  readonly #options: PoolOptions;
  readonly contention = new ContentionTracker();
  readonly #estimates = new DurationEstimates();
  readonly #nestedOverruns = new NestedOverruns();
  readonly #queries = new QueryQueue(
    ({ source }) => this.#estimates.get(source) <= SHORT_QUERY_ESTIMATE_MS_MAX,
    WAITING_CALLS_MAX,
  );
  readonly #mutations = new CallQueue();
  /** Mutations that run at home only. */
  readonly #homebound = new CallQueue();
  /** Isolates that take work, in the order of their place; the first one is the home. */
  #working: TransactionIsolate[] = [];
  #spare: TransactionIsolate | null = null;
  readonly #starting = new Set<TransactionIsolate>();
  /** The exclusive mutation that is running. */
  #exclusive: PendingCall | null = null;
  #dispatchScheduled = false;
  #timer: ReturnType<typeof setInterval> | null = null;
  #watchedAtMs = 0;
  #failedStarts = 0;
  #respawnTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #lastKind: "query" | "mutation" = "query";
  #onFirstReady: (() => void) | null = null;

  private constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Resolves when the first isolate can take work. Rejects if isolates cannot be started. */
  static async start(options: PoolOptions): Promise<Pool> {
    const pool = new Pool(options);
    const firstReady = new Promise<void>((resolve) => pool.#onFirstReady = resolve);
    // The others start when the first is ready, so that they do not slow it down.
    pool.#spawn();
    const [first] = pool.#starting;
    const failed = first!.exited.then((reason) => {
      throw new Error(`cannot start an isolate: ${reason.detail}`);
    });
    try {
      await Promise.race([firstReady, failed]);
    } catch (error) {
      await pool.close();
      throw error;
    }
    failed.catch(() => {});
    return pool;
  }

  /** Takes a call; its outcome comes through `settle` or `fail`. */
  submit(request: CallRequest): void {
    if (this.#closed) return request.fail(closingError());
    const end = new CallEnd();
    const pending: PendingCall = {
      ...request,
      call: this.#traced(request),
      end,
      settle: (outcome) => {
        end.settle(outcome.kind === "ran" ? outcome.commit : null);
        request.settle(outcome);
      },
      fail: (error) => {
        end.settle(null);
        request.fail(error);
      },
      queuedAtMs: performance.now(),
      runsAhead: false,
      isSolo: false,
      deaths: 0,
    };
    if (!this.#enqueue(pending)) return request.fail(this.#overloadError(pending));
    this.#schedule();
  }

  #traced({ call, source }: CallRequest): RunCall {
    const nested = this.#nestedOverruns.traceOf(source);
    return nested === undefined ? call : { ...call, nested };
  }

  /** Process ids, for tests and the status page. */
  get pids(): number[] {
    return this.#working.map((isolate) => isolate.pid);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#respawnTimer);
    this.#stopTimer();
    const waiting = [this.#queries, this.#mutations, this.#homebound].flatMap((q) => q.drain());
    for (const pending of waiting) pending.fail(closingError());
    const isolates = [...this.#working, ...this.#starting, ...(this.#spare ? [this.#spare] : [])];
    for (const isolate of isolates) isolate.kill();
    await Promise.all(isolates.map((isolate) => isolate.exited));
  }

  // Events of the isolates.

  ready(isolate: TransactionIsolate): void {
    this.#failedStarts = 0;
    this.#starting.delete(isolate);
    if (this.#closed) return isolate.kill();
    if (this.#working.length < this.#options.isolates) this.#working.push(isolate);
    else this.#spare = isolate;
    this.#onFirstReady?.();
    this.#onFirstReady = null;
    this.#replenish();
    this.#schedule();
  }

  finished(
    _isolate: TransactionIsolate,
    call: PendingCall,
    result: { readonly stats: { readonly executionMs: number } } | null,
  ): void {
    if (call === this.#exclusive) this.#exclusive = null;
    if (result !== null) this.#estimates.record(call.source, result.stats.executionMs);
  }

  stale(calls: readonly PendingCall[]): void {
    this.#putBack(calls);
  }

  deferred(calls: readonly PendingCall[]): void {
    if (calls.includes(this.#exclusive!)) this.#exclusive = null;
    this.#putBack(calls);
  }

  nests({ source }: PendingCall): void {
    this.#nestedOverruns.noteCaller(source);
  }

  usage(highest: HighestUse): void {
    this.#options.usage.noteAll(highest);
  }

  capacity(): void {
    this.#dispatch();
  }

  turn(): void {
    this.#schedule();
  }

  ended(isolate: TransactionIsolate, end: IsolateEnd): void {
    const wasStarting = this.#starting.delete(isolate);
    this.#working = this.#working.filter((other) => other !== isolate);
    if (this.#spare === isolate) this.#spare = null;
    if (this.#spare !== null && this.#working.length < this.#options.isolates) {
      this.#working.push(this.#spare);
      this.#spare = null;
    }
    const orphans = [...end.suspects, ...end.innocents];
    if (orphans.includes(this.#exclusive!)) this.#exclusive = null;
    if (this.#closed) {
      for (const pending of orphans) pending.fail(closingError());
      return;
    }
    // One that somebody killed as it started would have started well.
    if (wasStarting && end.reason.kind !== "killed") this.#failedStarts++;
    if (end.overrun === null || wasStarting) {
      this.#options.onFault(`an isolate ended (${end.reason.kind}): ${end.reason.detail}`);
    }
    this.#putBack([...end.suspects.filter((call) => this.#survives(call, end)), ...end.innocents]);
    // Those who were next keep their turn: else each would wait behind call after call that never ends.
    const next = end.innocents[0]?.call.kind;
    if (next !== undefined) this.#lastKind = next === "query" ? "mutation" : "query";
    this.#replenish();
    this.#schedule();
  }

  /** Whether a call that may have been running is put back to run again at once. */
  #survives(pending: PendingCall, end: IsolateEnd): boolean {
    const overrun = end.overrun ?? (end.reason.kind === "heap" ? "memory" : null);
    // In another isolate, where less is kept of other functions, it may well have enough memory.
    const mayFit = overrun === "memory" && end.wasLargeBefore && pending.deaths < DEATHS_MAX - 1;
    if (overrun !== null && overrun !== "stuck" && end.isCertain && !mayFit) {
      const { limits } = this.#options;
      this.#estimates.record(pending.source, limits.userTimeMs);
      const message = overrunMessage(overrun, limits);
      const nested = this.#nestedOverruns.next(pending, end.nested, message);
      if (nested !== null) {
        pending.call = { ...pending.call, nested };
        pending.isSolo = true;
        pending.queuedAtMs = performance.now();
        // Behind the others: it has had its turn.
        if (!this.#enqueue(pending)) pending.fail(this.#overloadError(pending));
        return false;
      }
      pending.settle({ kind: "overrun", message });
      return false;
    }
    pending.deaths++;
    pending.queuedAtMs = performance.now();
    if (pending.deaths >= DEATHS_MAX) {
      pending.fail(internalError(new Error(`isolates keep ending: ${end.reason.detail}`)));
      return false;
    }
    // An isolate that was killed from outside says nothing about what it was running.
    if (end.reason.kind !== "killed" || pending.deaths > 1) pending.isSolo = true;
    return true;
  }

  #spawn(): void {
    const { init, program, nextIsolate, startMsMax = START_MS_MAX } = this.#options;
    const isolate = new TransactionIsolate(init(nextIsolate()), program, this.#options, this);
    this.#starting.add(isolate);
    const timer = setTimeout(() => this.#starting.has(isolate) && isolate.kill(), startMsMax);
    isolate.exited.then(() => clearTimeout(timer));
  }

  /** Starts what is missing; more slowly when starts keep failing. */
  #replenish(): void {
    const wanted = this.#options.isolates + 1;
    const present = this.#working.length + this.#starting.size + (this.#spare ? 1 : 0);
    if (this.#closed || present >= wanted || this.#respawnTimer !== undefined) return;
    if (this.#failedStarts === 0) {
      for (let i = present; i < wanted; i++) this.#spawn();
      return;
    }
    const delayMs = Math.min(
      RESPAWN_DELAY_MS_MAX,
      RESPAWN_DELAY_MS_MIN * 2 ** Math.min(this.#failedStarts, 10),
    );
    this.#respawnTimer = setTimeout(() => {
      this.#respawnTimer = undefined;
      if (!this.#closed) this.#spawn();
    }, delayMs);
  }

  // Scheduling.

  /** False if there is no room. */
  #enqueue(pending: PendingCall): boolean {
    if (pending.call.kind === "query") return this.#queries.push(pending);
    const queue = this.#mutationQueueOf(pending);
    if (queue.length >= WAITING_CALLS_MAX) return false;
    queue.push(pending);
    return true;
  }

  #mutationQueueOf(pending: PendingCall): CallQueue {
    const isHomebound = pending.isExclusive ||
      this.contention.isContended(pending.source, performance.now());
    return isHomebound ? this.#homebound : this.#mutations;
  }

  #putBack(calls: readonly PendingCall[]): void {
    for (const call of calls.toReversed()) {
      const queue = call.call.kind === "query" ? this.#queries : this.#mutationQueueOf(call);
      queue.putBack([call]);
    }
  }

  get #waiting(): number {
    return this.#queries.length + this.#mutations.length + this.#homebound.length;
  }

  /** Calls of one turn are handed out together. */
  #schedule(): void {
    if (this.#dispatchScheduled || this.#closed) return;
    this.#dispatchScheduled = true;
    queueMicrotask(() => {
      this.#dispatchScheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#closed) return;
    const nowMs = performance.now();
    if (this.#waiting > 0) {
      const hasCapacity = (isolate: TransactionIsolate) =>
        isolate.isReady && !isolate.isSolo && isolate.frameCount < FRAMES_IN_FLIGHT_MAX &&
        isolate.estimateMs <= PIPELINED_ESTIMATE_MS_MAX &&
        isolate.silentMs(nowMs) <= STEAL_AFTER_MS;
      // Idle isolates first. The home leads when mutations wait; else it keeps itself free for them.
      const able = this.#working.filter(hasCapacity);
      if (this.#mutations.length + this.#homebound.length === 0) able.reverse();
      able.sort((a, b) => a.frameCount - b.frameCount);
      for (let i = 0; i < able.length; i++) {
        const isolate = able[i]!;
        while (hasCapacity(isolate)) {
          if (!this.#feed(isolate, able.length - i, nowMs)) break;
        }
      }
    }
    if (this.#waiting > 0 || this.#working.some((isolate) => isolate.frameCount > 0)) {
      this.#startTimer();
    }
  }

  /** Gives an isolate its next batch; `sharers` isolates, it included, could take calls now. */
  #feed(isolate: TransactionIsolate, sharers: number, nowMs: number): boolean {
    const queues = this.#queuesFor(isolate, nowMs);
    // A call that must run alone needs an idle isolate: this one becomes idle, whatever else waits.
    const solo = queues.find((queue) => queue.first?.isSolo);
    if (solo !== undefined && isolate.frameCount > 0) return false;
    for (const queue of solo === undefined ? queues : [solo]) {
      const batch = this.#takeBatch(queue, sharers);
      if (batch === null) continue;
      this.#queries.taken(queue);
      this.#lastKind = batch.calls[0]!.call.kind === "query" ? "query" : "mutation";
      if (batch.calls[0]!.isExclusive) {
        this.#exclusive = batch.calls[0]!;
        // What other isolates have committed must be in its snapshot.
        this.#options.sink.flush();
      }
      isolate.run(batch.calls, batch.estimateMs, nowMs);
      return true;
    }
    return false;
  }

  /** The queues that an isolate may take from now, the preferred one first. */
  #queuesFor(isolate: TransactionIsolate, nowMs: number): WaitingLine[] {
    const isHome = isolate === this.#working[0];
    const isAlone = this.#working.length === 1;
    if (isHome && !isAlone) {
      return [...this.#mutationQueuesAtHome(isolate), ...this.#queries.shortLines];
    }
    const queries = this.#queries.lines;
    if (isHome) {
      const mutations = this.#mutationQueuesAtHome(isolate);
      return this.#lastKind === "query" ? [...mutations, ...queries] : [...queries, ...mutations];
    }
    const oldest = this.#mutations.first;
    const spills = oldest !== undefined && nowMs - oldest.queuedAtMs >= SPILL_AFTER_MS &&
      this.#exclusive === null && this.#homebound.first?.isExclusive !== true;
    if (!spills) return [...queries];
    return this.#lastKind === "query"
      ? [this.#mutations, ...queries]
      : [...queries, this.#mutations];
  }

  #mutationQueuesAtHome(home: TransactionIsolate): CallQueue[] {
    const [homebound, mutations] = [this.#homebound.first, this.#mutations.first];
    // Who has waited longer goes first: a steady stream of the one kind does not keep the other out.
    const inOrder = homebound === undefined ||
        (mutations !== undefined && mutations.queuedAtMs < homebound.queuedAtMs)
      ? [this.#mutations, this.#homebound]
      : [this.#homebound, this.#mutations];
    if (!homebound?.isExclusive) return inOrder;
    // An exclusive mutation waits until no other isolate runs mutations, and only for that.
    const isQuiet = this.#working.every((other) => other === home || !other.hasMutations);
    return isQuiet ? inOrder : [];
  }

  /**
   * Takes calls that together are expected to be short. A solo call travels alone, and so does a function
   * that has never come to an end travels alone: if it never does, it is the certain culprit.
   */
  #takeBatch(
    queue: WaitingLine,
    sharers: number,
  ): { calls: PendingCall[]; estimateMs: number } | null {
    const first = queue.first;
    if (first === undefined) return null;
    const isQuery = first.call.kind === "query";
    const share = isQuery ? Math.ceil(queue.length / sharers) : BATCH_CALLS_MAX;
    const calls: PendingCall[] = [];
    let estimateMs = 0;
    for (let next = queue.first; next !== undefined; next = queue.first) {
      const nextMs = this.#estimates.get(next.source);
      if (calls.length > 0) {
        if (first.isSolo || next.isSolo || next.isExclusive) break;
        if (!this.#estimates.isKnown(first.source) || !this.#estimates.isKnown(next.source)) break;
        if (calls.length >= Math.min(share, BATCH_CALLS_MAX)) break;
        if (estimateMs + nextMs > BATCH_ESTIMATE_MS_MAX) break;
      }
      queue.shift();
      calls.push(next);
      estimateMs += nextMs;
    }
    return { calls, estimateMs };
  }

  // Looking after running calls.

  #watch(): void {
    const nowMs = performance.now();
    this.#excuseStandstill(nowMs);
    for (const isolate of this.#working) isolate.watch(nowMs);
    this.#relieve(nowMs);
    this.#turnAway(nowMs);
    this.#dispatch();
    if (this.#waiting === 0 && this.#working.every((isolate) => isolate.frameCount === 0)) {
      this.#stopTimer();
    }
  }

  /** Calls that wait behind a slow one move to other isolates, and so does the mutations' home. */
  #relieve(nowMs: number): void {
    const isSlow = (isolate: TransactionIsolate) => isolate.silentMs(nowMs) > STEAL_AFTER_MS;
    const others = this.#working.filter((isolate) => isolate.isReady && !isSlow(isolate));
    if (others.length === 0) return;
    for (const isolate of this.#working) {
      if (!isSlow(isolate)) continue;
      const stolen = isolate.steal();
      if (stolen.includes(this.#exclusive!)) this.#exclusive = null;
      this.#putBack(stolen);
    }
    // An exclusive mutation keeps the home, however slow it is: mutations elsewhere would refuse it.
    if (this.#exclusive === null && isSlow(this.#working[0]!)) {
      this.#working = [...others, ...this.#working.filter((isolate) => !others.includes(isolate))];
    }
  }

  #excuseStandstill(nowMs: number): void {
    const sinceWatchMs = nowMs - this.#watchedAtMs;
    this.#watchedAtMs = nowMs;
    if (sinceWatchMs < STANDSTILL_MS_MIN) return;
    for (const queue of [this.#queries, this.#mutations, this.#homebound]) {
      queue.excuse(sinceWatchMs, nowMs);
    }
  }

  #turnAway(nowMs: number): void {
    const isTooLate = ({ queuedAtMs, deaths, isSolo }: PendingCall) =>
      nowMs - queuedAtMs >
        (deaths === 0 && !isSolo ? WAITING_MS_MAX : WAITING_AFTER_DEATH_MS_MAX);
    for (const queue of [this.#queries, this.#mutations, this.#homebound]) {
      for (const late of queue.removeLate(isTooLate)) late.fail(this.#overloadError(late));
    }
  }

  #overloadError(pending: PendingCall): PlatformError {
    const what = pending.call.kind === "query" ? "queries" : "mutations";
    return new PlatformError(
      "rateLimited",
      "TooManyConcurrentRequests",
      `Too many concurrent requests. Your backend is limited to ${this.#options.isolates} ` +
        `concurrent ${what}. Please try again later.`,
    );
  }

  #startTimer(): void {
    if (this.#timer !== null) return;
    this.#watchedAtMs = performance.now();
    this.#timer = setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
