// Databases that an earlier version wrote lack the system tables and indexes that came later. Before
// anything reads or writes, they get them; nothing else runs meanwhile.

import { createHash } from "node:crypto";
import { GLOBAL_INDEXES, type IndexInfo } from "./catalog.ts";
import type { DocumentWriter } from "./document_writer.ts";
import type { Engine } from "./engine.ts";
import { keyOf } from "./index_changes.ts";
import { META } from "./storage_schema.ts";
import { byIdIndex, FIRST_FREE_INDEX, SYSTEM_INDEX_BASE } from "./system_tables.ts";
import { createComponentTables } from "./table_creation.ts";
import { parseDocument } from "./values/json.ts";
import { byIdKey, KEY_AFTER } from "./values/key.ts";

/** Documents read at once: those of some system tables are large. */
const BATCH_DOCUMENTS = 128;

/** Called once, when the database has been opened. */
export async function bringSystemTablesUpToDate(engine: Engine): Promise<void> {
  await rebuildGlobalIndexes(engine);
  await engine.transact((tx) => {
    const components = new Set(["", ...tx.catalog.components]);
    for (const component of components) createComponentTables(tx, component);
  });
  await enableComponentIndexes(engine);
}

/**
 * Indexes of the global system tables are declared in code alone, so the file remembers for which
 * declarations it has the entries. Their tables are small: all entries are made anew.
 */
async function rebuildGlobalIndexes(engine: Engine): Promise<void> {
  const layout = layoutNumber(GLOBAL_INDEXES);
  await engine.committer.maintain((writer, db) => {
    if (writer.readMeta(META.systemLayout) === layout) return;
    db.prepare("DELETE FROM entries WHERE idx >= ? AND idx < ?")
      .run(SYSTEM_INDEX_BASE, FIRST_FREE_INDEX);
    for (const index of GLOBAL_INDEXES) fill(writer, index);
    writer.writeMeta(META.systemLayout, layout);
  });
}

/** Changes with every change of the declarations. */
function layoutNumber(indexes: readonly IndexInfo[]): number {
  const text = indexes.map(({ id, fields }) => `${id}:${fields}`).join("\n");
  return createHash("sha256").update(text).digest().readUIntBE(0, 6);
}

/** Those that were just added, or that an earlier start left half built. */
async function enableComponentIndexes(engine: Engine): Promise<void> {
  const { catalog } = engine;
  const waiting = catalog.components.flatMap((component) => catalog.tablesOf(component))
    .filter((table) => table.isSystem)
    .flatMap((table) => catalog.indexesOf(table.tablet))
    .filter((index) => index.state !== "enabled");
  for (const index of waiting) {
    await engine.committer.maintain((writer) => fill(writer, index));
    await engine.transact((tx) => {
      const stored = tx.table("indexes").first("by_tablet", [index.tablet, index.name]);
      if (stored !== null) tx.table("indexes").patch(stored._id, { state: "enabled" });
    });
  }
}

function fill(writer: DocumentWriter, index: IndexInfo): void {
  let start = "";
  while (true) {
    const rows = writer.scanRows(
      byIdIndex(index.tablet),
      { start, end: KEY_AFTER },
      BATCH_DOCUMENTS,
    );
    for (const { doc, id, json } of rows) {
      writer.insertEntry(index.id, keyOf(index, parseDocument(json), id), doc);
    }
    if (rows.length < BATCH_DOCUMENTS) return;
    start = byIdKey(rows.at(-1)!.id) + KEY_AFTER;
  }
}
