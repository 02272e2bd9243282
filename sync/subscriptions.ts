// Which query results does a commit invalidate? Read sets are registered in an interval map, so a
// commit costs what it hits and not what others subscribe to (sync protocol 9).

import { IntervalMap } from "../engine/interval_map.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FlatReadSet, PublishedCommit } from "../engine/types.ts";
import type { CommitSource } from "./commit_source.ts";

/** A result that stands as long as nothing in its read set changes. */
export interface Watched {
  readonly readSet: FlatReadSet;
  /** The snapshot that was read. */
  readonly ts: Timestamp;
  /** The first commit after `ts` that touched the read set; null: none up to `checkedThrough`. */
  invalidatedAt: Timestamp | null;
  /** Only of use while the result is not registered; else it is known up to the latest commit. */
  checkedThrough: Timestamp;
  /** A commit has invalidated it; it is no longer registered. Must not throw. */
  onInvalidated(): void;
}

export class Subscriptions {
  readonly #source: CommitSource;
  readonly #map = new IntervalMap<Watched>();
  readonly #endListening: () => void;
  /** Every commit up to here has been matched against the registered read sets. */
  #processed: Timestamp;

  constructor(source: CommitSource) {
    this.#source = source;
    this.#processed = source.committer.durable;
    this.#endListening = source.onCommit((commit) => this.#process(commit));
  }

  /** Number of registered results. */
  get size(): number {
    return this.#map.size;
  }

  /** Every commit up to here has invalidated what it touches. */
  get processed(): Timestamp {
    return this.#processed;
  }

  /** The latest timestamp that may be read and shown to clients. */
  latest(): Timestamp {
    const durable = this.#source.committer.durable;
    return durable > this.#processed ? durable : this.#processed;
  }

  /**
   * Registers a result. If a commit since its snapshot has touched it, it is only marked invalid,
   * without a call of `onInvalidated`; likewise if that can no longer be found out.
   */
  watch(watched: Watched): void {
    if (watched.invalidatedAt !== null || this.#map.has(watched)) return;
    if (watched.checkedThrough < this.#processed) {
      const change = this.#firstChange(watched, watched.checkedThrough, this.#processed);
      if (change !== null) {
        watched.invalidatedAt = change;
        return;
      }
      watched.checkedThrough = this.#processed;
    }
    this.#map.add(watched.readSet, watched);
  }

  unwatch(watched: Watched): void {
    if (!this.#map.has(watched)) return;
    if (watched.checkedThrough < this.#processed) watched.checkedThrough = this.#processed;
    this.#map.remove(watched);
  }

  /** Whether a run at `ts` would have read what the result's run did: it is the result at `ts`. */
  covers(watched: Watched, ts: Timestamp): boolean {
    if (ts < watched.ts) {
      return this.#source.committer.firstChange(watched.readSet, ts, watched.ts) === null;
    }
    if (watched.invalidatedAt !== null) return ts < watched.invalidatedAt;
    const known = this.#map.has(watched) ? this.#processed : watched.checkedThrough;
    if (ts <= known) return true;
    return this.#source.committer.firstChange(watched.readSet, known, ts) === null;
  }

  close(): void {
    this.#endListening();
  }

  #firstChange(watched: Watched, after: Timestamp, upTo: Timestamp): Timestamp | null {
    const change = this.#source.committer.firstChange(watched.readSet, after, upTo);
    return change === "unknown" ? (after + 1) as Timestamp : change;
  }

  #process(commit: PublishedCommit): void {
    const hit = new Set<Watched>();
    for (const [index, keys] of commit.keys) {
      for (const key of keys) {
        for (const watched of this.#map.stab(index, key)) {
          // What was read after this commit has seen it.
          if (watched.ts < commit.ts) hit.add(watched);
        }
      }
    }
    this.#processed = commit.ts;
    for (const watched of hit) {
      this.#map.remove(watched);
      watched.invalidatedAt = commit.ts;
    }
    for (const watched of hit) watched.onInvalidated();
  }
}
