// The part of the engine that the sync room uses; `Engine` satisfies it.

import type { Timestamp } from "../engine/timestamp.ts";
import type { FlatReadSet, PublishedCommit } from "../engine/types.ts";

export interface CommitSource {
  readonly committer: {
    /** The latest commit that is durable: what clients may be told. */
    readonly durable: Timestamp;
    whenDurable(ts: Timestamp): Promise<void>;
    /** First commit after `after`, at most `upTo`, that touched the read set. */
    firstChange(
      readSet: FlatReadSet,
      after: Timestamp,
      upTo?: Timestamp,
    ): Timestamp | null | "unknown";
    sessionOutcome(sessionId: string, requestId: number): { readonly ts: Timestamp } | null;
  };
  /** Durable commits, in order. Returns the function that ends it. */
  onCommit(listener: (commit: PublishedCommit) => void): () => void;
}
