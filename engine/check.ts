// Verifies a database that no server has open: that what is stored is what the engine would have
// stored. It finds what a bug, a failing disk or a hand-made change has left behind, and changes nothing.

import type { DatabaseSync } from "node:sqlite";
import { arrayStatement } from "./array_statement.ts";
import type { Catalog } from "./catalog.ts";
import { checkCatalog } from "./check_catalog.ts";
import { checkDocuments } from "./check_documents.ts";
import { checkEntries } from "./check_entries.ts";
import { checkLog } from "./check_log.ts";
import { DatabaseOpenError } from "./open_error.ts";
import { openReadOnly, SnapshotReader } from "./snapshot.ts";
import { APPLICATION_ID, FORMAT_VERSION, META } from "./storage_schema.ts";

/** A database under examination. */
export interface Examined {
  readonly db: DatabaseSync;
  readonly catalog: Catalog;
  /** Timestamp of the last commit; 0 if there is none. */
  readonly lastCommit: number;
  /** Snapshots before this one cannot be read any more; 0 if all can. */
  readonly retained: number;
}

/**
 * Yields a sentence for each thing that is wrong; nothing if all is well.
 * @throws DatabaseOpenError when the file cannot be opened at all
 */
export function* checkDatabase(path: string): Generator<string> {
  const db = open(path);
  try {
    const problem = foreignFile(db);
    if (problem !== null) {
      yield problem;
      return;
    }
    const broken = [...checkFile(db)];
    yield* broken;
    // In pages that SQLite finds damaged, every other finding would be a consequence.
    if (broken.length === 0) yield* checkContent(db);
  } finally {
    db.close();
  }
}

function open(path: string): DatabaseSync {
  try {
    return openReadOnly(path);
  } catch (error) {
    throw new DatabaseOpenError(`Cannot open the database ${path}: ${(error as Error).message}`);
  }
}

function foreignFile(db: DatabaseSync): string | null {
  const applicationId = integer(db, "PRAGMA application_id");
  if (applicationId !== APPLICATION_ID) return "The file is not a Concave database.";
  const format = integer(db, "PRAGMA user_version")!;
  if (format === FORMAT_VERSION) return null;
  return format > FORMAT_VERSION
    ? `The file has format ${format}; this program reads up to ${FORMAT_VERSION}.`
    : `The file has format ${format}; a start of the server brings it to ${FORMAT_VERSION}.`;
}

/** What SQLite itself can say about its file. */
function* checkFile(db: DatabaseSync): Generator<string> {
  for (const row of arrayStatement(db, "PRAGMA integrity_check").iterate()) {
    const [text] = row as unknown as [string];
    if (text !== "ok") yield `SQLite: ${text}`;
  }
}

function* checkContent(db: DatabaseSync): Generator<string> {
  let catalog: Catalog;
  try {
    const snapshot = new SnapshotReader(db).open();
    catalog = snapshot.catalog;
    snapshot.close();
  } catch (error) {
    yield `The tables, indexes and schemas cannot be read: ${(error as Error).message}`;
    return;
  }
  const examined: Examined = {
    db,
    catalog,
    lastCommit: integer(db, "SELECT max(ts) FROM commits") ?? 0,
    retained: integer(db, `SELECT value FROM meta WHERE key = '${META.retained}'`) ?? 0,
  };
  yield* checkCatalog(examined);
  yield* checkLog(examined);
  yield* checkDocuments(examined);
  yield* checkEntries(examined);
}

function integer(db: DatabaseSync, sql: string): number | null {
  const row = arrayStatement(db, sql).get() as unknown as [number | null] | undefined;
  return row?.[0] ?? null;
}
