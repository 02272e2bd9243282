// Calls that wait for an isolate.

import type { CommitResult } from "../engine/types.ts";
import type { RunCall, RunResult } from "./frames.ts";
import type { Turn } from "./turn.ts";

/** How a call ended. */
export type CallOutcome =
  | {
    readonly kind: "ran";
    readonly result: RunResult;
    /** Mutations: what the committer says to it, when it is durable. */
    readonly commit: Promise<CommitResult> | null;
  }
  /** It used up a limit and was stopped; the message is the platform's. */
  | { readonly kind: "overrun"; readonly message: string }
  /** It ran to its end before its turn had come. Nothing of it happened. */
  | { readonly kind: "early" };

/** When a call, with all its attempts, is over. */
export class CallEnd {
  #callbacks: (() => void)[] | null = null;
  #hasOutcome = false;
  /** What the outcome waits for. */
  #commit: Promise<CommitResult> | null = null;

  /**
   * Calls back when it is certain whether the call's writes are committed. Never, if that cannot be
   * known: then only the next start of the server tells.
   */
  whenDecided(callback: () => void): void {
    if (!this.#hasOutcome) (this.#callbacks ??= []).push(callback);
    else if (this.#commit === null) callback();
    else this.#commit.then(callback, () => {});
  }

  /** @param commit null: nothing was given to the committer */
  settle(commit: Promise<CommitResult> | null): void {
    this.#hasOutcome = true;
    this.#commit = commit;
    const callbacks = this.#callbacks ?? [];
    this.#callbacks = null;
    for (const callback of callbacks) this.whenDecided(callback);
  }
}

/** A query or mutation on its way through the pool. */
export interface PendingCall {
  /** Changes when a nested call of it has overrun. */
  call: RunCall;
  /** Name of the function as others see it in conflicts: `mod.js:fn`. */
  readonly source: string;
  /** Who asks: waiting queries of different clients take turns. */
  readonly client: string;
  readonly session: { readonly sessionId: string; readonly requestId: number } | undefined;
  /** It must not conflict again: no other isolate runs mutations beside it. */
  readonly isExclusive: boolean;
  /** Begins anew when the call has lost its isolate. */
  queuedAtMs: number;
  /** An isolate died while it may have been running: it runs alone, so that a culprit is found. */
  isSolo: boolean;
  /** Isolates that ended while it may have been running. */
  deaths: number;
  /** Mutations: the committer has fixed its place in the order. */
  readonly onAccepted?: () => void;
  /** Mutations: not to be committed before it has come. */
  readonly turn?: Turn;
  /** It was given to its isolate before its turn. */
  runsAhead: boolean;
  /** Knows when it is decided what the call did. */
  readonly end: CallEnd;
  readonly settle: (outcome: CallOutcome) => void;
  readonly fail: (error: Error) => void;
}

/** Calls in the order in which they are to run. */
export interface WaitingLine {
  readonly length: number;
  readonly first: PendingCall | undefined;
  shift(): PendingCall | undefined;
}

/** Heads that were taken are cut off the array when there are this many of them. */
const TAKEN_MAX = 256;

/** First in, first out; calls that must run again go to the front. */
export class CallQueue implements WaitingLine {
  #calls: PendingCall[] = [];
  #head = 0;

  get length(): number {
    return this.#calls.length - this.#head;
  }

  get first(): PendingCall | undefined {
    return this.#calls[this.#head];
  }

  push(call: PendingCall): void {
    this.#calls.push(call);
  }

  /** Puts calls, oldest first, before all others. */
  putBack(calls: readonly PendingCall[]): void {
    if (calls.length === 0) return;
    this.#calls.splice(0, this.#head, ...calls);
    this.#head = 0;
  }

  shift(): PendingCall | undefined {
    const call = this.#calls[this.#head];
    if (call === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#calls.length || this.#head >= TAKEN_MAX) {
      this.#calls.splice(0, this.#head);
      this.#head = 0;
    }
    return call;
  }

  /** Does not count the last so many milliseconds as waiting. */
  excuse(milliseconds: number, nowMs: number): void {
    for (let i = this.#head; i < this.#calls.length; i++) {
      const call = this.#calls[i]!;
      call.queuedAtMs = Math.min(nowMs, call.queuedAtMs + milliseconds);
    }
  }

  /** Takes away the first calls while they are too late. */
  removeLate(isTooLate: (call: PendingCall) => boolean): PendingCall[] {
    const late: PendingCall[] = [];
    while (this.first !== undefined && isTooLate(this.first)) late.push(this.shift()!);
    return late;
  }

  /** Empties the queue. */
  drain(): PendingCall[] {
    const calls = this.#calls.slice(this.#head);
    this.#calls = [];
    this.#head = 0;
    return calls;
  }
}
