// Deleting a table (spec values-and-queries 7): its name, number and indexes are gone with the commit.
// Its documents stay for snapshots from before, until retention removes them.

import type { SchemaDocument, TableInfo } from "./catalog.ts";
import { assert, type PlatformError, userError } from "./errors.ts";
import type { Transaction } from "./transaction.ts";
import type { ComponentId } from "./types.ts";
import type { SchemaDefinition } from "./values/schema.ts";
import { validatorTables } from "./values/validator_tables.ts";

/**
 * Deletes a user table in any state but "deleting".
 * @throws PlatformError SchemaEnforcementError when the schema in force names it. A schema that a push
 *   waits for fails instead.
 */
export function deleteTable(tx: Transaction, table: TableInfo): void {
  assert(!table.isSystem && table.state !== "deleting", () => `${table.name} cannot be deleted`);
  tx.dependOnAllTables();
  if (table.state === "active") protectBySchemas(tx, table);
  markDeleted(tx, table);
}

/** Deletes all tables of a component, its system tables too. It must have no schema any more. */
export function deleteComponentTables(tx: Transaction, component: ComponentId): void {
  assert(component !== "", "the app's tables cannot be deleted");
  tx.dependOnAllTables();
  for (const table of tx.catalog.tablesOf(component)) {
    if (table.state !== "deleting") markDeleted(tx, table);
  }
}

function markDeleted(tx: Transaction, table: TableInfo): void {
  for (const { _id } of tx.table("indexes").find("by_tablet", [table.tablet])) {
    tx.table("indexes").remove(_id);
  }
  const document = tx.table("tables").find("by_name", [table.component, table.name])
    .find(({ tablet }) => tablet === table.tablet);
  assert(document !== undefined, () => `tablet ${table.tablet} has no document`);
  tx.table("tables").patch(document._id, { state: "deleting" });
}

function protectBySchemas(tx: Transaction, { component, name }: TableInfo): void {
  tx.dependOnSchema(component);
  for (const state of ["active", "pending", "validated"] as const) {
    const schema = tx.catalog.schema(component, state);
    const problem = schema === null ? null : obstacle(schema.definition, name);
    if (problem === null) continue;
    if (state === "active") throw problem;
    const failed: Partial<SchemaDocument> = {
      state: "failed",
      error: problem.message,
      tableName: name,
    };
    tx.table("schemas").patch(schema!.id, failed);
  }
}

/** Why the schema does not let the table go, or null. */
function obstacle({ tables }: SchemaDefinition, name: string): PlatformError | null {
  if (tables.some(({ tableName }) => tableName === name)) {
    return enforced(`Failed to delete table "${name}" because it appears in the schema`);
  }
  for (const { tableName, documentType } of tables) {
    if (documentType === null || !validatorTables(documentType).has(name)) continue;
    return enforced(
      `Failed to delete table "${name}" because \`v.id("${name}")\` appears in the schema of ` +
        `table "${tableName}"`,
    );
  }
  return null;
}

function enforced(message: string): PlatformError {
  return userError("SchemaEnforcementError", message);
}
