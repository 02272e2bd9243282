// Time as functions see it (spec function-runtime 4): frozen in queries and mutations, the push's
// in module level code, real in actions.

import { monotonicMs, realNowMs } from "./host.ts";
import type { ScopeClock } from "./scope.ts";

/** `performance` values are floored to this. */
const PERFORMANCE_STEPS_PER_MS = 10;

function floorStep(ms: number): number {
  return Math.floor(ms * PERFORMANCE_STEPS_PER_MS) / PERFORMANCE_STEPS_PER_MS;
}

/** The clock of module level code: stands still at the import timestamp. */
export class ImportClock implements ScopeClock {
  constructor(readonly origin: number) {}

  now(): number {
    return this.origin;
  }

  elapsed(): number {
    return 0;
  }
}

/** The clock of a query or mutation, shared with the functions that it calls. */
export class TransactionClock implements ScopeClock {
  /** The run looked at the clock: its result ages. */
  observed = false;
  readonly #nowMs: number;
  readonly #startedMs: number | null;

  /** @param advances whether `performance.now()` moves on (mutations). */
  constructor(nowMs: number, readonly origin: number, advances: boolean) {
    this.#nowMs = Math.floor(nowMs);
    this.#startedMs = advances ? monotonicMs() : null;
  }

  now(): number {
    this.observed = true;
    return this.#nowMs;
  }

  elapsed(): number {
    this.observed = true;
    const passed = this.#startedMs === null ? 0 : monotonicMs() - this.#startedMs;
    return floorStep(this.#nowMs - this.origin + passed);
  }
}

/** The real clock. */
export class ActionClock implements ScopeClock {
  constructor(readonly origin: number) {}

  now(): number {
    return Math.floor(realNowMs());
  }

  elapsed(): number {
    return floorStep(realNowMs() - this.origin);
  }
}
