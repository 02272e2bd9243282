// What clients did and what they saw, in the order in which it happened at their side.

export interface Operation {
  readonly type: "append" | "list" | "write" | "register";
  readonly key: number;
  /** What an append or a write puts there; every value is used once. */
  readonly value: number;
}

/** A list, or the value of a register; for an append or a write: as it was before. */
export type Observation = readonly number[] | number | null;

export interface RecordedTransaction {
  readonly name: string;
  readonly operations: readonly Operation[];
  /** Positions in the order of all sendings and answers. */
  readonly sentAt: number;
  /** Infinity: no answer, so it may have happened or not, and may yet. */
  readonly answeredAt: number;
  /** One for each operation; null: there was no answer. */
  readonly observations: readonly Observation[] | null;
}

/** Records transactions, and hands out values. */
export class Recorder {
  readonly transactions: RecordedTransaction[] = [];
  #events = 0;
  #values = 0;

  /** A value that was never used. */
  newValue(): number {
    return ++this.#values;
  }

  /**
   * Runs a transaction and records it; true if it was answered.
   * @param run resolves with what was observed; if it throws, it is unknown what happened
   */
  async record(
    name: string,
    operations: readonly Operation[],
    run: () => Promise<readonly Observation[]>,
  ): Promise<boolean> {
    const sentAt = ++this.#events;
    let observations: readonly Observation[] | null = null;
    try {
      observations = await run();
    } catch {
      // The transaction stays without an answer.
    }
    const answeredAt = observations === null ? Infinity : ++this.#events;
    this.transactions.push({
      name: `${name} (${sentAt})`,
      operations,
      sentAt,
      answeredAt,
      observations,
    });
    return observations !== null;
  }
}
