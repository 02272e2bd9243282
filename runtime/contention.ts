// Which mutations have lately met conflicts. Those run in one isolate only, one on top of the other,
// where they cannot conflict with each other.

/** How long a function stays marked after its last conflict. */
const CONTENDED_MS = 30_000;
/** Functions remembered. */
const CONTENDED_FUNCTIONS_MAX = 1024;

export class ContentionTracker {
  /** Function → until when it counts as contended; oldest mark first. */
  readonly #until = new Map<string, number>();

  /** Both sides of a conflict are marked; the other may be unknown. */
  conflict(source: string, other: string | null, nowMs: number): void {
    this.#mark(source, nowMs);
    if (other !== null) this.#mark(other, nowMs);
  }

  isContended(source: string, nowMs: number): boolean {
    const until = this.#until.get(source);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#until.delete(source);
    return false;
  }

  #mark(source: string, nowMs: number): void {
    this.#until.delete(source);
    this.#until.set(source, nowMs + CONTENDED_MS);
    if (this.#until.size > CONTENDED_FUNCTIONS_MAX) {
      this.#until.delete(this.#until.keys().next().value!);
    }
  }
}
