// Waiting before a retry: doubling, with full jitter.

import type { SyncClock } from "./clock.ts";

export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Resolves after the `attempt`-th wait (from 0) of a series. */
export function backOff(clock: SyncClock, backoff: Backoff, attempt: number): Promise<void> {
  const ceilingMs = Math.min(backoff.maxMs, backoff.initialMs * 2 ** attempt);
  return new Promise((resolve) => void clock.after(clock.random() * ceilingMs, resolve));
}
