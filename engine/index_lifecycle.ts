// What a push does to the indexes of one component (spec deploy 9, "Index diff and index states"):
// compare, prepare at its start, switch at its end. While a changed index is being built, the old one
// with the same name goes on serving; both are stored.

import type { IndexDocument, IndexKind, IndexState } from "./catalog.ts";
import { userError } from "./errors.ts";
import type { Transaction } from "./transaction.ts";
import type { ComponentId, Tablet } from "./types.ts";
import { canonicalJson } from "./values/json.ts";
import type { SchemaDefinition, TableDefinition } from "./values/schema.ts";
import type { Json } from "./values/value.ts";

/** An index as the CLI prints it. */
export type IndexDiffEntry = { readonly [field: string]: Json };

/** The shape of spec deploy 6. */
export interface IndexDiff {
  readonly added_indexes: IndexDiffEntry[];
  readonly removed_indexes: IndexDiffEntry[];
  readonly enabled_indexes: IndexDiffEntry[];
  readonly disabled_indexes: IndexDiffEntry[];
}

/** What the start of a push did to indexes. */
export type BuiltIndexes = Pick<IndexDiff, "added_indexes" | "removed_indexes">;

/** An index that a schema declares. */
interface DeclaredIndex {
  readonly table: string;
  readonly name: string;
  readonly kind: IndexKind;
  readonly fields: readonly string[];
  /** The search or vector part; null for a database index. */
  readonly spec: Json;
  readonly staged: boolean;
}

/** An index that exists. */
interface StoredIndex extends DeclaredIndex {
  readonly documentId: string;
  readonly state: IndexState;
}

/** All that exists and is declared under one name of one table. */
interface NamedIndexes {
  readonly declared: DeclaredIndex | null;
  /** Stored with the declared definition. */
  readonly same: StoredIndex | null;
  /** Stored with another definition, or not declared any more. */
  readonly others: readonly StoredIndex[];
}

/** What a push of the schema would change. `schema` null: all indexes go. */
export function diffIndexes(
  tx: Transaction,
  component: ComponentId,
  schema: SchemaDefinition | null,
): IndexDiff {
  const diff = emptyDiff();
  for (const { declared, same, others } of compare(tx, component, schema)) {
    const serving = others.find(isEnabled) ?? others[0];
    if (serving !== undefined) diff.removed_indexes.push(entryOf(serving));
    if (declared === null) continue;
    if (same === null || serving !== undefined) diff.added_indexes.push(entryOf(declared));
    else if (same.staged && !declared.staged) diff.enabled_indexes.push(entryOf(declared));
    else if (isEnabled(same) && declared.staged) diff.disabled_indexes.push(entryOf(declared));
  }
  return diff;
}

/** An index that exists, and whether it holds all documents. */
export interface IndexProgress {
  readonly entry: IndexDiffEntry;
  readonly isBuilt: boolean;
}

/** All indexes of a component's tables. */
export function indexProgress(tx: Transaction, component: ComponentId): IndexProgress[] {
  return storedIndexes(tx, component).map((index) => ({
    entry: entryOf(index),
    isBuilt: index.state !== "backfilling",
  }));
}

/**
 * The start of a push: new indexes begin to be built; nothing that serves queries goes.
 * @returns the new indexes, and those of earlier pushes that were not in use yet and go
 */
export function prepareIndexes(
  tx: Transaction,
  component: ComponentId,
  schema: SchemaDefinition | null,
): BuiltIndexes {
  const built: BuiltIndexes = { added_indexes: [], removed_indexes: [] };
  for (const { declared, same, others } of compare(tx, component, schema)) {
    for (const other of others) {
      if (isEnabled(other)) continue;
      tx.table("indexes").remove(other.documentId);
      built.removed_indexes.push(entryOf(other));
    }
    if (declared === null) continue;
    if (same === null) {
      const { tablet } = tx.createTable(component, declared.table);
      const { name, kind, fields, spec, staged } = declared;
      tx.addIndex(tablet, { name, kind, fields, spec, staged, state: "backfilling" });
      built.added_indexes.push(entryOf(declared));
    } else if (same.staged && !declared.staged) {
      tx.table("indexes").patch(same.documentId, { staged: false });
    }
  }
  return built;
}

/**
 * The end of a push: what is declared serves from this commit on, everything else goes.
 * @throws PlatformError when an index is not there or not built: the push did not wait for it, or
 *   another one came between.
 */
export function finishIndexes(
  tx: Transaction,
  component: ComponentId,
  schema: SchemaDefinition | null,
): IndexDiff {
  const diff = emptyDiff();
  const indexes = tx.table("indexes");
  for (const { declared, same, others } of compare(tx, component, schema)) {
    for (const other of others) {
      indexes.remove(other.documentId);
      if (isEnabled(other)) diff.removed_indexes.push(entryOf(other));
    }
    if (declared === null) continue;
    if (same === null) throw concurrentPush();
    if (declared.staged) {
      if (isEnabled(same)) {
        diff.disabled_indexes.push(entryOf(declared));
        indexes.patch(same.documentId, { state: "backfilled", staged: true });
      } else if (!same.staged) {
        indexes.patch(same.documentId, { staged: true });
      }
    } else if (!isEnabled(same)) {
      if (same.state === "backfilling") {
        throw userError(
          "IndexesNotBackfilled",
          `The index ${declared.table}.${declared.name} is still being backfilled.`,
        );
      }
      diff.added_indexes.push(entryOf(declared));
      indexes.patch(same.documentId, { state: "enabled", staged: false });
    }
  }
  return diff;
}

function concurrentPush() {
  return userError(
    "ConcurrentPush",
    "Are you running multiple `npx convex dev` processes in the same directory?",
  );
}

function emptyDiff(): IndexDiff {
  return { added_indexes: [], removed_indexes: [], enabled_indexes: [], disabled_indexes: [] };
}

/** Stored and declared indexes side by side, in the order of their names. */
function compare(
  tx: Transaction,
  component: ComponentId,
  schema: SchemaDefinition | null,
): NamedIndexes[] {
  const byName = new Map<string, { declared: DeclaredIndex | null; stored: StoredIndex[] }>();
  const at = ({ table, name }: DeclaredIndex) => {
    const key = `${table}.${name}`;
    let named = byName.get(key);
    if (named === undefined) byName.set(key, named = { declared: null, stored: [] });
    return named;
  };
  for (const index of storedIndexes(tx, component)) at(index).stored.push(index);
  for (const table of schema?.tables ?? []) {
    for (const index of declaredIndexes(table)) at(index).declared = index;
  }
  return [...byName].sort(([a], [b]) => a < b ? -1 : 1).map(([, { declared, stored }]) => {
    const matching = stored.filter((index) => declared !== null && isSame(index, declared));
    const same = matching.find(isEnabled) ?? matching[0] ?? null;
    return { declared, same, others: stored.filter((index) => index !== same) };
  });
}

function storedIndexes(tx: Transaction, component: ComponentId): StoredIndex[] {
  return tx.catalog.tablesOf(component)
    .filter((table) => table.state === "active" && !table.isSystem)
    .flatMap((table) => indexesOfTable(tx, table.tablet, table.name));
}

function indexesOfTable(tx: Transaction, tablet: Tablet, table: string): StoredIndex[] {
  return tx.table("indexes").find("by_tablet", [tablet]).map((document) => {
    const { name, kind, fields, spec, staged, state } = document as unknown as IndexDocument;
    return {
      table,
      name,
      kind,
      fields,
      spec: spec as Json,
      staged,
      state,
      documentId: document._id,
    };
  });
}

function declaredIndexes(table: TableDefinition): DeclaredIndex[] {
  const common = { table: table.tableName };
  return [
    ...table.indexes.map(({ indexDescriptor, fields, staged }): DeclaredIndex => ({
      ...common,
      name: indexDescriptor,
      kind: "database",
      fields,
      spec: null,
      staged,
    })),
    ...table.searchIndexes.map(
      ({ indexDescriptor, searchField, filterFields, staged }): DeclaredIndex => ({
        ...common,
        name: indexDescriptor,
        kind: "search",
        fields: [],
        spec: { searchField, filterFields: [...filterFields] },
        staged,
      }),
    ),
    ...table.vectorIndexes.map(
      ({ indexDescriptor, vectorField, dimensions, filterFields, staged }): DeclaredIndex => ({
        ...common,
        name: indexDescriptor,
        kind: "vector",
        fields: [],
        spec: { dimensions, vectorField, filterFields: [...filterFields] },
        staged,
      }),
    ),
  ];
}

function isEnabled(index: StoredIndex): boolean {
  return index.state === "enabled";
}

function isSame(a: DeclaredIndex, b: DeclaredIndex): boolean {
  return a.kind === b.kind && a.fields.join() === b.fields.join() &&
    canonicalJson(a.spec) === canonicalJson(b.spec);
}

function entryOf(index: DeclaredIndex): IndexDiffEntry {
  const { table, name, kind, fields, spec, staged } = index;
  const definition = kind === "database" ? { fields: [...fields] } : spec as IndexDiffEntry;
  return { name: `${table}.${name}`, type: kind, ...definition, staged };
}
