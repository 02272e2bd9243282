// One transaction: reads through a snapshot with its own writes laid over it, collects the read set
// and the write set. Synchronous; runs inside isolates and in the host.

import type { Database } from "./database.ts";
import type { Catalog, IndexInfo, TableInfo } from "./catalog.ts";
import type { TransactionLimits, TransactionUsage } from "./limits.ts";
import type { CursorCipher } from "./query/cursor.ts";
import type { SYSTEM_TABLES } from "./system_tables.ts";
import type { SystemTableAccess } from "./system_table_access.ts";
import type { Timestamp } from "./timestamp.ts";
import type {
  ComponentId,
  DocumentWrite,
  FlatReadSet,
  IndexId,
  IndexKey,
  Snapshot,
  Tablet,
} from "./types.ts";

export interface TransactionOptions {
  /** Milliseconds since the epoch, with a fraction. */
  readonly nowMs: number;
  randomBytes(n: number): Uint8Array;
  readonly limits: TransactionLimits;
  readonly cursorCipher: CursorCipher;
}

export declare class Transaction {
  constructor(snapshot: Snapshot, options: TransactionOptions);
  readonly begin: Timestamp;
  readonly nowMs: number;
  readonly limits: TransactionLimits;
  readonly usage: TransactionUsage;
  /** The catalog with this transaction's own changes. */
  get catalog(): Catalog;
  /** The database as one execution of a user function sees it: take a new one for each. */
  database(component: ComponentId): Database;
  /** A system table for the server's own code; its traffic is not counted in the limits. */
  table(name: keyof typeof SYSTEM_TABLES, component?: ComponentId): SystemTableAccess;
  /** Starts a nested mutation; give the result to {@link commitNested} or {@link rollbackNested}. */
  beginNested(): number;
  commitNested(nested: number): void;
  /** Undoes the writes since; reads stay recorded. */
  rollbackNested(nested: number): void;
  nest<T>(body: () => T): T;
  /** A transaction that reads the begin snapshot, without these writes and without recording reads. */
  snapshotQuery(): Transaction;
  addRead(index: IndexId, start: IndexKey, end: IndexKey): void;
  /** Creates the table (or returns the existing one). */
  createTable(component: ComponentId, name: string): TableInfo;
  get hasWrites(): boolean;
  finish(): { begin: Timestamp; readSet: FlatReadSet; writes: DocumentWrite[] };
  addIndex(tablet: Tablet, index: Omit<IndexInfo, "id" | "tablet" | "paths">): IndexInfo;
}
