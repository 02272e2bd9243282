// Housekeeping that goes on in small steps between the commits until nothing is left to do, and starts
// again when it is woken.

/** After a failed step, unless the task is woken before. */
const RETRY_MS = 1000;

export class BackgroundTask {
  readonly #name: string;
  readonly #step: () => Promise<boolean>;
  #running: Promise<void> | null = null;
  #woken = false;
  #stopped = false;
  #retry: ReturnType<typeof setTimeout> | null = null;

  /** @param step does a bounded piece of work; true if there may be more to do */
  constructor(name: string, step: () => Promise<boolean>) {
    this.#name = name;
    this.#step = step;
  }

  wake(): void {
    this.#woken = true;
    if (this.#stopped || this.#running !== null) return;
    this.#running = this.#run();
  }

  /** Resolves when the task has nothing left to do. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Ends after the current step. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      // Not in the turn of the commit that woke the task.
      await Promise.resolve();
      while (this.#woken && !this.#stopped) {
        this.#woken = false;
        while (!this.#stopped && await this.#step());
      }
    } catch (error) {
      if (this.#stopped) return;
      console.error(`${this.#name}: ${(error as Error).message}`);
      if (this.#retry !== null) clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.wake(), RETRY_MS);
    } finally {
      this.#running = null;
    }
  }
}
