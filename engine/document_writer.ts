// The rows of a commit: documents, index entries, undo log, commits, sessions. Prepared statements on
// the only connection that writes; what belongs together is decided in `committer.ts`.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { arrayStatement } from "./array_statement.ts";
import type { IndexInfo } from "./catalog.ts";
import { documentSize } from "./document_size.ts";
import { META } from "./storage_schema.ts";
import { byIdIndex } from "./system_tables.ts";
import type { Timestamp } from "./timestamp.ts";
import type {
  IndexId,
  IndexKey,
  IndexRow,
  Interval,
  Order,
  SessionRecord,
  Tablet,
} from "./types.ts";
import { TwoGenerations } from "./two_generations.ts";
import { byIdKey } from "./values/key.ts";

/** The current revision of a document and its row number. */
export interface StoredDocument {
  readonly doc: number;
  readonly tablet: Tablet;
  readonly ts: Timestamp;
  readonly json: string;
  /** Its keys in the indexes of its table, once they were computed; see `index_changes.ts`. */
  indexKeys?: IndexKeys;
}

/** A document's key in each index of the list, in the order of the list. */
export interface IndexKeys {
  readonly indexes: readonly IndexInfo[];
  readonly keys: readonly IndexKey[];
}

/** Memory for documents that were written lately: they are the most likely to be written again. */
const CACHE_BYTES_MAX = 16 * 1024 * 1024;
/** Estimated memory of a cached document besides its text. */
const CACHED_DOCUMENT_BYTES = 400;

/** What a repeated mutation is answered with. */
export interface SessionOutcome {
  readonly ts: Timestamp;
  readonly result: string;
  readonly logLines: readonly string[];
}

/** Keys in `meta` of the row number of the last document that a backfill has done. */
export const BACKFILL_PROGRESS_PREFIX = "backfill:";

type ScanRow = [key: IndexKey, id: string, ts: Timestamp, json: string, doc: number];

export class DocumentWriter {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #find: StatementSync;
  readonly #scan: StatementSync;
  readonly #revisionOf: StatementSync;
  readonly #documentAt: StatementSync;
  readonly #insertDocument: StatementSync;
  readonly #updateDocument: StatementSync;
  readonly #deleteDocument: StatementSync;
  readonly #insertEntry: StatementSync;
  readonly #deleteEntry: StatementSync;
  readonly #insertLog: StatementSync;
  readonly #insertCommit: StatementSync;
  readonly #writeChain: StatementSync;
  readonly #insertSession: StatementSync;
  readonly #findSession: StatementSync;
  readonly #greatestRequest: StatementSync;
  readonly #writeMeta: StatementSync;
  readonly #readMeta: StatementSync;
  readonly #deleteMeta: StatementSync;
  /** By id. This connection is the only one that writes, so what is here is what is stored. */
  readonly #cache = new TwoGenerations<string, StoredDocument>(
    CACHE_BYTES_MAX,
    ({ json }) => CACHED_DOCUMENT_BYTES + json.length,
  );
  #lastDoc: number;
  #lastSeq: number;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#rollback = db.prepare("ROLLBACK");
    this.#find = arrayStatement(
      db,
      "SELECT d.doc, d.ts, d.json FROM entries e CROSS JOIN documents d ON d.doc = e.doc " +
        "WHERE e.idx = ? AND e.key = ?",
    );
    this.#scan = arrayStatement(
      db,
      "SELECT e.key, d.id, d.ts, d.json, d.doc FROM entries e CROSS JOIN documents d ON d.doc = e.doc " +
        "WHERE e.idx = ? AND e.key >= ? AND e.key < ? ORDER BY e.key LIMIT ?",
    );
    this.#revisionOf = arrayStatement(db, "SELECT ts FROM documents WHERE doc = ?");
    this.#documentAt = arrayStatement(db, "SELECT id, json FROM documents WHERE doc = ?");
    this.#insertDocument = db.prepare(
      "INSERT INTO documents (doc, tablet, id, ts, size, json) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#updateDocument = db.prepare(
      "UPDATE documents SET ts = ?, size = ?, json = ? WHERE doc = ?",
    );
    this.#deleteDocument = db.prepare("DELETE FROM documents WHERE doc = ?");
    this.#insertEntry = db.prepare(
      "INSERT OR REPLACE INTO entries (idx, key, doc) VALUES (?, ?, ?)",
    );
    this.#deleteEntry = db.prepare("DELETE FROM entries WHERE idx = ? AND key = ?");
    this.#insertLog = db.prepare(
      "INSERT INTO log (seq, ts, tablet, id, prev_ts, prev_json, deleted) " +
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    this.#insertCommit = db.prepare("INSERT INTO commits (ts, last_seq) VALUES (?, ?)");
    this.#writeChain = db.prepare("INSERT OR REPLACE INTO chains (isolate, seq) VALUES (?, ?)");
    this.#insertSession = db.prepare(
      "INSERT INTO sessions (session_id, request_id, ts, result, log_lines) VALUES (?, ?, ?, ?, ?)",
    );
    this.#findSession = arrayStatement(
      db,
      "SELECT ts, result, log_lines FROM sessions WHERE session_id = ? AND request_id = ?",
    );
    this.#greatestRequest = arrayStatement(
      db,
      "SELECT max(request_id) FROM sessions WHERE session_id = ?",
    );
    this.#writeMeta = db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");
    this.#readMeta = arrayStatement(db, "SELECT value FROM meta WHERE key = ?");
    this.#deleteMeta = db.prepare("DELETE FROM meta WHERE key = ?");
    // Also above the row numbers that unfinished backfills and entries of dropped indexes remember:
    // their documents may be deleted.
    this.#lastDoc = Math.max(
      integer(db, "SELECT max(doc) FROM documents"),
      this.readMeta(META.rowsUsed) ?? 0,
      integer(db, `SELECT max(value) FROM meta WHERE key GLOB '${BACKFILL_PROGRESS_PREFIX}*'`),
    );
    this.#lastSeq = integer(db, "SELECT last_seq FROM commits ORDER BY ts DESC LIMIT 1");
  }

  begin(): void {
    this.#begin.run();
  }

  commit(): void {
    this.#commit.run();
  }

  rollback(): void {
    this.#cache.clear();
    if (this.#db.isTransaction) this.#rollback.run();
  }

  /** Runs `body`; if it throws, the rows that it wrote since are taken back. */
  atomically<T>(body: () => T): T {
    const lastDoc = this.#lastDoc;
    const lastSeq = this.#lastSeq;
    this.#db.exec("SAVEPOINT body");
    try {
      const value = body();
      this.#db.exec("RELEASE body");
      return value;
    } catch (error) {
      this.#cache.clear();
      this.#db.exec("ROLLBACK TO body; RELEASE body");
      this.#lastDoc = lastDoc;
      this.#lastSeq = lastSeq;
      throw error;
    }
  }

  /** The greatest row number that a document has or had. */
  get lastDoc(): number {
    return this.#lastDoc;
  }

  /** Timestamp of the last commit; zero in a new file. */
  lastCommit(): Timestamp {
    return integer(this.#db, "SELECT max(ts) FROM commits") as Timestamp;
  }

  /** The current revision, of this group's earlier commits included. */
  find(tablet: Tablet, id: string): StoredDocument | null {
    const cached = this.#cache.get(id);
    // While a table is imported, two tablets may hold the same ids.
    if (cached !== undefined && cached.tablet === tablet) return cached;
    const row = this.#find.get(byIdIndex(tablet), byIdKey(id)) as unknown as
      | [number, Timestamp, string]
      | undefined;
    return row === undefined ? null : { doc: row[0], tablet, ts: row[1], json: row[2] };
  }

  /** Rows of an index, of this group's earlier commits included. Ascending only. */
  scan(index: IndexId, interval: Interval, order: Order, limit: number): IndexRow[] {
    if (order !== "asc") throw new RangeError("the writer scans in ascending order only");
    const rows = this.#scan.all(index, interval.start, interval.end, limit) as unknown as ScanRow[];
    return rows.map(([key, id, ts, json]) => ({ key, id, ts, json }));
  }

  /** Documents in the order of an index, with their row numbers. */
  scanRows(
    index: IndexId,
    interval: Interval,
    limit: number,
  ): { readonly doc: number; readonly id: string; readonly json: string }[] {
    const rows = this.#scan.all(index, interval.start, interval.end, limit) as unknown as ScanRow[];
    return rows.map(([, id, , json, doc]) => ({ doc, id, json }));
  }

  /** When the document with that row number was written last; null if it is gone. */
  revisionOf(doc: number): number | null {
    const row = this.#revisionOf.get(doc) as unknown as [number] | undefined;
    return row?.[0] ?? null;
  }

  /** The document with the row number, as it is now; null if it was deleted. */
  documentAt(doc: number): { readonly id: string; readonly json: string } | null {
    const row = this.#documentAt.get(doc) as unknown as [string, string] | undefined;
    return row === undefined ? null : { id: row[0], json: row[1] };
  }

  /** Adds a document; returns its row number. */
  insert(
    tablet: Tablet,
    id: string,
    ts: Timestamp,
    json: string,
    indexKeys: IndexKeys,
  ): number {
    const doc = ++this.#lastDoc;
    this.#insertDocument.run(doc, tablet, id, ts, documentSize(json), json);
    this.#insertLog.run(++this.#lastSeq, ts, tablet, id, null, null, 0);
    this.#cache.set(id, { doc, tablet, ts, json, indexKeys });
    return doc;
  }

  update(
    stored: StoredDocument,
    id: string,
    ts: Timestamp,
    json: string,
    indexKeys: IndexKeys,
  ): void {
    const { doc, tablet } = stored;
    this.#updateDocument.run(ts, documentSize(json), json, doc);
    this.#insertLog.run(++this.#lastSeq, ts, tablet, id, stored.ts, stored.json, 0);
    this.#cache.set(id, { doc, tablet, ts, json, indexKeys });
  }

  delete(stored: StoredDocument, id: string, ts: Timestamp): void {
    this.#deleteDocument.run(stored.doc);
    this.#insertLog.run(++this.#lastSeq, ts, stored.tablet, id, stored.ts, stored.json, 1);
    this.#cache.delete(id);
  }

  /** Removes a document that no snapshot can ask for any more, without a trace. */
  erase(doc: number, id: string): void {
    this.#deleteDocument.run(doc);
    this.#cache.delete(id);
  }

  insertEntry(index: IndexId, key: IndexKey, doc: number): void {
    this.#insertEntry.run(index, key, doc);
  }

  deleteEntry(index: IndexId, key: IndexKey): void {
    this.#deleteEntry.run(index, key);
  }

  /** Ends a commit: all its log rows have been written. */
  insertCommit(ts: Timestamp): void {
    this.#insertCommit.run(ts, this.#lastSeq);
  }

  writeChain(isolate: number, seq: number): void {
    this.#writeChain.run(isolate, seq);
  }

  insertSession(session: SessionRecord, ts: Timestamp): void {
    const { sessionId, requestId, result, logLines } = session;
    this.#insertSession.run(sessionId, requestId, ts, result, JSON.stringify(logLines));
  }

  findSession(sessionId: string, requestId: number): SessionOutcome | null {
    const row = this.#findSession.get(sessionId, requestId) as unknown as
      | [Timestamp, string, string]
      | undefined;
    if (row === undefined) return null;
    return { ts: row[0], result: row[1], logLines: JSON.parse(row[2]) };
  }

  /** The greatest request of the session that has an outcome. */
  greatestRequest(sessionId: string): number | null {
    const row = this.#greatestRequest.get(sessionId) as unknown as [number | null];
    return row[0];
  }

  readMeta(key: string): number | null {
    const row = this.#readMeta.get(key) as unknown as [number] | undefined;
    return row?.[0] ?? null;
  }

  writeMeta(key: string, value: number): void {
    this.#writeMeta.run(key, value);
  }

  deleteMeta(key: string): void {
    this.#deleteMeta.run(key);
  }
}

function integer(db: DatabaseSync, sql: string): number {
  const row = arrayStatement(db, sql).get() as unknown as [number | null] | undefined;
  return row?.[0] ?? 0;
}
