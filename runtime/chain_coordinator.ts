// The host's side of an isolate's chain: mutations that the isolate ran on top of each other before
// any of them was confirmed. Members go to the committer in the order in which they ran. When one is
// refused, those that ran after it saw writes that never happened: the isolate is told to drop them
// (a new epoch), and their results are stale.

import type { CommitResult, FinishedTransaction, SessionRecord } from "../engine/types.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { ResetFrame, RunResult } from "./frames.ts";

/** The part of the engine's committer that chains need. */
export interface CommitSink {
  /** The latest assigned timestamp; moves synchronously when `commit` accepts writes. */
  readonly latest: Timestamp;
  /** Validates synchronously; resolves when durable, or at once on a conflict. */
  commit(transaction: FinishedTransaction): Promise<CommitResult>;
  whenDurable(ts: Timestamp): Promise<void>;
}

/** What became of one member. */
export type ChainOutcome =
  /** It ran on top of a member that never happened: run it again. */
  | { readonly kind: "stale" }
  | {
    readonly kind: "submitted";
    /** Its writes have their place in the order already; known before the disk is done. */
    readonly accepted: boolean;
    readonly result: Promise<CommitResult>;
  };

/** One isolate's chain. */
export class ChainCoordinator {
  readonly #isolate: number;
  readonly #sink: CommitSink;
  readonly #sendReset: (frame: ResetFrame) => void;
  #epoch = 0;
  /** Position of the last member that was accepted. */
  #acceptedSeq = 0;

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

  /**
   * Takes the result of a mutation. Results must come in the order in which the isolate ran them.
   * A failed mutation is validated too: what it saw may have been a chain that never happened.
   */
  settle(result: RunResult, source: string, session: SessionRecord | undefined): ChainOutcome {
    if (result.epoch !== this.#epoch) return { kind: "stale" };
    const latestBefore = this.#sink.latest;
    const committed = this.#sink.commit({
      begin: result.begin,
      readSet: result.readSet,
      writes: result.writes,
      source,
      chain: { isolate: this.#isolate, seq: result.chainSeq },
      session: result.result.ok ? session : undefined,
    });
    // The committer assigns timestamps synchronously: a later member must not be taken before it is
    // known whether the members that it ran on top of happened.
    const accepted = this.#sink.latest > latestBefore;
    if (accepted) this.#acceptedSeq = result.chainSeq;
    else if (result.writes.length > 0) this.#reset();
    return { kind: "submitted", accepted, result: committed };
  }

  /** Takes the result of a mutation that nobody wants any more: it must not happen. */
  discard(result: RunResult): void {
    if (result.epoch === this.#epoch && result.writes.length > 0) this.#reset();
  }

  #reset(): void {
    this.#epoch++;
    this.#sendReset({ type: "reset", epoch: this.#epoch, upTo: this.#acceptedSeq });
  }
}
