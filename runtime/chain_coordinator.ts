// The host's side of an isolate's chain: mutations that the isolate ran on top of each other before
// any of them was confirmed. Members go to the committer one by one, in the order in which they ran.
// When one is refused, or may not be offered yet, those that ran after it saw writes that never
// happened: the isolate is told to drop them (a new epoch), and their results are stale.

import type { CommitResult, FinishedTransaction, SessionRecord } from "../engine/types.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { ResetFrame, RunResult } from "./frames.ts";

/** The part of the engine's committer that chains need. */
export interface CommitSink {
  /**
   * Decides in the order of the calls, mostly at once: `onAccepted` is then called before `commit`
   * returns. Resolves when the commit is durable; soon, on a conflict.
   */
  commit(
    transaction: FinishedTransaction,
    onAccepted: (ts: Timestamp) => void,
  ): Promise<CommitResult>;
  /** Makes all that was accepted visible to new snapshots. */
  flush(): void;
}

/** A mutation that ran. */
export interface ChainMember {
  readonly result: RunResult;
  /** Name of the function, for whoever conflicts with it. */
  readonly source: string;
  readonly session: SessionRecord | undefined;
  /** Others of its client go before it and have no place in the order yet: it may not happen. */
  isEarly(): boolean;
  /** It ran before its turn, and never happened. */
  onEarly(): void;
  /** It ran on top of a member that never happened, and must run again. */
  onStale(): void;
  /** Its place in the order is fixed. */
  onAccepted(): void;
  /** The committer was asked; resolves as `commit` does. */
  onSubmitted(result: Promise<CommitResult>): void;
}

/** One isolate's chain. */
export class ChainCoordinator {
  readonly #isolate: number;
  readonly #sink: CommitSink;
  readonly #sendReset: (frame: ResetFrame) => void;
  #epoch = 0;
  /** Position of the last member that was accepted. */
  #acceptedSeq = 0;
  /** A member waits for the committer's decision; what came after it waits, too. */
  #isUndecided = false;
  readonly #later: (() => void)[] = [];
  #isDraining = false;

  /** `sendReset` hands the frame to the isolate. */
  constructor(isolate: number, sink: CommitSink, sendReset: (frame: ResetFrame) => void) {
    this.#isolate = isolate;
    this.#sink = sink;
    this.#sendReset = sendReset;
  }

  /** Results of older epochs are stale. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether the committer has decided on everything that was taken. */
  get isDecided(): boolean {
    return !this.#isUndecided && this.#later.length === 0;
  }

  /**
   * Takes a member, in the order in which the isolate ran them. A failed mutation is validated too:
   * what it saw may have been a chain that never happened.
   */
  take(member: ChainMember): void {
    this.#inOrder(() => this.#submit(member));
  }

  /** Takes the result of a mutation that nobody wants any more: it must not happen. */
  discard(result: RunResult): void {
    if (result.writes.length === 0) return;
    this.#inOrder(() => {
      if (result.epoch === this.#epoch) this.#reset();
    });
  }

  #inOrder(step: () => void): void {
    this.#later.push(step);
    this.#drain();
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    while (!this.#isUndecided && this.#later.length > 0) this.#later.shift()!();
    this.#isDraining = false;
  }

  #submit(member: ChainMember): void {
    const { result } = member;
    if (result.epoch !== this.#epoch) return member.onStale();
    if (member.isEarly()) {
      if (result.writes.length > 0) this.#reset();
      return member.onEarly();
    }
    this.#isUndecided = true;
    let isAccepted = false;
    const committed = this.#sink.commit({
      begin: result.begin,
      readSet: result.readSet,
      writes: result.writes,
      source: member.source,
      chain: { isolate: this.#isolate, seq: result.chainSeq },
      session: result.result.ok ? member.session : undefined,
    }, () => {
      isAccepted = true;
      this.#acceptedSeq = result.chainSeq;
      this.#isUndecided = false;
      member.onAccepted();
      this.#drain();
    });
    const onRefused = () => {
      if (result.writes.length > 0) this.#reset();
      this.#isUndecided = false;
      this.#drain();
    };
    committed.then(
      (outcome) => outcome.kind === "conflict" && onRefused(),
      () => isAccepted || onRefused(),
    );
    member.onSubmitted(committed);
  }

  #reset(): void {
    this.#epoch++;
    this.#sendReset({ type: "reset", epoch: this.#epoch, upTo: this.#acceptedSeq });
  }
}
