// The layout of the database file. The present (documents, index entries) and an undo log of the
// revisions that later commits replaced; see "Storage" in ARCHITECTURE.md.

/** `PRAGMA application_id` of our files: "Cncv". */
export const APPLICATION_ID = 0x436e6376;
/** `PRAGMA user_version`: grows when an older server could not read the file any more. */
export const FORMAT_VERSION = 2;

/** Keys of the `meta` table; all values are integers. */
export const META = {
  /** Timestamp of the last commit that changed tables, indexes or schemas. */
  catalog: "catalog",
  /** Timestamp of the last commit that changed code, variables or the deployment's state. */
  configuration: "configuration",
  /** Next free tablet and index id. The committer keeps them above every id it ever wrote. */
  nextTablet: "next_tablet",
  nextIndex: "next_index",
  /** Greatest row number of a document when an index was dropped last: its entries may still lead there. */
  rowsUsed: "rows_used",
  /** Which indexes the global system tables have entries in, see `system_layout.ts`. */
  systemLayout: "system_layout",
  /** Oldest timestamp that the undo log still covers; absent: all of them. */
  retained: "retained",
} as const;

export const STORAGE_SCHEMA = `
-- The current revision of each document. "doc" is a row number for the document's whole life.
CREATE TABLE documents (
  doc INTEGER PRIMARY KEY,
  tablet INTEGER NOT NULL,
  id TEXT NOT NULL,
  ts INTEGER NOT NULL,
  -- What the platform counts as the document's size, in bytes; null where format 1 wrote it.
  size INTEGER,
  json TEXT NOT NULL
) STRICT;

-- All indexes, by_id included: a key that did not change needs no write.
CREATE TABLE entries (
  idx INTEGER NOT NULL,
  key TEXT NOT NULL,
  doc INTEGER NOT NULL,
  PRIMARY KEY (idx, key)
) STRICT, WITHOUT ROWID;

-- One row a changed document a commit: the revision that the commit replaced (null: it inserted).
CREATE TABLE log (
  seq INTEGER PRIMARY KEY,
  ts INTEGER NOT NULL,
  tablet INTEGER NOT NULL,
  id TEXT NOT NULL,
  prev_ts INTEGER,
  prev_json TEXT,
  deleted INTEGER NOT NULL
) STRICT;

-- One row a commit; last_seq is the greatest log.seq when it was done. The newest row is never trimmed.
CREATE TABLE commits (
  ts INTEGER PRIMARY KEY,
  last_seq INTEGER NOT NULL
) STRICT;

-- Last accepted position of each isolate's chain of unconfirmed mutations.
CREATE TABLE chains (
  isolate INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT;

-- Outcomes of mutations that a client may send again.
CREATE TABLE sessions (
  session_id TEXT NOT NULL,
  request_id INTEGER NOT NULL,
  ts INTEGER NOT NULL,
  result TEXT NOT NULL,
  log_lines TEXT NOT NULL,
  PRIMARY KEY (session_id, request_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${FORMAT_VERSION};
`;

/** What brings a file of the format to the next one; a step must not take long on a large file. */
export const FORMAT_UPGRADES: Readonly<Record<number, string>> = {
  1: "ALTER TABLE documents ADD COLUMN size INTEGER",
};
