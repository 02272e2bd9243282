// One transaction: reads through a snapshot with its own writes laid over it, collects the read set
// and the write set. Synchronous; runs inside isolates and in the host.

import type { Catalog, IndexInfo, TableInfo } from "./catalog.ts";
import { Database, type DatabaseOptions } from "./database.ts";
import { assert } from "./errors.ts";
import {
  chargeIntervals,
  emptyUsage,
  type TransactionLimits,
  type TransactionUsage,
} from "./limits.ts";
import { overlaid, Overlay, type OverlayVersion } from "./overlay.ts";
import type { CursorCipher } from "./query/cursor.ts";
import { ReadSet } from "./read_set.ts";
import { RecentReads } from "./recent_reads.ts";
import { SystemTableAccess } from "./system_table_access.ts";
import { byIdIndex, SYSTEM_TABLES, systemIndexId } from "./system_tables.ts";
import {
  addIndex,
  createTable,
  type CreateTableOptions,
  type IndexDefinition,
} from "./table_creation.ts";
import { deleteTable } from "./table_deletion.ts";
import type { Timestamp } from "./timestamp.ts";
import type {
  ComponentId,
  DocumentWrite,
  FlatReadSet,
  IndexId,
  IndexKey,
  IndexRow,
  Interval,
  Revision,
  Snapshot,
  Tablet,
} from "./types.ts";
import { encodeId, newInternalId } from "./values/id.ts";
import { byIdKey, encodeKey, KEY_AFTER } from "./values/key.ts";
import type { Value } from "./values/value.ts";

export interface TransactionOptions {
  /** Milliseconds since the epoch, with a fraction. */
  readonly nowMs: number;
  /** Its documents are created no earlier: where the next one of the transaction before would be. */
  readonly creationTimeMin?: number;
  randomBytes(n: number): Uint8Array;
  readonly limits: TransactionLimits;
  readonly cursorCipher: CursorCipher;
}

/** The greatest written document so far, by some measure. */
export interface GreatestWrite {
  readonly id: string;
  readonly size: number;
}

/** The state that a failed nested mutation goes back to. */
interface NestedStart {
  readonly journalLength: number;
  readonly documentsWritten: number;
  readonly bytesWritten: number;
}

interface JournalEntry {
  readonly tablet: Tablet;
  readonly id: string;
  readonly before: OverlayVersion | undefined;
}

/** A read whose interval grows row by row. */
export interface GrowingRead {
  /** Records all that was read so far. */
  record(): void;
}

const TABLES_BY_NAME = systemIndexId(SYSTEM_TABLES.tables.number, 0);
const INDEXES_BY_TABLET = systemIndexId(SYSTEM_TABLES.indexes.number, 0);
const SCHEMAS_BY_STATE = systemIndexId(SYSTEM_TABLES.schemas.number, 0);

const INTERNAL_ID_RANDOM_BYTES = 14;
export class Transaction {
  readonly begin: Timestamp;
  readonly nowMs: number;
  readonly cursorCipher: CursorCipher;
  /** Replaced for the time of a nested call that was given less. */
  limits: TransactionLimits;
  readonly usage: TransactionUsage;
  #largestWrite: GreatestWrite | null = null;
  #deepestWrite: GreatestWrite | null = null;

  readonly #base: Snapshot;
  readonly #options: TransactionOptions;
  readonly #writes = new Overlay();
  /** The base with `#writes` laid over it. */
  readonly view: Snapshot;
  /** Reads of the developer's tables; only these are limited. */
  readonly #userReads = new ReadSet();
  readonly #systemReads = new ReadSet();
  // What the transaction is already recorded to depend on: most functions look up few tables often.
  readonly #namedTablets = new Set<Tablet>();
  readonly #indexedTablets = new Set<Tablet>();
  readonly #schemas = new Set<ComponentId>();
  /** Saves reading a document again to patch it. Own writes come first, so it may be out of date. */
  readonly #recentReads = new RecentReads();
  /** Read further than it is recorded. */
  #growing: GrowingRead | null = null;
  readonly #systemTables = new Map<string, SystemTableAccess>();
  readonly #journal: JournalEntry[] = [];
  readonly #nested: NestedStart[] = [];
  #creationTimeMs: number;

  constructor(
    snapshot: Snapshot,
    options: TransactionOptions,
    usage: TransactionUsage = emptyUsage(),
  ) {
    this.begin = snapshot.ts;
    this.nowMs = options.nowMs;
    this.limits = options.limits;
    this.cursorCipher = options.cursorCipher;
    this.usage = usage;
    this.#base = snapshot;
    this.#options = options;
    this.view = overlaid(snapshot, this.#writes);
    const { nowMs, creationTimeMin = 0 } = options;
    this.#creationTimeMs = Math.max(nowMs, (snapshot.ts + 1) / 1000, creationTimeMin);
  }

  /** The catalog with this transaction's own changes. */
  get catalog(): Catalog {
    return this.view.catalog;
  }

  /** The database as one execution of a user function sees it: take a new one for each. */
  database(component: ComponentId, options?: DatabaseOptions): Database {
    return new Database(this, component, options);
  }

  /** A system table for the server's own code; its traffic is not counted in the limits. */
  table(name: keyof typeof SYSTEM_TABLES, component: ComponentId = ""): SystemTableAccess {
    const key = `${name} ${component}`;
    let access = this.#systemTables.get(key);
    if (access === undefined) {
      const table = this.catalog.tableByName(component, SYSTEM_TABLES[name].name);
      assert(table !== null, () => `component "${component}" has no table ${name}`);
      this.#systemTables.set(key, access = new SystemTableAccess(this, table));
    }
    return access;
  }

  // Names and numbers of tables. Each lookup makes the transaction depend on what it found.

  /** The active table of that name, or null. */
  tableByName(component: ComponentId, name: string): TableInfo | null {
    const table = this.catalog.tableByName(component, name);
    if (table === null) {
      this.#dependOn(TABLES_BY_NAME, [component, name]);
    } else {
      this.#dependOnTable(table);
    }
    return table;
  }

  /** The active table with that number, or null. */
  tableByNumber(component: ComponentId, number: number): TableInfo | null {
    const table = this.catalog.tableByNumber(component, number);
    if (table === null) {
      // Any new table of the component might take the number.
      this.#dependOn(TABLES_BY_NAME, [component]);
    } else {
      this.#dependOnTable(table);
    }
    return table;
  }

  /** Makes the transaction depend on the definitions of the table's indexes. */
  dependOnIndexes(tablet: Tablet): void {
    if (this.#indexedTablets.has(tablet)) return;
    this.#indexedTablets.add(tablet);
    this.#dependOn(INDEXES_BY_TABLET, [tablet]);
  }

  /** Makes the transaction depend on the component's active schema. */
  dependOnSchema(component: ComponentId): void {
    if (this.#schemas.has(component)) return;
    this.#schemas.add(component);
    this.#dependOn(SCHEMAS_BY_STATE, [component, "active"]);
  }

  /** Makes the transaction conflict with every change of tables or indexes anywhere. */
  dependOnAllTables(): void {
    this.#dependOn(TABLES_BY_NAME, []);
    this.#dependOn(INDEXES_BY_TABLET, []);
  }

  #dependOnTable(table: TableInfo): void {
    if (this.#namedTablets.has(table.tablet)) return;
    this.#namedTablets.add(table.tablet);
    this.#dependOn(TABLES_BY_NAME, [table.component, table.name]);
  }

  #dependOn(index: IndexId, prefix: Value[]): void {
    const start = encodeKey(prefix);
    this.addRead(index, start, start + KEY_AFTER);
  }

  // Reads.

  /** Records an interval that does not count in the limits. */
  addRead(index: IndexId, start: IndexKey, end: IndexKey): void {
    this.#systemReads.add(index, start, end);
  }

  /**
   * Records an interval of a table; a user table's counts.
   * @throws PlatformError TooManyReads
   */
  recordInterval(table: TableInfo, index: IndexId, start: IndexKey, end: IndexKey): void {
    this.#settle();
    if (table.isSystem) {
      this.#systemReads.add(index, start, end);
      return;
    }
    const before = this.#userReads.intervalCount;
    this.#userReads.add(index, start, end);
    chargeIntervals(this.usage, this.limits, this.#userReads.intervalCount - before);
  }

  /** Notes that the read has grown: it is recorded when another one comes, or at the end. */
  grow(read: GrowingRead): void {
    if (this.#growing === read) return;
    this.#settle();
    this.#growing = read;
  }

  #settle(): void {
    const read = this.#growing;
    this.#growing = null;
    read?.record();
  }

  /** The document, or null; records the read, but counts only the interval. */
  readDocument(table: TableInfo, id: string): Revision | null {
    const key = byIdKey(id);
    const { tablet } = table;
    this.recordInterval(table, byIdIndex(tablet), key, key + KEY_AFTER);
    const written = this.#writes.get(tablet, id);
    if (written !== undefined) return written.json === null ? null : written as Revision;
    const recent = this.#recentReads.find(tablet, id);
    if (recent !== undefined) return recent;
    const revision = this.#base.get(tablet, id);
    this.#recentReads.add(tablet, id, revision);
    return revision;
  }

  /** Notes rows that the function is about to get: it may well write to them next. */
  noteRows(tablet: Tablet, rows: readonly IndexRow[]): void {
    this.#recentReads.addRows(tablet, rows);
  }

  // Writes.

  /** A fresh id of the table and a creation time after all earlier ones of this transaction. */
  newDocument(table: TableInfo): { id: string; creationTime: number } {
    const random = this.#options.randomBytes(INTERNAL_ID_RANDOM_BYTES);
    const id = encodeId(table.number, newInternalId(random, this.nowMs));
    const creationTime = this.#creationTimeMs;
    this.#creationTimeMs = nextDouble(creationTime);
    return { id, creationTime };
  }

  /** Later than those of all documents that the transaction has created. */
  get nextCreationTime(): number {
    return this.#creationTimeMs;
  }

  /** Sets the document's new state; `json` null deletes it. `isNew`: the id is a fresh one. */
  write(tablet: Tablet, id: string, json: string | null, isNew = false): void {
    const before = this.#writes.get(tablet, id);
    if (this.#nested.length > 0) this.#journal.push({ tablet, id, before });
    this.#writes.put(tablet, id, json, this.begin, before === undefined ? isNew : before.isNew);
  }

  /** Remembers how large a written document is, for warnings. */
  noteWrite(id: string, bytes: number, nesting: number): void {
    if (bytes > (this.#largestWrite?.size ?? 0)) this.#largestWrite = { id, size: bytes };
    if (nesting > (this.#deepestWrite?.size ?? 0)) this.#deepestWrite = { id, size: nesting };
  }

  /** The written document with the most bytes. */
  get largestWrite(): GreatestWrite | null {
    return this.#largestWrite;
  }

  /** The written document with the most levels of nesting. */
  get deepestWrite(): GreatestWrite | null {
    return this.#deepestWrite;
  }

  createTable(
    component: ComponentId,
    name: string,
    options?: CreateTableOptions,
  ): TableInfo {
    return createTable(this, component, name, options);
  }

  deleteTable(table: TableInfo): void {
    deleteTable(this, table);
  }

  addIndex(tablet: Tablet, definition: IndexDefinition): IndexInfo {
    return addIndex(this, tablet, definition);
  }

  // Nested mutations.

  /** Starts a nested mutation; give the result to {@link commitNested} or {@link rollbackNested}. */
  beginNested(): number {
    const { documentsWritten, bytesWritten } = this.usage;
    const journalLength = this.#journal.length;
    return this.#nested.push({ journalLength, documentsWritten, bytesWritten });
  }

  commitNested(nested: number): void {
    this.#endNested(nested);
    if (this.#nested.length === 0) this.#journal.length = 0;
  }

  /** Undoes the writes since {@link beginNested}; reads stay recorded. */
  rollbackNested(nested: number): void {
    const start = this.#endNested(nested);
    while (this.#journal.length > start.journalLength) {
      const { tablet, id, before } = this.#journal.pop()!;
      this.#writes.restore(tablet, id, before);
    }
    this.usage.documentsWritten = start.documentsWritten;
    this.usage.bytesWritten = start.bytesWritten;
    // These may be what the nested mutation wrote or created.
    this.#recentReads.clear();
    this.#systemTables.clear();
  }

  #endNested(nested: number): NestedStart {
    assert(nested === this.#nested.length, "nested mutations must end in order");
    return this.#nested.pop()!;
  }

  /** Runs `body` as a nested mutation: if it throws, its writes are undone. */
  nest<T>(body: () => T): T {
    const nested = this.beginNested();
    let result: T;
    try {
      result = body();
    } catch (error) {
      this.rollbackNested(nested);
      throw error;
    }
    this.commitNested(nested);
    return result;
  }

  /**
   * A transaction that reads the begin snapshot, without these writes. Its reads count in the limits
   * but are nobody's read set; it must not write.
   */
  snapshotQuery(): Transaction {
    const options = { ...this.#options, limits: this.limits };
    return new Transaction(this.#base, options, this.usage);
  }

  get hasWrites(): boolean {
    return this.#finalWrites().length > 0;
  }

  /** What the committer needs. The snapshot stays open: whoever opened it closes it. */
  finish(): { begin: Timestamp; readSet: FlatReadSet; writes: DocumentWrite[] } {
    assert(this.#nested.length === 0, "a nested mutation is still running");
    this.#settle();
    const readSet = [...this.#systemReads.toFlat(), ...this.#userReads.toFlat()];
    return { begin: this.begin, readSet, writes: this.#finalWrites() };
  }

  #finalWrites(): DocumentWrite[] {
    const writes: DocumentWrite[] = [];
    for (const { tablet, id, json, isNew } of this.#writes.versions()) {
      if (isNew && json === null) continue; // inserted and deleted again
      writes.push({ tablet, id, json, isNew });
    }
    return writes;
  }
}

/** All keys of an index. */
export const WHOLE_INDEX: Interval = { start: "", end: KEY_AFTER };

const doubleView = new Float64Array(1);
const bitsView = new BigUint64Array(doubleView.buffer);

/** The next representable number after a positive one. */
function nextDouble(value: number): number {
  doubleView[0] = value;
  bitsView[0]!++;
  return doubleView[0]!;
}
