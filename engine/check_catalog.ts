// Checks that the documents that define tables, indexes and schemas agree with each other, and with
// the counters from which new ones get their ids.

import { arrayStatement } from "./array_statement.ts";
import type { IndexDocument, IndexInfo, SchemaDocument, TableInfo } from "./catalog.ts";
import type { Examined } from "./check.ts";
import { BACKFILL_PROGRESS_PREFIX } from "./document_writer.ts";
import { DROPPED_INDEX_PREFIX } from "./commit_rows.ts";
import { isWaiting } from "./schema_violation.ts";
import { META } from "./storage_schema.ts";
import { SYSTEM_TABLES } from "./system_tables.ts";
import { parseSchema } from "./values/schema.ts";

/** Yields a sentence for each contradiction. */
export function* checkCatalog(examined: Examined): Generator<string> {
  const tables = tablesOf(examined);
  const indexes = documentsOf<IndexDocument>(examined, SYSTEM_TABLES.indexes.number);
  yield* checkTables(tables);
  yield* checkIndexes(examined, indexes);
  yield* checkSchemas(documentsOf<SchemaDocument>(examined, SYSTEM_TABLES.schemas.number));
  yield* checkCounters(examined, tables, indexes);
}

/** Shown in messages. */
export function nameOfTable({ component, name }: TableInfo): string {
  return component === "" ? name : `${name} of component "${component}"`;
}

/** Shown in messages. */
export function nameOfIndex({ catalog }: Examined, index: IndexInfo): string {
  const table = catalog.tableByTablet(index.tablet);
  return `${table === null ? `tablet ${index.tablet}` : nameOfTable(table)}.${index.name}`;
}

function tablesOf(examined: Examined): TableInfo[] {
  return documentsOf<TableInfo>(examined, SYSTEM_TABLES.tables.number);
}

function documentsOf<T>({ db }: Examined, tablet: number): T[] {
  return arrayStatement(db, "SELECT json FROM documents WHERE tablet = ? ORDER BY doc").all(tablet)
    .map((row) => JSON.parse((row as unknown as [string])[0]) as T);
}

function* checkTables(tables: readonly TableInfo[]): Generator<string> {
  const active = tables.filter(({ state }) => state === "active");
  yield* repeated(tables, ({ tablet }) => `the tablet ${tablet}`);
  yield* repeated(active, (table) => `the name ${nameOfTable(table)}`);
  yield* repeated(active, ({ component, number }) => `the number ${number} in "${component}"`);
}

function* repeated(tables: readonly TableInfo[], identity: (table: TableInfo) => string) {
  const seen = new Set<string>();
  for (const table of tables) {
    const text = identity(table);
    if (seen.has(text)) yield `Two tables have ${text}.`;
    seen.add(text);
  }
}

function* checkIndexes(examined: Examined, indexes: readonly IndexDocument[]): Generator<string> {
  const ids = new Set<number>();
  const enabled = new Set<string>();
  for (const { indexId, tablet, name, kind, fields, state } of indexes) {
    if (ids.has(indexId)) yield `Two indexes have the id ${indexId}.`;
    ids.add(indexId);
    if (examined.catalog.tableByTablet(tablet) === null) {
      yield `The index ${name} (${indexId}) belongs to tablet ${tablet}, which does not exist.`;
    }
    if (kind === "database" && fields.at(-1) !== "_creationTime") {
      yield `The index ${name} (${indexId}) does not end with _creationTime.`;
    }
    if (state !== "enabled") continue;
    const place = `${name} of tablet ${tablet}`;
    if (enabled.has(place)) yield `Two enabled indexes are called ${place}.`;
    enabled.add(place);
  }
}

function* checkSchemas(schemas: readonly SchemaDocument[]): Generator<string> {
  const live = new Set<string>();
  for (const schema of schemas) {
    try {
      parseSchema(schema.schema);
    } catch (error) {
      yield `A schema of component "${schema.component}" is broken: ${(error as Error).message}`;
    }
    const state = schema.state === "active" ? "active" : isWaiting(schema) ? "waiting" : null;
    if (state === null) continue;
    const place = `${state} schemas in component "${schema.component}"`;
    if (live.has(place)) yield `There are two ${place}.`;
    live.add(place);
  }
}

function* checkCounters(
  examined: Examined,
  tables: readonly TableInfo[],
  indexes: readonly IndexDocument[],
): Generator<string> {
  const rows = arrayStatement(examined.db, "SELECT key, value FROM meta").all();
  const meta = new Map(rows as unknown as [string, number][]);
  const nextTablet = meta.get(META.nextTablet) ?? Infinity;
  const nextIndex = meta.get(META.nextIndex) ?? Infinity;
  for (const table of tables) {
    if (table.tablet >= nextTablet) {
      yield `The table ${
        nameOfTable(table)
      } has the tablet ${table.tablet}, and the next new one ` +
        `would be ${nextTablet}.`;
    }
  }
  for (const { name, indexId } of indexes) {
    if (indexId >= nextIndex) {
      yield `The index ${name} has the id ${indexId}, and the next new one would be ${nextIndex}.`;
    }
  }
  const known = new Set<string>(Object.values(META));
  for (const key of meta.keys()) {
    if (known.has(key)) continue;
    if (key.startsWith(DROPPED_INDEX_PREFIX) || key.startsWith(BACKFILL_PROGRESS_PREFIX)) continue;
    yield `Nothing is known of the entry "${key}" of the table meta.`;
  }
  const catalog = meta.get(META.catalog) ?? 0;
  if (catalog > examined.lastCommit) {
    yield `Tables and indexes changed at ${catalog}, after the last commit at ` +
      `${examined.lastCommit}.`;
  }
}
