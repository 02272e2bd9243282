// How long functions take, learned from their runs. The pool uses it to put short calls together
// and to let long ones travel alone.

/** Estimate for a function that never ended. */
const UNKNOWN_MS = 0.5;
/** Weight of the newest run. One that took less counts for more: the first run of a function is slow. */
const SLOWER_WEIGHT = 0.2;
const FASTER_WEIGHT = 0.5;
const FUNCTIONS_MAX = 4096;

export class DurationEstimates {
  readonly #estimates = new Map<string, number>();

  get(source: string): number {
    return this.#estimates.get(source) ?? UNKNOWN_MS;
  }

  /** Whether the function has ever come to an end. */
  isKnown(source: string): boolean {
    return this.#estimates.has(source);
  }

  record(source: string, durationMs: number): void {
    const known = this.#estimates.get(source);
    const change = durationMs - (known ?? 0);
    const weight = known === undefined ? 1 : change > 0 ? SLOWER_WEIGHT : FASTER_WEIGHT;
    const estimate = (known ?? 0) + change * weight;
    this.#estimates.set(source, estimate);
    if (known === undefined && this.#estimates.size > FUNCTIONS_MAX) {
      this.#estimates.delete(this.#estimates.keys().next().value!);
    }
  }
}
