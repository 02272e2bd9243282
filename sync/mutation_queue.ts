// The mutations of one connection: they take effect one after another in order of arrival, and are
// answered in that order (sync protocol 6). While they are swift, the next ones run before those that go
// before them have their place in the order; their turn (runtime/turn.ts) keeps them from taking effect.

import { Turn } from "../runtime/turn.ts";
import type { FunctionRunner, MutationOutcome } from "../runtime/types.ts";
import type { PreparedCall } from "./call_target.ts";
import type { SyncClock } from "./clock.ts";
import { isDeterministic } from "./ending.ts";
import { errorFromMessage } from "./result_text.ts";

/** Limit on one mutation, from the start of its execution or its turn, whatever is later. */
export const MUTATION_TIMEOUT_MS = 60_000;
/** Mutations that may wait for the disk at once; the next one starts when one is answered. */
const UNANSWERED_MUTATIONS_MAX = 64;
/** Mutations that may run at once, all but one of them before their turn. */
const RUNNING_MUTATIONS_MAX = 16;
/**
 * Mutations that come to their place in the order within so much time show that nobody waits long behind
 * them: more of them may run at once. Slower ones halve the number, so that clients share what there is.
 */
const SWIFT_MS = 6;

export interface QueuedMutation {
  readonly requestId: number;
  readonly sessionId: string | null;
  readonly call: PreparedCall;
}

/** What the client is told. */
export type MutationAnswer = Pick<MutationOutcome, "result" | "ts" | "logLines">;

interface StartedMutation {
  readonly queued: QueuedMutation;
  readonly turn: Turn;
  readonly startedMs: number;
  /** When its turn came; before that, when it started. */
  turnMs: number;
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
  /** Those of the started ones that have no place in the order yet, in order: the first has its turn. */
  #unordered: StartedMutation[] = [];
  /** How many may be unordered: grows while they are swift. */
  #unorderedMax = 1;
  /** When that was last halved: those that had started before say nothing more. */
  #halvedMs = 0;
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
      if (this.#unordered.length >= this.#unorderedMax) return;
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
    const nowMs = this.#clock.nowMs();
    const started: StartedMutation = {
      queued,
      turn: new Turn(),
      startedMs: nowMs,
      turnMs: nowMs,
      isOrdered: false,
      answer: null,
    };
    if (this.#unordered.length === 0) started.turn.come();
    this.#started.push(started);
    this.#unordered.push(started);
    this.#armTimeout();
    this.#run(started)
      .then(() => {
        this.#order(started);
        this.#answer();
        this.start();
      })
      .catch((error) => {
        this.#break(started);
        if (this.#isOpen) this.#events.onFailure(error);
      });
  }

  /** It has its place, so the turn of the next one comes. */
  #order(started: StartedMutation): void {
    if (started.isOrdered) return;
    started.isOrdered = true;
    const nowMs = this.#clock.nowMs();
    this.#adapt(started, nowMs);
    while (this.#unordered[0]?.isOrdered) this.#unordered.shift();
    const next = this.#unordered[0];
    if (next === undefined || next.turn.hasCome) return;
    next.turnMs = nowMs;
    next.turn.come(started.turn.acceptedIn);
  }

  #adapt({ startedMs, turn }: StartedMutation, nowMs: number): void {
    if (nowMs - startedMs <= SWIFT_MS && !turn.wasAwaited) {
      this.#unorderedMax = Math.min(this.#unorderedMax + 1, RUNNING_MUTATIONS_MAX);
    } else if (startedMs >= this.#halvedMs) {
      this.#unorderedMax = Math.ceil(this.#unorderedMax / 2);
      this.#halvedMs = nowMs;
    }
  }

  /** Nobody knows what came of it: what was sent after it must not happen before the client repeats it. */
  #break(started: StartedMutation): void {
    const at = this.#unordered.indexOf(started);
    if (at === -1) return;
    for (const { turn } of this.#unordered.splice(at)) turn.lose();
    this.#waiting.length = 0;
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
      const onAccepted = () => {
        this.#order(started);
        this.start();
      };
      started.answer = await this.#runner.runMutation(call, session, onAccepted, started.turn);
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
    const restMs = oldest.turnMs + MUTATION_TIMEOUT_MS - this.#clock.nowMs();
    this.#isTimeoutArmed = true;
    this.#clock.after(restMs, () => {
      this.#isTimeoutArmed = false;
      const first = this.#started[0];
      if (!this.#isOpen || first === undefined) return;
      if (this.#clock.nowMs() - first.turnMs < MUTATION_TIMEOUT_MS) this.#armTimeout();
      else this.#events.onFailure(new Error("a mutation took longer than its time limit"));
    });
  }
}

function failedAnswer(message: string): MutationAnswer {
  return { result: { ok: false, error: errorFromMessage(message) }, ts: null, logLines: [] };
}
