// Nested calls that never end, or take all memory. They can only be ended with their process, and with it
// ends the call that the client made, although its function may catch the error (spec function-runtime
// 6). So that call runs again, alone: first in order to tell where among its nested calls it is, as long
// as that is not known, then without the nested call that overran, which fails with the platform's error
// where it stood. What the first run had done is gone with its process.

import type { PendingCall } from "./call_queue.ts";
import type { FunctionPath } from "./types.ts";

/** A nested call of a run, so that the same one can be told in another run. */
export interface NestedCallName {
  /** Numbers of the nested calls on the way to it, each counted in its caller: `0.3`. */
  readonly position: string;
  readonly path: FunctionPath;
  /** Tells its arguments from others. */
  readonly args: string;
}

/** A nested call that is not to be run: it overran in an earlier run. */
export interface StoppedCall extends NestedCallName {
  /** The platform's error. */
  readonly message: string;
}

/** With it, an isolate says where among its nested calls the run is. */
export interface NestedTrace {
  readonly stopped: readonly StoppedCall[];
}

/** Where a run is that has a {@link NestedTrace}: sent when a nested call begins or has ended. */
export interface NestedFrame {
  readonly type: "nested";
  readonly callId: number;
  /** Null: the function that the host called. */
  readonly running: NestedCallName | null;
  /** What that one has used so far. */
  readonly userMs: number;
  readonly systemMs: number;
}

/** The function makes nested calls; sent once by each isolate. */
export interface NestsFrame {
  readonly type: "nests";
  readonly callId: number;
}

/** Nested calls of one call that may overrun; the next one fails the whole call. */
export const STOPPED_CALLS_MAX = 8;
/** Functions remembered. */
const CALLERS_MAX = 4096;

const NOTHING_STOPPED: NestedTrace = { stopped: [] };

export class NestedOverruns {
  /** Functions that make nested calls, and whether one was ended lately: its runs tell where they are. */
  readonly #callers = new Map<string, boolean>();

  /** The function makes nested calls. */
  noteCaller(source: string): void {
    this.#set(source, this.#callers.get(source) ?? false);
  }

  /** How a run of the function begins. */
  traceOf(source: string): NestedTrace | undefined {
    return this.#callers.get(source) === true ? NOTHING_STOPPED : undefined;
  }

  /**
   * A run had to be ended because it overran. Returns how the call runs again; null if it is the function
   * itself that did.
   * @param at the nested call that was running, if that is known
   * @param message what the caller of that one is told
   */
  next(
    { call: { nested }, source }: Pick<PendingCall, "call" | "source">,
    at: NestedCallName | null,
    message: string,
  ): NestedTrace | null {
    if (!this.#callers.has(source)) return null;
    if (nested === undefined) {
      this.#set(source, true);
      return NOTHING_STOPPED;
    }
    if (at === null || nested.stopped.length === STOPPED_CALLS_MAX) return null;
    return { stopped: [...nested.stopped, { ...at, message }] };
  }

  #set(source: string, isTraced: boolean): void {
    this.#callers.delete(source);
    this.#callers.set(source, isTraced);
    if (this.#callers.size > CALLERS_MAX) this.#callers.delete(this.#callers.keys().next().value!);
  }
}
