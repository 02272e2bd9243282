// Removes what nobody can ask for any more, in small steps between the commits: the old end of the
// undo log, expired outcomes of mutations, entries of dropped indexes, documents of deleted tables,
// schemas that came to nothing.
// The bound of what can be read is advanced before anything below it goes.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { arrayStatement } from "./array_statement.ts";
import { BackgroundTask } from "./background_task.ts";
import { DROPPED_INDEX_PREFIX } from "./commit_rows.ts";
import { type DeletedTable, deletedTable, eraseRows } from "./deleted_tables.ts";
import type { Engine } from "./engine.ts";
import { META } from "./storage_schema.ts";
import type { Transaction } from "./transaction.ts";

/** Snapshots older than this cannot be read (spec values-and-queries 10). */
export const RETENTION_MS_DEFAULT = 4 * 60_000;
/** How long a client may come back and ask for the outcome of a mutation (spec sync-protocol 6). */
export const SESSION_AGE_MS_MAX = 14 * 24 * 3_600_000;
/** How long a schema that failed or was overwritten can be asked about (spec deploy 9). */
export const DEAD_SCHEMA_AGE_MS_MAX = 3_600_000;

const ROUND_MS = 1000;
/** Rows that one step removes: about a millisecond of the host's thread. */
const STEP_ROWS = 500;
/** Sessions that one round looks at: there is no index by age, a walk goes through all of them. */
const SESSION_ROWS = 256;
/** Rounds from the end of one walk to the next, and between two looks at the schemas. */
const REST_ROUNDS = 900;
/** Free pages go back to the file system when there are this many … */
const FREE_PAGES_MIN = 4096;
/** … and they are one in so many of all pages. Fewer will be used again. */
const FREE_PAGES_PART = 4;
const VACUUM_PAGES = 64;

const MICROS_PER_MILLI = 1000;

/** A step that is due. */
type Step = () => Promise<unknown>;

export class Retention {
  readonly #engine: Engine;
  readonly #retentionMs: number;
  readonly #task: BackgroundTask;
  readonly #sql: RetentionStatements;
  #timer: ReturnType<typeof setInterval> | null = null;
  #sessionsDue = false;
  #schemasDue = false;
  #rounds = 0;
  #nextSessionRound = 0;
  /** The last session that was looked at. */
  #session: readonly [sessionId: string, requestId: number] = ["", 0];

  /** @param db the connection that writes */
  constructor(engine: Engine, db: DatabaseSync, retentionMs: number) {
    this.#engine = engine;
    this.#retentionMs = retentionMs;
    this.#sql = new RetentionStatements(db);
    this.#task = new BackgroundTask("retention", () => this.#step());
  }

  start(): void {
    const timer = setInterval(() => this.round(), ROUND_MS);
    // Housekeeping alone is no reason to keep the process alive.
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#task.stop();
  }

  /** Does what is due now; the timer calls it. Resolves when it is done. */
  async round(): Promise<void> {
    this.#sessionsDue = this.#rounds >= this.#nextSessionRound;
    this.#schemasDue = this.#rounds % REST_ROUNDS === 0;
    this.#rounds++;
    this.#task.wake();
    await this.#task.idle();
  }

  async #step(): Promise<boolean> {
    const step = this.#trimLog() ?? this.#removeDroppedEntries() ??
      this.#removeDeletedTables() ?? this.#expireSessions() ?? this.#removeDeadSchemas() ??
      this.#vacuum();
    if (step === null) return false;
    await step();
    return true;
  }

  #trimLog(): Step | null {
    const sql = this.#sql;
    const cutoff = (this.#engine.clock() - this.#retentionMs) * MICROS_PER_MILLI;
    const bound = sql.lastCommitUpTo.get(Math.floor(cutoff)) as unknown as
      | [ts: number, lastSeq: number]
      | undefined;
    if (bound === undefined) return null;
    const [ts, lastSeq] = bound;
    const firstTs = integer(sql.firstCommit) ?? ts;
    const firstSeq = integer(sql.firstLogRow) ?? lastSeq + 1;
    if (firstTs >= ts && firstSeq > lastSeq) return null;
    return () =>
      this.#engine.committer.maintain((writer) => {
        writer.writeMeta(META.retained, ts);
        sql.deleteLog.run(Math.min(lastSeq, firstSeq + STEP_ROWS));
        // The commit at the bound stays: snapshots from there on are read through it.
        sql.deleteCommits.run(ts, STEP_ROWS);
      });
  }

  #removeDroppedEntries(): Step | null {
    const retained = integer(this.#sql.meta, META.retained) ?? 0;
    const dropped = this.#sql.droppedIndex.get(retained) as unknown as [key: string] | undefined;
    if (dropped === undefined) return null;
    const [key] = dropped;
    const index = Number(key.slice(DROPPED_INDEX_PREFIX.length));
    return () =>
      this.#engine.committer.maintain((writer) => {
        const { changes } = this.#sql.deleteEntries.run(index, index, STEP_ROWS);
        if (Number(changes) < STEP_ROWS) writer.deleteMeta(key);
      });
  }

  #removeDeletedTables(): Step | null {
    const retained = integer(this.#sql.meta, META.retained) ?? 0;
    const table = deletedTable(this.#engine, retained);
    return table === null ? null : () => this.#removeTable(table);
  }

  async #removeTable({ documentId, table }: DeletedTable): Promise<void> {
    const isEmpty = await this.#engine.committer.maintain((writer) =>
      eraseRows(writer, this.#engine.catalog.indexesOf(table.tablet), STEP_ROWS)
    );
    if (isEmpty) await this.#engine.transact((tx) => tx.table("tables").remove(documentId));
  }

  #expireSessions(): Step | null {
    if (!this.#sessionsDue) return null;
    this.#sessionsDue = false;
    const rows = this.#sql.sessions.all(...this.#session, SESSION_ROWS) as unknown as [
      sessionId: string,
      requestId: number,
      ts: number,
    ][];
    const last = rows.at(-1);
    if (last === undefined || rows.length < SESSION_ROWS) {
      this.#session = ["", 0];
      this.#nextSessionRound = this.#rounds + REST_ROUNDS;
    } else {
      this.#session = [last[0], last[1]];
    }
    const cutoff = (this.#engine.clock() - SESSION_AGE_MS_MAX) * MICROS_PER_MILLI;
    const expired = rows.filter(([, , ts]) => ts < cutoff);
    if (expired.length === 0) return null;
    return () =>
      this.#engine.committer.maintain(() => {
        for (const [sessionId, requestId] of expired) {
          this.#sql.deleteSession.run(sessionId, requestId);
        }
      });
  }

  #removeDeadSchemas(): Step | null {
    if (!this.#schemasDue) return null;
    this.#schemasDue = false;
    const bornBefore = this.#engine.clock() - DEAD_SCHEMA_AGE_MS_MAX;
    if (this.#engine.read((tx) => deadSchemas(tx, bornBefore)).value.length === 0) return null;
    return () =>
      this.#engine.transact((tx) => {
        for (const id of deadSchemas(tx, bornBefore)) tx.table("schemas").remove(id);
      });
  }

  #vacuum(): Step | null {
    const free = integer(this.#sql.freePages) ?? 0;
    if (free < FREE_PAGES_MIN) return null;
    if (free * FREE_PAGES_PART < (integer(this.#sql.allPages) ?? 0)) return null;
    return () =>
      this.#engine.committer.maintain((_, db) => {
        db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
      });
  }
}

/** Ids of schemas that failed or were overwritten, and were submitted long ago. */
function deadSchemas(tx: Transaction, bornBefore: number): string[] {
  return tx.table("schemas").all()
    .filter(({ state, _creationTime }) =>
      (state === "failed" || state === "overwritten") && _creationTime < bornBefore
    )
    .map(({ _id }) => _id);
}

class RetentionStatements {
  readonly lastCommitUpTo: StatementSync;
  readonly firstCommit: StatementSync;
  readonly firstLogRow: StatementSync;
  readonly deleteLog: StatementSync;
  readonly deleteCommits: StatementSync;
  readonly meta: StatementSync;
  readonly droppedIndex: StatementSync;
  readonly deleteEntries: StatementSync;
  readonly sessions: StatementSync;
  readonly deleteSession: StatementSync;
  readonly freePages: StatementSync;
  readonly allPages: StatementSync;

  constructor(db: DatabaseSync) {
    const prepare = (sql: string) => arrayStatement(db, sql);
    this.lastCommitUpTo = prepare(
      "SELECT ts, last_seq FROM commits WHERE ts <= ? ORDER BY ts DESC LIMIT 1",
    );
    this.firstCommit = prepare("SELECT min(ts) FROM commits");
    this.firstLogRow = prepare("SELECT min(seq) FROM log");
    this.deleteLog = prepare("DELETE FROM log WHERE seq <= ?");
    this.deleteCommits = prepare(
      "DELETE FROM commits WHERE ts IN " +
        "(SELECT ts FROM commits WHERE ts < ? ORDER BY ts LIMIT ?)",
    );
    this.meta = prepare("SELECT value FROM meta WHERE key = ?");
    this.droppedIndex = prepare(
      `SELECT key FROM meta WHERE key GLOB '${DROPPED_INDEX_PREFIX}*' AND value <= ? LIMIT 1`,
    );
    this.deleteEntries = prepare(
      "DELETE FROM entries WHERE idx = ? AND key IN " +
        "(SELECT key FROM entries WHERE idx = ? ORDER BY key LIMIT ?)",
    );
    this.sessions = prepare(
      "SELECT session_id, request_id, ts FROM sessions " +
        "WHERE (session_id, request_id) > (?, ?) ORDER BY session_id, request_id LIMIT ?",
    );
    this.deleteSession = prepare("DELETE FROM sessions WHERE session_id = ? AND request_id = ?");
    this.freePages = prepare("PRAGMA freelist_count");
    this.allPages = prepare("PRAGMA page_count");
  }
}

function integer(statement: StatementSync, ...parameters: (string | number)[]): number | null {
  const row = statement.get(...parameters) as unknown as [number | null] | undefined;
  return row?.[0] ?? null;
}
