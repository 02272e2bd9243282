// Calls a function at a moment, or as soon as the running code has ended; calls that come together
// are one. Nothing is called before the start.

/** Wall clocks jump, and timers have a greatest delay: look again at least this often. */
const DELAY_MS_MAX = 60_000;

export class WakeTimer {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWoken = false;
  #isOpen = false;

  constructor(private readonly turn: () => void, private readonly now: () => number) {}

  /** Calls soon for the first time. */
  start(): void {
    this.#isOpen = true;
    this.wake();
  }

  /** Calls soon. */
  wake(): void {
    if (this.#isWoken || !this.#isOpen) return;
    this.#isWoken = true;
    queueMicrotask(() => {
      this.#isWoken = false;
      if (this.#isOpen) this.turn();
    });
  }

  /** Calls at `timeMs`, in the place of what was asked for before; null: not by time. */
  wakeAt(timeMs: number | null): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (timeMs === null || !this.#isOpen) return;
    const delayMs = Math.min(Math.max(Math.ceil(timeMs - this.now()), 0), DELAY_MS_MAX);
    this.#timer = setTimeout(() => this.turn(), delayMs);
  }

  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
  }
}
