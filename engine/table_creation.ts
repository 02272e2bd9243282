// New tables and indexes: documents of `_tables` and `_index` with ids that were never used before.

import type { IndexInfo, IndexKind, IndexState, TableInfo, TableState } from "./catalog.ts";
import { assert, userError } from "./errors.ts";
import { SYSTEM_TABLES, type SystemTable } from "./system_tables.ts";
import type { Transaction } from "./transaction.ts";
import type { ComponentId, Tablet } from "./types.ts";
import type { Json } from "./values/value.ts";

export interface CreateTableOptions {
  /** Imports and system tables pin their number; others get the smallest unused one. */
  readonly number?: number;
  /** "active" if not given. */
  readonly state?: TableState;
}

export interface IndexDefinition {
  readonly name: string;
  /** With the appended `_creationTime`. */
  readonly fields: readonly string[];
  readonly kind: IndexKind;
  readonly state: IndexState;
  readonly staged: boolean;
  /** The search or vector part of the definition. */
  readonly spec?: Json;
}

/**
 * Creates a table, or returns the active one of that name.
 * @throws PlatformError TooManyTables (spec values-and-queries 7)
 */
export function createTable(
  tx: Transaction,
  component: ComponentId,
  name: string,
  options: CreateTableOptions = {},
): TableInfo {
  const { state = "active" } = options;
  if (state === "active") {
    const existing = tx.tableByName(component, name);
    if (existing !== null) return existing;
  }
  // Two transactions that create tables must not choose the same ids.
  tx.dependOnAllTables();
  const { catalog } = tx;
  if (!name.startsWith("_") && catalog.activeUserTables >= tx.limits.tables) {
    throw userError("TooManyTables", `Number of tables cannot exceed ${tx.limits.tables}.`);
  }
  const tablet = catalog.counters.nextTablet;
  const number = options.number ?? catalog.nextTableNumber(component);
  tx.table("tables").insert({ component, name, number, tablet, state });
  const created = tx.catalog.tableByTablet(tablet);
  assert(created !== null);
  return created;
}

/** Adds an index to a table. The caller has checked the definition. */
export function addIndex(tx: Transaction, tablet: Tablet, definition: IndexDefinition): IndexInfo {
  tx.dependOnAllTables();
  const indexId = tx.catalog.counters.nextIndex;
  const { name, fields, kind, state, staged, spec = null } = definition;
  tx.table("indexes").insert({
    tablet,
    name,
    indexId,
    fields: [...fields],
    kind,
    spec,
    state,
    staged,
  });
  return tx.catalog.index(indexId);
}

/**
 * Creates the system tables that each component has for itself, the root app included. Of tables that
 * an earlier version created, missing indexes are added, and those that changed replaced; they have
 * the state "backfilling" (see `system_layout.ts`).
 */
export function createComponentTables(tx: Transaction, component: ComponentId): void {
  for (const table of Object.values<SystemTable>(SYSTEM_TABLES)) {
    if (table.scope !== "component") continue;
    const existing = tx.catalog.tableByName(component, table.name);
    const { tablet } = existing ??
      createTable(tx, component, table.name, { number: table.number });
    const state = existing === null ? "enabled" : "backfilling";
    for (const [name, declared] of Object.entries(table.indexes)) {
      const fields = [...declared, "_creationTime"];
      const stored = tx.table("indexes").first("by_tablet", [tablet, name]);
      if (stored !== null && `${stored.fields}` === `${fields}`) continue;
      if (stored !== null) tx.table("indexes").remove(stored._id);
      addIndex(tx, tablet, { name, fields, kind: "database", state, staged: false });
    }
  }
}
