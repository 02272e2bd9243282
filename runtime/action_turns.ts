// Bounds the queries and mutations of one action that are under way at a time; the others wait for
// their turn (spec function-runtime 6: "queued, no error"). Without it an action that starts thousands at
// once would fill the pool's queue: the last would wait there longer than calls may, and so would
// everybody else's.

/** Transactions of one action that the pool sees at a time. */
export const ACTION_TRANSACTIONS_MAX = 64;

export class ActionTurns {
  #underWay = 0;
  readonly #waiting: (() => void)[] = [];

  /** Runs `body` when its turn has come; in the order of the calls. */
  async run<T>(body: () => Promise<T>): Promise<T> {
    if (this.#underWay < ACTION_TRANSACTIONS_MAX) this.#underWay++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await body();
    } finally {
      // The place goes to the next one at once: nobody who comes later can take it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay--;
      else next();
    }
  }
}
