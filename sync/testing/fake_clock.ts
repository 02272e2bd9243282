// A clock that stands still until a test moves it.

import { setImmediate } from "node:timers";
import { assert } from "../../engine/errors.ts";
import type { SyncClock } from "../clock.ts";

export class FakeClock implements SyncClock {
  #nowMs = 1_700_000_000_000;
  #timers = new Set<{ dueMs: number; run: () => void }>();
  #soon: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  random(): number {
    return 0.5;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { dueMs: this.#nowMs + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Runs everything that can run without time passing. */
  async settle(): Promise<void> {
    let turns = 0;
    do {
      assert(turns++ < 10_000, "the session never comes to rest");
      for (const run of this.#soon.splice(0)) run();
      await new Promise<void>((resolve) => void setImmediate(resolve));
    } while (this.#soon.length > 0);
  }

  /** Lets time pass, one timer after another. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined || next.dueMs > endMs) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.run();
      await this.settle();
    }
    this.#nowMs = endMs;
  }

  get timers(): number {
    return this.#timers.size;
  }
}
