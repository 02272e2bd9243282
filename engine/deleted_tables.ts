// The rows of deleted tables: they go in batches, once no snapshot from before the deletion can be
// read any more. The table's own document goes last, so a crash in between leaves work, not waste.

import type { IndexInfo, TableInfo } from "./catalog.ts";
import type { DocumentWriter } from "./document_writer.ts";
import type { Engine } from "./engine.ts";
import { assert } from "./errors.ts";
import { keyOf } from "./index_changes.ts";
import { SYSTEM_TABLES } from "./system_tables.ts";
import { WHOLE_INDEX } from "./transaction.ts";
import { parseDocument } from "./values/json.ts";

export interface DeletedTable {
  readonly table: TableInfo;
  /** Of the document of `_tables`. */
  readonly documentId: string;
}

/** A table that was deleted at or before the timestamp, if there is one. */
export function deletedTable(engine: Engine, retained: number): DeletedTable | null {
  const { deletedTables } = engine.catalog;
  if (deletedTables.length === 0) return null;
  return engine.read((tx) => {
    const tables = tx.catalog.tableByTablet(SYSTEM_TABLES.tables.number)!;
    for (const table of deletedTables) {
      const { tablet, component, name } = table;
      const document = tx.table("tables").find("by_name", [component, name])
        .find((stored) => stored.tablet === tablet);
      const revision = document && tx.readDocument(tables, document._id);
      if (revision && revision.ts <= retained) return { table, documentId: revision.id };
    }
    return null;
  }).value;
}

/**
 * Removes the next documents and their entries.
 * @param indexes those that every table has; the others were dropped when it was deleted
 * @returns whether the table is empty now
 */
export function eraseRows(
  writer: DocumentWriter,
  indexes: readonly IndexInfo[],
  limit: number,
): boolean {
  const [byId] = indexes;
  assert(byId?.name === "by_id", "the first index of a table is by_id");
  const rows = writer.scanRows(byId.id, WHOLE_INDEX, limit);
  for (const { doc, id, json } of rows) {
    const document = parseDocument(json);
    for (const index of indexes) writer.deleteEntry(index.id, keyOf(index, document, id));
    writer.erase(doc, id);
  }
  return rows.length < limit;
}
