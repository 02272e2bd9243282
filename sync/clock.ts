// Time as the sync room sees it, so that tests can replay it.

import { setImmediate } from "node:timers";

export interface SyncClock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Calls `run` once after `ms`; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Calls `run` when the events that are at hand now have been handled. */
  soon(run: () => void): void;
  /** Uniform in [0, 1), for jitter. */
  random(): number;
}

export const REAL_CLOCK: SyncClock = {
  nowMs: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: (run) => void setImmediate(run),
  random: Math.random,
};
