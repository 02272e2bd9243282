// How long a handler may take. All have the same time, so they run out of it in the order in which
// they began: one timer for the oldest serves them all.

/** A handler that takes longer answers 408; what it started goes on. */
const HANDLER_TIMEOUT_MS = 300_000;

interface Waiting {
  readonly endsAtMs: number;
  readonly expire: () => void;
}

export class HandlerDeadline {
  /** Oldest first. */
  readonly #waiting = new Set<Waiting>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly timeoutMs: number = HANDLER_TIMEOUT_MS) {}

  /** The response, or 408 when it does not come in time. */
  bound(response: Response | Promise<Response>): Response | Promise<Response> {
    if (response instanceof Response) return response;
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        endsAtMs: performance.now() + this.timeoutMs,
        expire: () => {
          resolve(new Response(null, { status: 408 }));
          // Whoever still writes an answer shall not wait for a reader.
          response.then((late) => late.body?.cancel()).catch(() => {});
        },
      };
      this.#waiting.add(entry);
      this.#timer ??= this.#expireIn(this.timeoutMs);
      response.then((answer) => {
        this.#end(entry);
        resolve(answer);
      }, (error) => {
        this.#end(entry);
        reject(error);
      });
    });
  }

  #end(entry: Waiting): void {
    this.#waiting.delete(entry);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #expire(): void {
    const nowMs = performance.now();
    for (const entry of this.#waiting) {
      if (entry.endsAtMs > nowMs) break;
      this.#waiting.delete(entry);
      entry.expire();
    }
    const [oldest] = this.#waiting;
    this.#timer = oldest && this.#expireIn(Math.ceil(oldest.endsAtMs - nowMs));
  }

  #expireIn(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#expire(), ms);
  }
}
