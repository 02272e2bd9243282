// The recent commits in memory: which index keys each of them touched. Answers "did anything in this
// read set change since then?", for the validation of transactions and for live queries. Bounded by
// age and size; what it has forgotten is "unknown".

import { assert } from "./errors.ts";
import type { Timestamp } from "./timestamp.ts";
import type { FlatReadSet, IndexId, IndexKey, Tablet } from "./types.ts";

/** Commits older than this are forgotten; no transaction lives as long. */
export const COMMIT_LOG_AGE_MS_MAX = 60_000;
/** Estimated memory of the log. */
export const COMMIT_LOG_BYTES_MAX = 32 * 1024 * 1024;

/** Estimated memory of a commit, of a document in it, and of one key besides its text. */
const COMMIT_BYTES = 200;
const DOCUMENT_BYTES = 120;
const KEY_BYTES = 64;
const MICROS_PER_MILLI = 1000;

/** A document that a commit changed, and all keys that it had or has. */
export interface ChangedDocument {
  readonly tablet: Tablet;
  readonly id: string;
  /** Index, key, index, key, … */
  readonly keys: readonly (IndexId | IndexKey)[];
}

export interface LoggedCommit {
  readonly ts: Timestamp;
  /** The isolate whose chain the transaction belonged to. */
  readonly isolate: number | null;
  readonly source: string | null;
  readonly documents: readonly ChangedDocument[];
}

/** All keys that the documents had or have. */
export function keysByIndex(documents: readonly ChangedDocument[]): Map<IndexId, IndexKey[]> {
  const byIndex = new Map<IndexId, IndexKey[]>();
  for (const { keys } of documents) {
    for (let i = 0; i < keys.length; i += 2) {
      const list = byIndex.get(keys[i] as IndexId);
      if (list === undefined) byIndex.set(keys[i] as IndexId, [keys[i + 1] as IndexKey]);
      else list.push(keys[i + 1] as IndexKey);
    }
  }
  return byIndex;
}

/** What stands in the way of a transaction. */
export interface LoggedConflict {
  readonly commit: LoggedCommit;
  readonly document: ChangedDocument;
}

/** The keys of one index that were touched, oldest first. */
class IndexHistory {
  /** Entries before this position are forgotten. */
  head = 0;
  readonly keys: IndexKey[] = [];
  readonly documents: ChangedDocument[] = [];
  readonly commits: LoggedCommit[] = [];

  add(key: IndexKey, document: ChangedDocument, commit: LoggedCommit): void {
    this.keys.push(key);
    this.documents.push(document);
    this.commits.push(commit);
  }

  get isEmpty(): boolean {
    return this.head === this.keys.length;
  }

  /** Forgets the oldest entry; the space is reclaimed once half of the arrays is forgotten. */
  forgetOldest(): void {
    this.head++;
    if (this.head * 2 <= this.keys.length || this.head < 64) return;
    this.keys.splice(0, this.head);
    this.documents.splice(0, this.head);
    this.commits.splice(0, this.head);
    this.head = 0;
  }

  /** Position of the first entry after a timestamp. */
  after(ts: Timestamp): number {
    const { commits } = this;
    // Questions are mostly about the last few commits: gallop back from the end, then halve.
    let high = commits.length;
    let low = high - 1;
    for (let step = 1; low >= this.head && commits[low]!.ts > ts; step *= 2) {
      high = low;
      low -= step;
    }
    low = Math.max(low, this.head - 1) + 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (commits[middle]!.ts > ts) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export class CommitLog {
  readonly #histories = new Map<IndexId, IndexHistory>();
  readonly #commits: LoggedCommit[] = [];
  #head = 0;
  #bytes = 0;
  /** Commits up to this one are not in the log. */
  #forgotten: Timestamp;
  #latest: Timestamp;
  readonly #bytesMax: number;

  /** @param start the latest commit before the log begins */
  constructor(start: Timestamp, bytesMax = COMMIT_LOG_BYTES_MAX) {
    this.#forgotten = start;
    this.#latest = start;
    this.#bytesMax = bytesMax;
  }

  get commitCount(): number {
    return this.#commits.length - this.#head;
  }

  /** Appends a commit; it must be later than all others. */
  add(commit: LoggedCommit): void {
    assert(commit.ts > this.#latest, "commits are logged in order");
    this.#latest = commit.ts;
    this.#commits.push(commit);
    this.#bytes += COMMIT_BYTES;
    for (const document of commit.documents) {
      const { keys } = document;
      this.#bytes += DOCUMENT_BYTES;
      for (let i = 0; i < keys.length; i += 2) {
        const index = keys[i] as IndexId;
        const key = keys[i + 1] as IndexKey;
        let history = this.#histories.get(index);
        if (history === undefined) this.#histories.set(index, history = new IndexHistory());
        history.add(key, document, commit);
        this.#bytes += KEY_BYTES + key.length;
      }
    }
    this.#trim(commit.ts - COMMIT_LOG_AGE_MS_MAX * MICROS_PER_MILLI);
  }

  /**
   * The first commit after `after`, up to `upTo`, that touched the read set; null if there is none,
   * "unknown" if the log does not reach back that far.
   */
  firstChange(
    readSet: FlatReadSet,
    after: Timestamp,
    upTo: Timestamp = this.#latest,
  ): Timestamp | null | "unknown" {
    if (after < this.#forgotten) return "unknown";
    let first: Timestamp | null = null;
    let limit: number = upTo;
    for (let i = 0; i + 2 < readSet.length; i += 3) {
      const history = this.#histories.get(readSet[i] as IndexId);
      if (history === undefined) continue;
      const start = readSet[i + 1] as IndexKey;
      const end = readSet[i + 2] as IndexKey;
      for (let at = history.after(after); at < history.keys.length; at++) {
        const { ts } = history.commits[at]!;
        if (ts > limit) break;
        const key = history.keys[at]!;
        if (key < start || key >= end) continue;
        first = ts;
        limit = ts - 1;
        break;
      }
    }
    return first;
  }

  /**
   * What forbids a transaction that read at `begin` to commit now; commits of its own chain do not.
   * Null if nothing does, "unknown" if the log does not reach back that far.
   */
  findConflict(
    readSet: FlatReadSet,
    begin: Timestamp,
    isolate: number | null,
  ): LoggedConflict | null | "unknown" {
    if (begin < this.#forgotten) return "unknown";
    for (let i = 0; i + 2 < readSet.length; i += 3) {
      const history = this.#histories.get(readSet[i] as IndexId);
      if (history === undefined) continue;
      const { keys } = history;
      const start = readSet[i + 1] as IndexKey;
      const end = readSet[i + 2] as IndexKey;
      for (let at = history.after(begin); at < keys.length; at++) {
        const key = keys[at]!;
        if (key < start || key >= end) continue;
        const commit = history.commits[at]!;
        if (isolate !== null && commit.isolate === isolate) continue;
        return { commit, document: history.documents[at]! };
      }
    }
    return null;
  }

  #trim(forgetUpTo: number): void {
    while (this.#head < this.#commits.length - 1) {
      const oldest = this.#commits[this.#head]!;
      if (oldest.ts > forgetUpTo && this.#bytes <= this.#bytesMax) break;
      this.#head++;
      this.#forget(oldest);
    }
    if (this.#head >= 64 && this.#head * 2 > this.#commits.length) {
      this.#commits.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #forget(commit: LoggedCommit): void {
    this.#forgotten = commit.ts;
    this.#bytes -= COMMIT_BYTES;
    for (const { keys } of commit.documents) {
      this.#bytes -= DOCUMENT_BYTES;
      for (let i = 0; i < keys.length; i += 2) {
        const index = keys[i] as IndexId;
        const history = this.#histories.get(index)!;
        history.forgetOldest();
        if (history.isEmpty) this.#histories.delete(index);
        this.#bytes -= KEY_BYTES + (keys[i + 1] as IndexKey).length;
      }
    }
  }
}
