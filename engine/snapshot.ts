// Consistent views of the database file. A `ReadView` is one SQLite read transaction; it gives the
// latest state and, with the undo log laid over it, older ones.

import { DatabaseSync } from "node:sqlite";
import type { Catalog } from "./catalog.ts";
import type { Timestamp } from "./timestamp.ts";
import type { Snapshot } from "./types.ts";

/** One SQLite read transaction. Close it when done: it keeps the WAL from being reused. */
export interface ReadView {
  /** The newest commit in the file. */
  readonly ts: Timestamp;
  readonly catalog: Catalog;
  /** The state of the newest commit. Closing this snapshot does nothing; close the view. */
  readonly latest: Snapshot;
  /**
   * The state at an older timestamp; the latest one if `ts` is not older.
   * @throws PlatformError "outOfRetention" when the undo log does not reach back so far.
   */
  at(ts: Timestamp): Snapshot;
  /** Last accepted position of the isolate's chain; 0 if none. */
  chainSeq(isolate: number): number;
  close(): void;
}

/** Opens a database file for reading only. */
export declare function openReadOnly(path: string): DatabaseSync;

/** Reads through one connection; one view at a time. */
export declare class SnapshotReader {
  constructor(db: DatabaseSync);
  begin(): ReadView;
  /** Runs `body` in one view, and closes it. */
  batch<T>(body: (view: ReadView) => T): T;
  /** A snapshot that owns its view: closing it ends the read transaction. */
  open(at?: Timestamp): Snapshot;
  latestTs(): Timestamp;
  chainSeq(isolate: number): number;
}
