// While a push waits, its schema is pending or validated: writes that break it succeed, and it is the
// schema that fails (spec values-and-queries 9). Active schemas are enforced in `Transaction`.

import type { Catalog, CatalogSchema, SchemaDocument, TableInfo } from "./catalog.ts";
import type { DocumentWriter } from "./document_writer.ts";
import { assert } from "./errors.ts";
import { idContext } from "./id_context.ts";
import type { DocumentChange } from "./index_changes.ts";
import { SYSTEM_TABLES } from "./system_tables.ts";
import type { ComponentId, DocumentWrite } from "./types.ts";
import { canonicalJson, parseDocument } from "./values/json.ts";
import { checkDocument } from "./values/schema.ts";

/** The writes that mark as failed each waiting schema that one of the changes violates. */
export function failedSchemaWrites(
  catalog: Catalog,
  changes: readonly DocumentChange[],
  writer: Pick<DocumentWriter, "find">,
): DocumentWrite[] {
  const failed = new Map<string, DocumentWrite>();
  for (const { write } of changes) {
    if (write.json === null) continue;
    const table = catalog.tableByTablet(write.tablet);
    if (table === null || table.isSystem || table.state !== "active") continue;
    const schema = waitingSchema(catalog, table.component);
    if (schema === null || failed.has(schema.id)) continue;
    const violation = violationOf(catalog, schema, table, write.json);
    if (violation === null) continue;
    const error = `New document in table "${table.name}" does not match the schema: ${violation}`;
    failed.set(schema.id, failingWrite(schema.id, error, table.name, writer));
  }
  return [...failed.values()];
}

/** Whether a push waits for the schema. */
export function isWaiting({ state }: Pick<SchemaDocument, "state">): boolean {
  return state === "pending" || state === "validated";
}

/** The schema of the component that a push waits for, if any. */
function waitingSchema(catalog: Catalog, component: ComponentId): CatalogSchema | null {
  return catalog.schema(component, "pending") ?? catalog.schema(component, "validated");
}

/** Why the document does not match the schema, or null. */
export function violationOf(
  catalog: Catalog,
  schema: CatalogSchema,
  table: TableInfo,
  json: string,
): string | null {
  const { definition } = schema;
  if (!definition.schemaValidation) return null;
  const declared = definition.tables.find((t) => t.tableName === table.name);
  if (declared === undefined) return null;
  return checkDocument(declared, parseDocument(json), idContext(catalog, table.component));
}

function failingWrite(
  id: string,
  error: string,
  tableName: string,
  writer: Pick<DocumentWriter, "find">,
): DocumentWrite {
  const tablet = SYSTEM_TABLES.schemas.number;
  const stored = writer.find(tablet, id);
  assert(stored !== null, "the catalog's schemas are stored");
  const document = { ...JSON.parse(stored.json), state: "failed", error, tableName };
  return { tablet, id, json: canonicalJson(document), isNew: false };
}
