// What administrators see of tables and do to them (spec http-api 8.5): the shapes of what is stored,
// the indexes, deletion.

import type { IndexDocument, TableInfo } from "../engine/catalog.ts";
import { userError } from "../engine/errors.ts";
import { IndexScan } from "../engine/query/index_scan.ts";
import { deleteTable } from "../engine/table_deletion.ts";
import { type Transaction, WHOLE_INDEX } from "../engine/transaction.ts";
import type { ComponentId, Order } from "../engine/types.ts";
import { parseDocument } from "../engine/values/json.ts";
import type { Json } from "../engine/values/value.ts";
import { visibleTableByNumber } from "../engine/visible_table.ts";
import { auditedComponent, type AuditOrigin, recordAudit } from "./audit_log.ts";
import { ValueShape } from "./value_shapes.ts";

/** A table's shape is that of its oldest and of its newest documents; of each so many at most. */
const SHAPE_DOCUMENTS_MAX = 1_000;
/** And not more than this of their text, in UTF-16 code units. */
const SHAPE_TEXT_LENGTH_MAX = 2 * 2 ** 20;

/** The shape of each user table of a component, by name. */
export function tableShapes(tx: Transaction, component: ComponentId): Json {
  const shapes = userTables(tx, component).map((table): [string, Json] => {
    const shape = new ValueShape((number) =>
      visibleTableByNumber(tx, component, number, null)?.name ?? null
    );
    const seen = new Set<string>();
    for (const order of ["asc", "desc"] as const) {
      for (const { id, json } of documents(tx, table, order)) {
        if (seen.has(id)) break;
        seen.add(id);
        shape.add(parseDocument(json));
      }
    }
    return [table.name, shape.toJson()];
  });
  return Object.fromEntries(shapes);
}

function* documents(tx: Transaction, table: TableInfo, order: Order) {
  const index = tx.catalog.indexByName(table.tablet, "by_creation_time")!;
  const scan = new IndexScan(tx, table, index, WHOLE_INDEX, order);
  let length = 0;
  for (let count = 0; count < SHAPE_DOCUMENTS_MAX && length < SHAPE_TEXT_LENGTH_MAX; count++) {
    const row = scan.next();
    if (row === null) return;
    length += row.json.length;
    yield row;
  }
}

/** The declared indexes of a component, staged ones and those that are being built included. */
export function listIndexes(tx: Transaction, component: ComponentId): Json {
  const indexes = userTables(tx, component).flatMap(({ tablet, name: table }) =>
    tx.table("indexes").find("by_tablet", [tablet])
      .map((document) => document as unknown as IndexDocument)
      .filter(({ name }) => name !== "by_id" && name !== "by_creation_time")
      .map(({ name, fields, kind, spec, state, staged }): Json => ({
        table,
        name,
        fields: kind === "database" ? [...fields] : spec as Json,
        backfill: { state: state === "backfilling" ? "in_progress" : "done" },
        staged,
      }))
  );
  return { indexes };
}

/**
 * Deletes tables with all their documents; one that does not exist is gone already.
 * @throws PlatformError `TableNameReserved`, `SchemaEnforcementError`: nothing is deleted then
 */
export function deleteTables(
  tx: Transaction,
  component: ComponentId,
  names: readonly string[],
  origin: AuditOrigin,
): void {
  for (const name of new Set(names)) {
    if (name.startsWith("_")) {
      throw userError("TableNameReserved", `${name} is a reserved table name.`);
    }
    const table = tx.catalog.tableByName(component, name);
    if (table !== null) deleteTable(tx, table);
  }
  const metadata = { ...auditedComponent(tx, component), table_names: [...names] };
  recordAudit(tx, { action: "delete_tables", metadata }, origin);
}

function userTables(tx: Transaction, component: ComponentId): TableInfo[] {
  tx.dependOnAllTables();
  return tx.catalog.tablesOf(component)
    .filter(({ state, isSystem }) => state === "active" && !isSystem)
    .sort((a, b) => a.name < b.name ? -1 : 1);
}
