// Consistent views of the database file. A `ReadView` is one SQLite read transaction; it gives the
// latest state and, with the undo log laid over it, older ones.

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { arrayStatement } from "./array_statement.ts";
import { Catalog, type CatalogCounters, INITIAL_COUNTERS } from "./catalog.ts";
import { assert } from "./errors.ts";
import { overlaid, type Overlay } from "./overlay.ts";
import { META } from "./storage_schema.ts";
import { byIdIndex } from "./system_tables.ts";
import { type Timestamp, TIMESTAMP_ZERO } from "./timestamp.ts";
import type {
  IndexId,
  IndexKey,
  IndexRow,
  Interval,
  Order,
  Revision,
  Snapshot,
  Tablet,
} from "./types.ts";
import { UndoLog } from "./undo_log.ts";
import { byIdKey } from "./values/key.ts";

/** One SQLite read transaction. Close it when done: it keeps the WAL from being reused. */
export interface ReadView {
  /** The newest commit in the file. */
  readonly ts: Timestamp;
  /** The last commit that changed code, variables or the deployment's state. */
  readonly configuration: Timestamp;
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
export function openReadOnly(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true });
  db.exec(`PRAGMA cache_size = -${READER_CACHE_KIB}; PRAGMA temp_store = MEMORY;`);
  return db;
}

/** SQLite's page cache of one reading connection; the operating system's cache stands behind it. */
const READER_CACHE_KIB = 16 * 1024;

type HeaderRow = [
  ts: number,
  lastSeq: number,
  catalog: number | null,
  configuration: number | null,
];
const EMPTY_HEADER: HeaderRow = [TIMESTAMP_ZERO, 0, null, null];
type RevisionRow = [ts: number, size: number | null, json: string];
type EntryRow = [key: string, id: string, ts: number, size: number | null, json: string];

/** Reads through one connection; one view at a time. */
export class SnapshotReader {
  readonly #header: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #meta: StatementSync;
  readonly #chain: StatementSync;
  readonly #undo: UndoLog;
  readonly statements: ReadStatements;
  #catalog: Catalog | null = null;
  #isOpen = false;

  constructor(db: DatabaseSync) {
    const prepare = (sql: string) => arrayStatement(db, sql);
    this.#begin = prepare("BEGIN");
    this.#commit = prepare("COMMIT");
    this.#header = prepare(
      `SELECT ts, last_seq, (SELECT value FROM meta WHERE key = '${META.catalog}'),
              (SELECT value FROM meta WHERE key = '${META.configuration}')
         FROM commits ORDER BY ts DESC LIMIT 1`,
    );
    this.#meta = prepare("SELECT value FROM meta WHERE key = ?");
    this.#chain = prepare("SELECT seq FROM chains WHERE isolate = ?");
    this.#undo = new UndoLog(db);
    const scan = (order: "ASC" | "DESC") =>
      prepare(
        `SELECT e.key, d.id, d.ts, d.size, d.json FROM entries e CROSS JOIN documents d ON d.doc = e.doc
         WHERE e.idx = ? AND e.key >= ? AND e.key < ? ORDER BY e.key ${order} LIMIT ?`,
      );
    this.statements = {
      get: prepare(
        `SELECT d.ts, d.size, d.json FROM entries e CROSS JOIN documents d ON d.doc = e.doc
         WHERE e.idx = ? AND e.key = ?`,
      ),
      asc: scan("ASC"),
      desc: scan("DESC"),
    };
  }

  begin(): ReadView {
    assert(!this.#isOpen, "a view of this connection is still open");
    this.#begin.run();
    this.#isOpen = true;
    try {
      const [ts, lastSeq, catalogVersion, configuration] = this.#readHeader();
      return new SqliteView(
        this,
        ts as Timestamp,
        lastSeq,
        (catalogVersion ?? 0) as Timestamp,
        (configuration ?? 0) as Timestamp,
      );
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /** Runs `body` in one view, and closes it. */
  batch<T>(body: (view: ReadView) => T): T {
    const view = this.begin();
    try {
      return body(view);
    } finally {
      view.close();
    }
  }

  /** A snapshot that owns its view: closing it ends the read transaction. */
  open(at?: Timestamp): Snapshot {
    const view = this.begin();
    try {
      return new OwningSnapshot(view, at === undefined ? view.latest : view.at(at));
    } catch (error) {
      view.close();
      throw error;
    }
  }

  latestTs(): Timestamp {
    return this.#readHeader()[0] as Timestamp;
  }

  #readHeader(): HeaderRow {
    return (this.#header.get() as unknown as HeaderRow | undefined) ?? EMPTY_HEADER;
  }

  chainSeq(isolate: number): number {
    return (this.#chain.get(isolate) as [number] | undefined)?.[0] ?? 0;
  }

  /** Ends the view's read transaction. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#commit.run();
  }

  /** The catalog of the latest state, parsed again only when its version changed. */
  catalog(read: Pick<Snapshot, "scan">, version: Timestamp): Catalog {
    if (this.#catalog === null || this.#catalog.version !== version) {
      this.#catalog = Catalog.load(read, version, this.#counters());
    }
    return this.#catalog;
  }

  /** What leads from the open view back to `ts`. */
  undo(ts: Timestamp, lastSeq: number): Overlay {
    return this.#undo.overlayAt(ts, lastSeq);
  }

  #counters(): CatalogCounters {
    return {
      nextTablet: this.#readMeta(META.nextTablet) ?? INITIAL_COUNTERS.nextTablet,
      nextIndex: this.#readMeta(META.nextIndex) ?? INITIAL_COUNTERS.nextIndex,
    };
  }

  #readMeta(key: string): number | null {
    return (this.#meta.get(key) as [number] | undefined)?.[0] ?? null;
  }
}

/** The statements of the hot paths. */
interface ReadStatements {
  readonly get: StatementSync;
  readonly asc: StatementSync;
  readonly desc: StatementSync;
}

class SqliteView implements ReadView {
  readonly latest: Snapshot;
  readonly #older = new Map<Timestamp, Snapshot>();

  constructor(
    readonly reader: SnapshotReader,
    readonly ts: Timestamp,
    readonly lastSeq: number,
    catalogVersion: Timestamp,
    readonly configuration: Timestamp,
  ) {
    this.latest = new LatestSnapshot(reader, ts, catalogVersion);
  }

  at(ts: Timestamp): Snapshot {
    if (ts >= this.ts) return this.latest;
    let snapshot = this.#older.get(ts);
    if (snapshot === undefined) {
      snapshot = overlaid(this.latest, this.reader.undo(ts, this.lastSeq), ts);
      this.#older.set(ts, snapshot);
    }
    return snapshot;
  }

  chainSeq(isolate: number): number {
    return this.reader.chainSeq(isolate);
  }

  close(): void {
    this.reader.end();
  }
}

/** The present, straight from the tables. */
class LatestSnapshot implements Snapshot {
  readonly #statements: ReadStatements;
  #catalog: Catalog | null = null;

  constructor(
    readonly reader: SnapshotReader,
    readonly ts: Timestamp,
    readonly catalogVersion: Timestamp,
  ) {
    this.#statements = reader.statements;
  }

  get catalog(): Catalog {
    return this.#catalog ??= this.reader.catalog(this, this.catalogVersion);
  }

  get(tablet: Tablet, id: string): Revision | null {
    const row = this.#statements.get.get(byIdIndex(tablet), byIdKey(id)) as unknown as
      | RevisionRow
      | undefined;
    if (row === undefined) return null;
    const [ts, size, json] = row;
    return { id, ts: ts as Timestamp, json, size: size ?? undefined };
  }

  scan(index: IndexId, interval: Interval, order: Order, limit: number): IndexRow[] {
    const statement = order === "asc" ? this.#statements.asc : this.#statements.desc;
    const rows = statement.all(index, interval.start, interval.end, limit) as unknown as EntryRow[];
    return rows.map(indexRow);
  }

  close(): void {}
}

function indexRow([key, id, ts, size, json]: EntryRow): IndexRow {
  return { key: key as IndexKey, id, ts: ts as Timestamp, json, size: size ?? undefined };
}

class OwningSnapshot implements Snapshot {
  readonly ts: Timestamp;

  constructor(readonly view: ReadView, readonly snapshot: Snapshot) {
    this.ts = snapshot.ts;
  }

  get catalog(): Catalog {
    return this.snapshot.catalog;
  }

  get(tablet: Tablet, id: string): Revision | null {
    return this.snapshot.get(tablet, id);
  }

  scan(index: IndexId, interval: Interval, order: Order, limit: number): IndexRow[] {
    return this.snapshot.scan(index, interval, order, limit);
  }

  close(): void {
    this.view.close();
  }
}
