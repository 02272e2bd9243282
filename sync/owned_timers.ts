// The timers of one connection, so that none outlives it.

import type { SyncClock } from "./clock.ts";

/** A clock that forgets everything that was to happen when its owner ends. */
export class OwnedTimers implements SyncClock {
  readonly #clock: SyncClock;
  readonly #cancels = new Set<() => void>();

  constructor(clock: SyncClock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  random(): number {
    return this.#clock.random();
  }

  soon(run: () => void): void {
    this.#clock.soon(run);
  }

  after(ms: number, run: () => void): () => void {
    const cancelTimer = this.#clock.after(ms, () => {
      this.#cancels.delete(cancelTimer);
      run();
    });
    this.#cancels.add(cancelTimer);
    return () => {
      this.#cancels.delete(cancelTimer);
      cancelTimer();
    };
  }

  /** What waits for a timer never goes on. */
  cancelAll(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }
}
