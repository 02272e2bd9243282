// Pauses between attempts (spec services 1.4).

export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** The pause after the given number of failures, at least one; random, so that jobs spread out. */
export function backoffMs({ initialMs, maxMs }: Backoff, failures: number): number {
  return Math.min(initialMs * 2 ** failures, maxMs) * Math.random();
}

/** Resolves after the pause, or sooner when `signal` aborts. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal.addEventListener("abort", end);
  });
}
