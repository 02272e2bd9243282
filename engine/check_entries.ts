// Checks that every index has exactly the entries that its documents ask for.

import type { StatementSync } from "node:sqlite";
import { arrayStatement } from "./array_statement.ts";
import type { IndexInfo, TableInfo } from "./catalog.ts";
import type { Examined } from "./check.ts";
import { nameOfIndex } from "./check_catalog.ts";
import { DROPPED_INDEX_PREFIX } from "./commit_rows.ts";
import { keyOf } from "./index_changes.ts";
import { SYSTEM_TABLES } from "./system_tables.ts";
import type { IndexId, IndexKey, Tablet } from "./types.ts";
import { parseDocument } from "./values/json.ts";

type EntryRow = [
  key: IndexKey,
  doc: number,
  tablet: Tablet | null,
  id: string | null,
  json: string | null,
];
type DocumentRow = [doc: number, id: string, json: string];

const PRINTABLE = /^[\x20-\x7e]+$/;

/** Statements that run once an index. */
interface Statements {
  readonly entries: StatementSync;
  readonly documents: StatementSync;
  readonly entry: StatementSync;
}

/** Yields a sentence for each entry that is wrong, too many or missing. */
export function* checkEntries(examined: Examined): Generator<string> {
  const { catalog } = examined;
  const sql = prepare(examined);
  const counts = new Map(
    arrayStatement(examined.db, "SELECT tablet, count(*) FROM documents GROUP BY tablet")
      .all() as unknown as [Tablet, number][],
  );
  const known = new Set<IndexId>();
  for (const table of allTables(examined)) {
    for (const index of catalog.indexesOf(table.tablet)) {
      if (index.kind !== "database") continue;
      known.add(index.id);
      yield* checkIndex(examined, sql, index, counts.get(table.tablet) ?? 0);
    }
  }
  yield* checkUnknownIndexes(examined, known);
}

function prepare({ db }: Examined): Statements {
  return {
    entries: arrayStatement(
      db,
      "SELECT e.key, e.doc, d.tablet, d.id, d.json FROM entries e LEFT JOIN documents d " +
        "ON d.doc = e.doc WHERE e.idx = ? ORDER BY e.key",
    ),
    documents: arrayStatement(db, "SELECT doc, id, json FROM documents WHERE tablet = ?"),
    entry: arrayStatement(db, "SELECT doc FROM entries WHERE idx = ? AND key = ?"),
  };
}

function allTables({ db, catalog }: Examined): TableInfo[] {
  const stored = arrayStatement(db, "SELECT json FROM documents WHERE tablet = ?")
    .all(SYSTEM_TABLES.tables.number) as unknown as [string][];
  const tablets = new Set<Tablet>(stored.map(([json]) => JSON.parse(json).tablet));
  for (const { number, scope } of Object.values(SYSTEM_TABLES)) {
    if (scope === "global") tablets.add(number);
  }
  return [...tablets].map((tablet) => catalog.tableByTablet(tablet)!);
}

function* checkIndex(
  examined: Examined,
  sql: Statements,
  index: IndexInfo,
  documents: number,
): Generator<string> {
  const name = nameOfIndex(examined, index);
  let entries = 0;
  let previous: IndexKey | null = null;
  for (const row of sql.entries.iterate(index.id)) {
    const [key, doc, tablet, id, json] = row as unknown as EntryRow;
    entries++;
    // SQLite's order is its bytes'; that of the engine's own code is JavaScript's.
    if (previous !== null && key <= previous) yield `${name}: ${key} comes after ${previous}.`;
    if (!PRINTABLE.test(key)) yield `${name}: the key ${JSON.stringify(key)} is none.`;
    previous = key;
    if (json === null || id === null) {
      yield `${name}: the entry ${key} leads to row ${doc}, where there is no document.`;
    } else if (tablet !== index.tablet) {
      yield `${name}: the entry ${key} leads to ${id} of tablet ${tablet}.`;
    } else {
      const expected = keyIn(index, json, id);
      if (expected === null) yield `${name}: the document ${id} cannot be read.`;
      else if (key !== expected) yield `${name}: ${id} is at ${key}, but belongs at ${expected}.`;
    }
  }
  // An index that is being built has an entry for some of the documents.
  if (index.state === "backfilling") return;
  // Each entry leads to another document if all keys are right: the same number means all.
  if (entries !== documents) yield* missingEntries(sql, index, name);
}

function* missingEntries(sql: Statements, index: IndexInfo, name: string): Generator<string> {
  for (const row of sql.documents.iterate(index.tablet)) {
    const [doc, id, json] = row as unknown as DocumentRow;
    const key = keyIn(index, json, id);
    const found = key === null ? undefined : sql.entry.get(index.id, key);
    if ((found as unknown as [number] | undefined)?.[0] !== doc) {
      yield `${name}: there is no entry for ${id}.`;
    }
  }
}

/** Where the document belongs; null if its text is broken. */
function keyIn(index: IndexInfo, json: string, id: string): IndexKey | null {
  try {
    return keyOf(index, parseDocument(json), id);
  } catch {
    return null;
  }
}

/** Entries of dropped indexes may wait for their removal; others must not be there. */
function* checkUnknownIndexes({ db }: Examined, known: ReadonlySet<IndexId>): Generator<string> {
  const next = arrayStatement(db, "SELECT min(idx) FROM entries WHERE idx > ?");
  const dropped = arrayStatement(db, "SELECT 1 FROM meta WHERE key = ?");
  for (let after = -1;;) {
    const [index] = next.get(after) as unknown as [IndexId | null];
    if (index === null) return;
    after = index;
    if (known.has(index) || dropped.get(DROPPED_INDEX_PREFIX + index) !== undefined) continue;
    yield `There are entries of index ${index}, which does not exist.`;
  }
}
