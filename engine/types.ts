// The shapes that the rooms exchange: revisions, intervals of index keys, snapshots, and the
// finished transaction that travels from an isolate to the committer.

import type { Catalog } from "./catalog.ts";
import type { Timestamp } from "./timestamp.ts";

/** Internal id of a component; the root app is "". */
export type ComponentId = string;
/** Storage identity of one incarnation of a table (unlike the table number, never reused). */
export type Tablet = number;
/** Storage identity of one index. */
export type IndexId = number;
/** Order-preserving printable ASCII key, see `engine/values/key.ts`. */
export type IndexKey = string;

/** One version of a document. `json` is the internal encoding with sorted keys, system fields included. */
export interface Revision {
  readonly id: string;
  readonly ts: Timestamp;
  readonly json: string;
  /** Bytes by the platform's measure, where they are stored; else `documentSize` tells. */
  readonly size?: number;
}

/** A revision found through an index. */
export interface IndexRow extends Revision {
  readonly key: IndexKey;
}

/** Half-open interval of index keys: `start <= key < end`. */
export interface Interval {
  readonly start: IndexKey;
  readonly end: IndexKey;
}

export type Order = "asc" | "desc";

/** One consistent view of the database. Close it: it holds a read transaction open. */
export interface Snapshot {
  /** The latest commit that the view contains. */
  readonly ts: Timestamp;
  readonly catalog: Catalog;
  /** The document, or null. */
  get(tablet: Tablet, id: string): Revision | null;
  /** At most `limit` rows of the interval, in key order or against it. */
  scan(index: IndexId, interval: Interval, order: Order, limit: number): IndexRow[];
  close(): void;
}

/** Intervals that a transaction read, flat for the wire: index, start, end, index, start, end, … */
export type FlatReadSet = readonly (IndexId | IndexKey)[];

/** The final state of one document in a transaction; `json` null is a deletion. */
export interface DocumentWrite {
  readonly tablet: Tablet;
  readonly id: string;
  readonly json: string | null;
  /** The transaction created the id: it must not exist yet. */
  readonly isNew: boolean;
}

/**
 * Where a transaction stands in an isolate's chain of executed, not yet confirmed mutations.
 * A member of the chain has seen the writes of all earlier members, so their commits are no conflict.
 */
export interface ChainLink {
  readonly isolate: number;
  /** Position in the isolate's chain, from 1. */
  readonly seq: number;
}

/** Outcome stored in the mutation's own commit, so that a client's retry gets it once. */
export interface SessionRecord {
  readonly sessionId: string;
  readonly requestId: number;
  /** JSON text of the result value. */
  readonly result: string;
  readonly logLines: readonly string[];
}

/** A transaction ready for the committer. */
export interface FinishedTransaction {
  /** Timestamp of the snapshot it read. */
  readonly begin: Timestamp;
  readonly readSet: FlatReadSet;
  readonly writes: readonly DocumentWrite[];
  /** Name of the function, shown to whoever conflicts with it. */
  readonly source: string | null;
  readonly chain?: ChainLink;
  readonly session?: SessionRecord;
}

/** What a conflicting commit had changed, for the error text of spec function-runtime 8. */
export interface Conflict {
  readonly ts: Timestamp;
  /** Null for a system table. */
  readonly table: string | null;
  readonly id: string | null;
  readonly source: string | null;
}

export type CommitResult =
  | { readonly kind: "committed"; readonly ts: Timestamp }
  | { readonly kind: "conflict"; readonly conflict: Conflict };

/** A commit as others see it: which keys of which index it touched (old and new ones). */
export interface PublishedCommit {
  readonly ts: Timestamp;
  readonly keys: ReadonlyMap<IndexId, readonly IndexKey[]>;
  readonly writes: readonly DocumentWrite[];
  readonly source: string | null;
}
