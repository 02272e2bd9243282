// The mutations of one connection: executed one after another in order of arrival, answered in that
// order (sync protocol 6).

import type { FunctionRunner, MutationOutcome } from "../runtime/types.ts";
import type { PreparedCall } from "./call_target.ts";
import type { SyncClock } from "./clock.ts";
import { isDeterministic } from "./ending.ts";
import { errorFromMessage } from "./result_text.ts";

/** Limit on one mutation, from the start of its execution. */
export const MUTATION_TIMEOUT_MS = 60_000;
/** Mutations that may wait for the disk at once; the next one starts when one is answered. */
const UNANSWERED_MUTATIONS_MAX = 64;

export interface QueuedMutation {
  readonly requestId: number;
  readonly sessionId: string | null;
  readonly call: PreparedCall;
}

/** What the client is told. */
export type MutationAnswer = Pick<MutationOutcome, "result" | "ts" | "logLines">;

interface StartedMutation {
  readonly queued: QueuedMutation;
  readonly startedMs: number;
  /** Its place in the order is fixed: the next one may start. */
  isOrdered: boolean;
  answer: MutationAnswer | null;
}

export interface MutationQueueEvents {
  /** In order of arrival. */
  onAnswer(mutation: QueuedMutation, answer: MutationAnswer): void;
  /** A platform error or the time limit: the connection must close. */
  onFailure(error: unknown): void;
  /** While false, no further mutation starts; the owner calls `start()` when that changes. */
  mayStart(): boolean;
}

export class MutationQueue {
  readonly #runner: FunctionRunner;
  readonly #clock: SyncClock;
  readonly #events: MutationQueueEvents;
  readonly #waiting: QueuedMutation[] = [];
  readonly #started: StartedMutation[] = [];
  #isTimeoutArmed = false;
  #answerWaiters: (() => void)[] = [];
  #isOpen = true;

  /** `clock` is the connection's own: its timers end with it. */
  constructor(runner: FunctionRunner, clock: SyncClock, events: MutationQueueEvents) {
    this.#runner = runner;
    this.#clock = clock;
    this.#events = events;
  }

  /** Waiting and unanswered mutations. */
  get length(): number {
    return this.#waiting.length + this.#started.length;
  }

  /** Mutations that have started and are not yet answered, in order. */
  *unanswered(): Iterable<QueuedMutation> {
    for (const mutation of this.#started) yield mutation.queued;
  }

  push(mutation: QueuedMutation): void {
    this.#waiting.push(mutation);
    this.start();
  }

  /** Starts what may start. */
  start(): void {
    while (this.#isOpen && this.#waiting.length > 0 && this.#events.mayStart()) {
      const last = this.#started.at(-1);
      if (last !== undefined && !last.isOrdered) return;
      if (this.#started.length >= UNANSWERED_MUTATIONS_MAX) return;
      this.#execute(this.#waiting.shift()!);
    }
  }

  /** Resolves when one more mutation has been answered, or the queue has ended. */
  nextAnswer(): Promise<void> {
    return new Promise((resolve) => this.#answerWaiters.push(resolve));
  }

  /** Drops what waits. What runs goes on; nobody hears of it. */
  end(): void {
    this.#isOpen = false;
    this.#waiting.length = 0;
    this.#wakeWaiters();
  }

  #execute(queued: QueuedMutation): void {
    const started: StartedMutation = {
      queued,
      startedMs: this.#clock.nowMs(),
      isOrdered: false,
      answer: null,
    };
    this.#started.push(started);
    this.#armTimeout();
    this.#run(started)
      .then(() => {
        started.isOrdered = true;
        this.#answer();
        this.start();
      })
      .catch((error) => {
        if (this.#isOpen) this.#events.onFailure(error);
      });
  }

  /** Sets the answer. A refusal that is certain is the mutation's answer, not the connection's end. */
  async #run(started: StartedMutation): Promise<void> {
    const { sessionId, requestId, call: { call, refusal } } = started.queued;
    if (call === null) {
      started.answer = failedAnswer(refusal);
      return;
    }
    const session = sessionId === null ? undefined : { sessionId, requestId };
    try {
      started.answer = await this.#runner.runMutation(call, session, () => {
        started.isOrdered = true;
        this.start();
      });
    } catch (error) {
      if (!isDeterministic(error)) throw error;
      started.answer = failedAnswer(error.message);
    }
  }

  /** Answers the oldest ones that are done. A later one that failed fast waits for its turn. */
  #answer(): void {
    for (;;) {
      const first = this.#started[0];
      if (!this.#isOpen || first === undefined || first.answer === null) return;
      this.#started.shift();
      this.#events.onAnswer(first.queued, first.answer);
      this.#wakeWaiters();
    }
  }

  #wakeWaiters(): void {
    const waiters = this.#answerWaiters;
    if (waiters.length === 0) return;
    this.#answerWaiters = [];
    for (const wake of waiters) wake();
  }

  /** One timer looks after all: it finds out when it fires whether the oldest is too old. */
  #armTimeout(): void {
    const oldest = this.#started[0];
    if (this.#isTimeoutArmed || oldest === undefined) return;
    const restMs = oldest.startedMs + MUTATION_TIMEOUT_MS - this.#clock.nowMs();
    this.#isTimeoutArmed = true;
    this.#clock.after(restMs, () => {
      this.#isTimeoutArmed = false;
      const first = this.#started[0];
      if (!this.#isOpen || first === undefined) return;
      if (this.#clock.nowMs() - first.startedMs < MUTATION_TIMEOUT_MS) this.#armTimeout();
      else this.#events.onFailure(new Error("a mutation took longer than its time limit"));
    });
  }
}

function failedAnswer(message: string): MutationAnswer {
  return { result: { ok: false, error: errorFromMessage(message) }, ts: null, logLines: [] };
}
