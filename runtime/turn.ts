// The turn of a mutation among those of its client, which take effect in the order in which they were
// sent. A mutation may run before its turn, on top of those that go before it, and only its commit waits:
// a client that sends many gets them run in batches, and never sees them out of order. On top of them
// means in the same isolate: one that ran elsewhere has not seen them, and its clock may be behind theirs.

/** The turn will not come: one that goes before ended without anybody knowing how. */
export class TurnLostError extends Error {}

/** Comes once, or is lost once. */
export class Turn {
  #state: "ahead" | "come" | "lost" = "ahead";
  #waiting: PromiseWithResolvers<void> | null = null;
  /** The isolate in whose chain the one that goes before was accepted, if it was in any. */
  #previousIn: number | null = null;
  /** The isolate in whose chain the mutation was accepted. */
  acceptedIn: number | null = null;

  /** Whether all that go before have their place in the order: only then may the mutation commit. */
  get hasCome(): boolean {
    return this.#state === "come";
  }

  /** Whether somebody had to wait for it: the mutation had run in vain. */
  get wasAwaited(): boolean {
    return this.#waiting !== null;
  }

  /** @throws TurnLostError */
  whenCome(): Promise<void> {
    if (this.#state === "come") return Promise.resolve();
    if (this.#state === "lost") return Promise.reject(new TurnLostError("the turn is lost"));
    return (this.#waiting ??= Promise.withResolvers()).promise;
  }

  /** Whether what ran in the isolate before its turn came ran on top of the one that goes before. */
  followsIn(isolate: number): boolean {
    return this.#previousIn === isolate;
  }

  /** @param previousIn where the one that goes before was accepted */
  come(previousIn: number | null = null): void {
    if (this.#state !== "ahead") return;
    this.#state = "come";
    this.#previousIn = previousIn;
    this.#waiting?.resolve();
  }

  lose(): void {
    if (this.#state !== "ahead") return;
    this.#state = "lost";
    this.#waiting?.reject(new TurnLostError("the turn is lost"));
  }
}
