// The isolates that run actions. They start when the first action comes; an action goes to the one
// with the fewest. One that computes without pause, or in which an action ran out of time, is retired:
// it gets no further ones and ends with its last. What had been sent to it and has not begun runs
// elsewhere.

import { PlatformError } from "../engine/errors.ts";
import {
  type AbandonedAction,
  ActionIsolate,
  type ActionIsolateEvents,
  type ActionSyscallDispatcher,
  type RunningAction,
} from "./action_isolate.ts";
import type { InitFrame, RunCall } from "./frames.ts";
import type { ExitReason, IsolateProgram } from "./isolate_process.ts";
import type { HighestUse, LimitUsage } from "./limit_usage.ts";
import type { RuntimeLimits } from "./limits.ts";
import { internalError } from "./system_failure.ts";
import { closingError } from "./transaction_isolate.ts";
import { NO_STATS } from "./transaction_runner.ts";
import type { ActionOutcome, HttpExchange, LogLine } from "./types.ts";
import { overrunMessage } from "./watchdog.ts";

/** Actions that run at a time. */
const RUNNING_ACTIONS_MAX = 64;
const WAITING_ACTIONS_MAX = 1_000;
const WAITING_MS_MAX = 10_000;
/** Processes besides the regular ones that finish what they run. */
const RETIRED_ISOLATES_MAX = 4;
const WATCH_INTERVAL_MS = 1_000;
/** A start that failed is tried again after this pause. */
const RESPAWN_DELAY_MS = 500;

export interface ActionPoolOptions {
  readonly isolates: number;
  readonly program: IsolateProgram;
  readonly init: (isolate: number) => InitFrame;
  readonly nextIsolate: () => number;
  readonly dispatch: ActionSyscallDispatcher;
  readonly limits: RuntimeLimits;
  readonly usage: LimitUsage;
  readonly onFault: (message: string) => void;
}

interface WaitingAction {
  readonly action: RunningAction;
  readonly queuedAtMs: number;
}

export class ActionPool implements ActionIsolateEvents {
  readonly #options: ActionPoolOptions;
  readonly #isolates = new Set<ActionIsolate>();
  readonly #starting = new Set<ActionIsolate>();
  readonly #retired = new Set<ActionIsolate>();
  #waiting: WaitingAction[] = [];
  #runningCount = 0;
  #timer: ReturnType<typeof setInterval> | null = null;
  #noStartBeforeMs = 0;
  #closed = false;

  constructor(options: ActionPoolOptions) {
    this.#options = options;
  }

  /** @param exchange of an HTTP action */
  run(
    call: RunCall,
    onLog: (line: LogLine) => void,
    exchange: HttpExchange | null = null,
  ): Promise<ActionOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closingError());
      if (this.#waiting.length >= WAITING_ACTIONS_MAX) return reject(overloadError());
      const action: RunningAction = {
        call,
        exchange,
        onLog,
        settle: (outcome) => {
          clearTimeout(timer);
          resolve(outcome);
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const { actionTimeMs } = this.#options.limits;
      const timer = setTimeout(() => this.#timedOut(action), actionTimeMs);
      this.#waiting.push({ action, queuedAtMs: performance.now() });
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const { action } of this.#waiting.splice(0)) action.fail(closingError());
    const isolates = [...this.#isolates, ...this.#starting, ...this.#retired];
    for (const isolate of isolates) isolate.kill();
    await Promise.all(isolates.map((isolate) => isolate.exited));
  }

  // Events of the isolates.

  ready(isolate: ActionIsolate): void {
    this.#starting.delete(isolate);
    if (this.#closed) return;
    this.#isolates.add(isolate);
    this.#dispatch();
  }

  finished(isolate: ActionIsolate): void {
    this.#runningCount--;
    if (this.#retired.has(isolate) && isolate.runningCount === 0) isolate.kill();
    this.#dispatch();
  }

  notBegun(isolate: ActionIsolate, actions: readonly RunningAction[]): void {
    const queuedAtMs = performance.now();
    this.#waiting.unshift(...actions.map((action) => ({ action, queuedAtMs })));
    // The last one there ends a retired isolate.
    for (const _ of actions) this.finished(isolate);
  }

  usage(highest: HighestUse): void {
    this.#options.usage.noteAll(highest);
  }

  ended(isolate: ActionIsolate, reason: ExitReason, running: readonly AbandonedAction[]): void {
    const wasStarting = this.#starting.delete(isolate);
    this.#isolates.delete(isolate);
    this.#retired.delete(isolate);
    this.#runningCount -= running.length;
    for (const { action, requestBytes } of running) {
      if (this.#closed) action.fail(closingError());
      else if (reason.kind === "heap") action.settle(this.#failure("memory", requestBytes));
      else action.fail(internalError(new Error(`the action's isolate ended: ${reason.detail}`)));
    }
    if (this.#closed) return;
    if (reason.kind !== "stopped") {
      this.#options.onFault(`an action isolate ended (${reason.kind}): ${reason.detail}`);
    }
    if (wasStarting) this.#noStartBeforeMs = performance.now() + RESPAWN_DELAY_MS;
    this.#dispatch();
  }

  #dispatch(): void {
    if (this.#closed) return;
    while (this.#waiting.length > 0 && this.#runningCount < RUNNING_ACTIONS_MAX) {
      const isolate = this.#leastLoaded();
      this.#startMore(isolate);
      if (isolate === null) break;
      const { action } = this.#waiting.shift()!;
      this.#runningCount++;
      isolate.run(action);
    }
    const hasWork = this.#waiting.length > 0 || this.#runningCount > 0;
    if (hasWork) this.#timer ??= setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
  }

  #leastLoaded(): ActionIsolate | null {
    let best: ActionIsolate | null = null;
    for (const isolate of this.#isolates) {
      if (!isolate.isReady) continue;
      if (best === null || hasLess(isolate, best)) best = isolate;
    }
    return best;
  }

  /** Starts another isolate if the least loaded one has something to do already. */
  #startMore(leastLoaded: ActionIsolate | null): void {
    if (leastLoaded !== null && leastLoaded.runningCount === 0) return;
    if (this.#starting.size > 0 || performance.now() < this.#noStartBeforeMs) return;
    if (this.#isolates.size >= this.#options.isolates) return;
    const { init, program, dispatch, nextIsolate } = this.#options;
    this.#starting.add(new ActionIsolate(init(nextIsolate()), program, dispatch, this));
  }

  #watch(): void {
    const nowMs = performance.now();
    for (const isolate of this.#isolates) {
      if (this.#retired.size >= RETIRED_ISOLATES_MAX) break;
      if (isolate.isBusy(nowMs)) this.#retire(isolate);
    }
    for (const isolate of [...this.#isolates, ...this.#retired]) isolate.takeBack();
    for (const isolate of this.#retired) {
      // What computes there is out of time; the others would wait for it until they are, too.
      if (isolate.hasCancelled && isolate.isBusy(nowMs)) isolate.kill();
    }
    while (this.#waiting.length > 0 && nowMs - this.#waiting[0]!.queuedAtMs > WAITING_MS_MAX) {
      this.#waiting.shift()!.action.fail(overloadError());
    }
    this.#dispatch();
    if (this.#waiting.length === 0 && this.#runningCount === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  #retire(isolate: ActionIsolate): void {
    this.#isolates.delete(isolate);
    this.#retired.add(isolate);
  }

  /** Nobody can tell whether code of the action goes on: its isolate gets no further actions. */
  #timedOut(action: RunningAction): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.action !== action);
    action.settle(this.#failure("userTime"));
    const { callId } = action.call;
    const isolate = [...this.#isolates, ...this.#retired].find((each) => each.isRunning(callId));
    if (isolate === undefined) return;
    const hasPlace = this.#retired.has(isolate) || this.#retired.size < RETIRED_ISOLATES_MAX;
    this.#retire(isolate);
    isolate.cancel(callId);
    if (!hasPlace) isolate.kill();
  }

  #failure(overrun: "userTime" | "memory", requestBytes: number | null = null): ActionOutcome {
    const { limits } = this.#options;
    const text = overrunMessage(overrun, { ...limits, userTimeMs: limits.actionTimeMs });
    const message = requestBytes === null
      ? text
      : `${text}: request stream size was ${requestBytes} bytes`;
    return {
      result: { ok: false, error: { text: `${message}\n` } },
      logLines: [],
      stats: NO_STATS,
    };
  }
}

/** Whether an action is likely to begin sooner in one isolate than in another. */
function hasLess(one: ActionIsolate, other: ActionIsolate): boolean {
  const difference = one.unbegunCount - other.unbegunCount;
  return difference === 0 ? one.runningCount < other.runningCount : difference < 0;
}

function overloadError(): PlatformError {
  return new PlatformError(
    "rateLimited",
    "TooManyConcurrentRequests",
    `Too many concurrent requests. Your backend is limited to ${RUNNING_ACTIONS_MAX} concurrent ` +
      "actions. Please try again later.",
  );
}
