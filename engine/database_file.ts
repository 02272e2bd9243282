// Opens the database file for the one connection that writes, or creates it.

import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Disk } from "./disk.ts";
import { DatabaseOpenError } from "./open_error.ts";
import {
  APPLICATION_ID,
  FORMAT_UPGRADES,
  FORMAT_VERSION,
  STORAGE_SCHEMA,
} from "./storage_schema.ts";

/** The start of every SQLite file, and where in its header the numbers stand (sqlite.org/fileformat). */
const SQLITE_MAGIC = "SQLite format 3\0";
const HEADER_BYTES = 100;
const APPLICATION_ID_OFFSET = 68;

/** Memory for pages of the writing connection, in KiB as SQLite counts it when negative. */
const PAGE_CACHE_KIB = 32 * 1024;
const BUSY_TIMEOUT_MS = 5000;

/** The write-ahead log of a database file. */
export function walPath(path: string): string {
  return `${path}-wal`;
}

/**
 * Opens or creates the file. Call it before anything else in the process opens the file: closing
 * any handle on it would drop SQLite's locks.
 * @throws DatabaseOpenError when the file is not ours, or cannot be used.
 */
export function openDatabaseFile(path: string, disk: Disk): DatabaseSync {
  const isNew = !checkHeader(path);
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    // The header of the file may be older than what the write-ahead log says.
    const format = isNew ? FORMAT_VERSION : readFormat(path, db);
    // Only before the first table, and before WAL: it decides on the layout of the file.
    if (isNew) db.exec("PRAGMA auto_vacuum = INCREMENTAL");
    // Commits are flushed by `Durability`, checkpoints done by `Checkpointer`.
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
       PRAGMA cache_size = -${PAGE_CACHE_KIB}; PRAGMA temp_store = MEMORY`,
    );
    if (isNew) db.exec(`BEGIN IMMEDIATE; ${STORAGE_SCHEMA} COMMIT`);
    for (let from = format; from < FORMAT_VERSION; from++) {
      const upgrade = FORMAT_UPGRADES[from];
      db.exec(`BEGIN IMMEDIATE; ${upgrade}; PRAGMA user_version = ${from + 1}; COMMIT`);
    }
    // Chains belong to isolates of an earlier process.
    db.exec("DELETE FROM chains");
    disk.syncDirectory(dirname(path));
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof DatabaseOpenError) throw error;
    throw new DatabaseOpenError(`Cannot open the database ${path}: ${(error as Error).message}`);
  }
}

/** Whether there is a database of ours at the path; false when there is none at all. */
function checkHeader(path: string): boolean {
  const header = new Uint8Array(HEADER_BYTES);
  let size: number;
  try {
    const file = Deno.openSync(path, { read: true });
    try {
      size = file.readSync(header) ?? 0;
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new DatabaseOpenError(`Cannot read the database ${path}: ${(error as Error).message}`);
  }
  // A crash between the creation of the file and its first page leaves it empty.
  if (size === 0) return false;
  const view = new DataView(header.buffer);
  const magic = new TextDecoder().decode(header.subarray(0, SQLITE_MAGIC.length));
  if (magic !== SQLITE_MAGIC) {
    throw new DatabaseOpenError(`${path} is not a Concave database: it is no SQLite file.`);
  }
  const applicationId = view.getUint32(APPLICATION_ID_OFFSET);
  // Created, but the tables are not there yet, or are in the write-ahead log still.
  if (applicationId === 0) return hasOurTables(path);
  if (applicationId !== APPLICATION_ID) {
    throw new DatabaseOpenError(
      `${path} is not a Concave database: it belongs to another program.`,
    );
  }
  return true;
}

/** @throws DatabaseOpenError when a later version wrote the file */
function readFormat(path: string, db: DatabaseSync): number {
  const { user_version: format } = db.prepare("PRAGMA user_version").get() as {
    user_version: number;
  };
  if (format > FORMAT_VERSION) {
    throw new DatabaseOpenError(
      `${path} was written by a newer version of Concave (format ${format}, this server reads ` +
        `${FORMAT_VERSION}).`,
    );
  }
  return format;
}

/** Asks SQLite itself, which knows what the write-ahead log holds. */
function hasOurTables(path: string): boolean {
  const db = new DatabaseSync(path);
  try {
    const { application_id } = db.prepare("PRAGMA application_id").get() as {
      application_id: number;
    };
    if (application_id === APPLICATION_ID) return true;
    const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as {
      tables: number;
    };
    if (tables === 0) return false;
    throw new DatabaseOpenError(`${path} is not a Concave database: it has tables of its own.`);
  } finally {
    db.close();
  }
}
