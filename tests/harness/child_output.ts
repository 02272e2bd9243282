// Collects what a child process prints and lets a test wait for a line of it.

/** Output beyond this is dropped from the front. */
const KEPT_CHARS_MAX = 4_000_000;

export class ChildOutput {
  #text = "";
  #ended = false;
  #waiters = new Set<() => void>();
  /** Resolves when the child has closed both of its output streams. */
  readonly closed: Promise<void>;

  /** Takes over stdout and stderr of a child that was spawned with both piped. */
  constructor(process: Deno.ChildProcess) {
    this.closed = Promise.all([this.#read(process.stdout), this.#read(process.stderr)]).then(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Everything printed so far, stdout and stderr in order of arrival. */
  get text(): string {
    return this.#text;
  }

  /** Forgets what was printed so far, so that the next `waitFor` sees only what follows. */
  clear(): void {
    this.#text = "";
  }

  /**
   * Waits until the text matches.
   * @throws Error when the child ends or the time passes without a match; with what it printed
   */
  async waitFor(pattern: RegExp, timeoutMs: number): Promise<RegExpMatchArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = this.#text.match(pattern);
      if (match !== null) return match;
      const left = deadline - Date.now();
      if (this.#ended || left <= 0) {
        const reason = this.#ended ? "the process ended" : `nothing in ${timeoutMs} ms`;
        throw new Error(`waiting for ${pattern}: ${reason}. It printed:\n${this.#text}`);
      }
      await this.#change(left);
    }
  }

  #change(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#waiters.add(resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiters.delete(resolve);
    });
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#text = (this.#text + decoder.decode(chunk, { stream: true })).slice(-KEPT_CHARS_MAX);
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}
