// Tables, indexes and schemas as one snapshot sees them. Built from the documents of `_tables`,
// `_index` and `_schemas`; the global system tables exist without such documents.

import { assert } from "./errors.ts";
import {
  byCreationTimeIndex,
  byIdIndex,
  FIRST_FREE_INDEX,
  FIRST_FREE_TABLET,
  FIRST_USER_TABLE_NUMBER,
  SYSTEM_TABLES,
  systemIndexId,
  type SystemTable,
} from "./system_tables.ts";
import { type Timestamp, TIMESTAMP_ZERO } from "./timestamp.ts";
import type { ComponentId, IndexId, Snapshot, Tablet } from "./types.ts";
import { KEY_AFTER } from "./values/key.ts";
import { parseSchema, type SchemaDefinition } from "./values/schema.ts";

export type TableState = "active" | "hidden" | "deleting";
export type IndexKind = "database" | "search" | "vector";
export type IndexState = "backfilling" | "backfilled" | "enabled";
/** "active" is enforced; "pending" is being checked; "validated" waits for the end of its push. */
export type LiveSchemaState = "active" | "pending" | "validated";

export interface TableInfo {
  readonly component: ComponentId;
  readonly name: string;
  readonly number: number;
  readonly tablet: Tablet;
  readonly state: TableState;
  readonly isSystem: boolean;
}

export interface IndexInfo {
  readonly id: IndexId;
  readonly tablet: Tablet;
  readonly name: string;
  /** Declared fields with the appended `_creationTime`; empty for `by_id`. */
  readonly fields: readonly string[];
  /** `fields`, split at the dots. */
  readonly paths: readonly (readonly string[])[];
  readonly kind: IndexKind;
  readonly state: IndexState;
  readonly staged: boolean;
}

/** What the documents of `_tables` hold besides the system fields. */
export interface TableDocument {
  readonly component: ComponentId;
  readonly name: string;
  readonly number: number;
  readonly tablet: Tablet;
  readonly state: TableState;
}

/** What the documents of `_index` hold. `spec` is the search or vector part of the definition. */
export interface IndexDocument {
  readonly tablet: Tablet;
  readonly name: string;
  readonly indexId: IndexId;
  readonly fields: readonly string[];
  readonly kind: IndexKind;
  readonly spec: unknown;
  readonly state: IndexState;
  readonly staged: boolean;
}

/** What the documents of `_schemas` hold. */
export interface SchemaDocument {
  readonly component: ComponentId;
  readonly state: LiveSchemaState | "failed" | "overwritten";
  /** The definition as the CLI sent it. */
  readonly schema: string;
  readonly error?: string;
  readonly tableName?: string;
}

export interface CatalogSchema {
  /** Id of the `_schemas` document. */
  readonly id: string;
  readonly definition: SchemaDefinition;
}

/** Next ids to hand out, from the `meta` table. */
export interface CatalogCounters {
  readonly nextTablet: Tablet;
  readonly nextIndex: IndexId;
}

export const INITIAL_COUNTERS: CatalogCounters = {
  nextTablet: FIRST_FREE_TABLET,
  nextIndex: FIRST_FREE_INDEX,
};

/** A change of one of these tables changes the catalog. */
const CATALOG_TABLETS: ReadonlySet<Tablet> = new Set([
  SYSTEM_TABLES.tables.number,
  SYSTEM_TABLES.indexes.number,
  SYSTEM_TABLES.schemas.number,
]);

export function isCatalogTablet(tablet: Tablet): boolean {
  return CATALOG_TABLETS.has(tablet);
}

const GLOBAL_SYSTEM_TABLES: readonly SystemTable[] = Object.values<SystemTable>(SYSTEM_TABLES)
  .filter((table) => table.scope === "global");

const GLOBAL_TABLES: readonly TableInfo[] = GLOBAL_SYSTEM_TABLES.map((table) => ({
  component: "",
  name: table.name,
  number: table.number,
  tablet: table.number,
  state: "active",
  isSystem: true,
}));
const GLOBAL_TABLES_BY_NAME = new Map(GLOBAL_TABLES.map((table) => [table.name, table]));
const GLOBAL_TABLES_BY_TABLET = new Map(GLOBAL_TABLES.map((table) => [table.tablet, table]));

/** The declared indexes of the global system tables. */
export const GLOBAL_INDEXES: readonly IndexInfo[] = GLOBAL_SYSTEM_TABLES.flatMap((table) =>
  Object.entries(table.indexes).map(([name, declared], position): IndexInfo => {
    const fields = [...declared, "_creationTime"];
    return {
      id: systemIndexId(table.number, position),
      tablet: table.number,
      name,
      fields,
      paths: fields.map((field) => field.split(".")),
      kind: "database",
      state: "enabled",
      staged: false,
    };
  })
);

export class Catalog {
  /** Timestamp of the last change of the catalog that this one contains. */
  readonly version: Timestamp;
  readonly counters: CatalogCounters;
  readonly #tablesByName = new Map<ComponentId, Map<string, TableInfo>>();
  readonly #tablesByNumber = new Map<ComponentId, Map<number, TableInfo>>();
  readonly #tablesByTablet = new Map<Tablet, TableInfo>();
  readonly #tablesByComponent = new Map<ComponentId, TableInfo[]>();
  readonly #indexesByTablet = new Map<Tablet, IndexInfo[]>();
  readonly #indexesById = new Map<IndexId, IndexInfo>();
  readonly #schemas: (SchemaDocument & { readonly _id: string })[] = [];
  readonly #parsedSchemas = new Map<string, CatalogSchema | null>();
  readonly #activeUserTables: number;

  private constructor(
    version: Timestamp,
    counters: CatalogCounters,
    tables: readonly TableDocument[],
    indexes: readonly IndexDocument[],
    schemas: readonly (SchemaDocument & { readonly _id: string })[],
  ) {
    this.version = version;
    let { nextTablet, nextIndex } = counters;
    let activeUserTables = 0;
    for (const table of GLOBAL_TABLES) this.#addTable(table);
    for (const table of tables) {
      const isSystem = table.name.startsWith("_");
      this.#addTable({ ...table, isSystem });
      if (!isSystem && table.state === "active") activeUserTables++;
      nextTablet = Math.max(nextTablet, table.tablet + 1);
    }
    for (const index of GLOBAL_INDEXES) this.#addIndex(index);
    for (const index of indexes) {
      this.#addIndex({
        id: index.indexId,
        tablet: index.tablet,
        name: index.name,
        fields: index.fields,
        paths: index.fields.map((field) => field.split(".")),
        kind: index.kind,
        state: index.state,
        staged: index.staged,
      });
      nextIndex = Math.max(nextIndex, index.indexId + 1);
    }
    this.#schemas.push(...schemas);
    this.counters = { nextTablet, nextIndex };
    this.#activeUserTables = activeUserTables;
  }

  /**
   * Reads the catalog.
   * @param read a view of the database; only global system tables are scanned.
   * @param version timestamp of the last change of the catalog in that view.
   */
  static load(
    read: Pick<Snapshot, "scan">,
    version: Timestamp,
    counters: CatalogCounters = INITIAL_COUNTERS,
  ): Catalog {
    return new Catalog(
      version,
      counters,
      readAll<TableDocument & SystemFields>(read, SYSTEM_TABLES.tables),
      readAll<IndexDocument & SystemFields>(read, SYSTEM_TABLES.indexes),
      readAll<SchemaDocument & SystemFields>(read, SYSTEM_TABLES.schemas),
    );
  }

  /** The catalog of a database without any document: the global system tables only. */
  static readonly empty: Catalog = new Catalog(TIMESTAMP_ZERO, INITIAL_COUNTERS, [], [], []);

  #addTable(table: TableInfo): void {
    this.#tablesByTablet.set(table.tablet, table);
    append(this.#tablesByComponent, table.component, table);
    append(this.#indexesByTablet, table.tablet, ...implicitIndexes(table.tablet));
    for (const index of this.#indexesByTablet.get(table.tablet)!) {
      this.#indexesById.set(index.id, index);
    }
    if (table.state !== "active") return;
    child(this.#tablesByName, table.component).set(table.name, table);
    child(this.#tablesByNumber, table.component).set(table.number, table);
  }

  #addIndex(index: IndexInfo): void {
    append(this.#indexesByTablet, index.tablet, index);
    this.#indexesById.set(index.id, index);
  }

  /** The active table of that name in the component; global system tables are in all components. */
  tableByName(component: ComponentId, name: string): TableInfo | null {
    return this.#tablesByName.get(component)?.get(name) ??
      GLOBAL_TABLES_BY_NAME.get(name) ?? null;
  }

  /** The active table with that number in the component. */
  tableByNumber(component: ComponentId, number: number): TableInfo | null {
    return this.#tablesByNumber.get(component)?.get(number) ??
      GLOBAL_TABLES_BY_TABLET.get(number) ?? null;
  }

  /** The table in any state, hidden and deleting ones included. */
  tableByTablet(tablet: Tablet): TableInfo | null {
    return this.#tablesByTablet.get(tablet) ?? null;
  }

  /** All indexes of the table in all states and of all kinds, `by_id` and `by_creation_time` first. */
  indexesOf(tablet: Tablet): readonly IndexInfo[] {
    return this.#indexesByTablet.get(tablet) ?? [];
  }

  /** @throws Error when there is no such index: ids come from this catalog or from a stale caller. */
  index(id: IndexId): IndexInfo {
    const index = this.#indexesById.get(id);
    assert(index !== undefined, () => `index ${id} is not in the catalog`);
    return index;
  }

  /** Like {@link index}, for ids that this catalog may not know. */
  findIndex(id: IndexId): IndexInfo | undefined {
    return this.#indexesById.get(id);
  }

  /**
   * The index of that name. While a changed definition is being built under the name of an enabled
   * index, that is the enabled one.
   */
  indexByName(tablet: Tablet, name: string): IndexInfo | null {
    let found: IndexInfo | null = null;
    for (const index of this.indexesOf(tablet)) {
      if (index.name !== name) continue;
      if (index.state === "enabled") return index;
      found ??= index;
    }
    return found;
  }

  /** The component's schema in that state, parsed on first use. */
  schema(component: ComponentId, state: LiveSchemaState): CatalogSchema | null {
    const key = `${state} ${component}`;
    let schema = this.#parsedSchemas.get(key);
    if (schema === undefined) {
      const document = this.#schemas.find((s) => s.component === component && s.state === state);
      schema = document === undefined
        ? null
        : { id: document._id, definition: parseSchemaCached(document.schema) };
      this.#parsedSchemas.set(key, schema);
    }
    return schema;
  }

  /** Tables of the component in all states, without the global system tables. */
  tablesOf(component: ComponentId): TableInfo[] {
    return (this.#tablesByComponent.get(component) ?? []).filter((table) =>
      !GLOBAL_TABLES_BY_TABLET.has(table.tablet)
    );
  }

  /** All components that have tables. */
  get components(): ComponentId[] {
    return [...this.#tablesByName.keys()];
  }

  /** The active tables of that name in all components. */
  tablesNamed(name: string): TableInfo[] {
    return [...this.#tablesByName.values()].flatMap((tables) => tables.get(name) ?? []);
  }

  /** Tables whose rows are to be removed. */
  get deletedTables(): TableInfo[] {
    return [...this.#tablesByTablet.values()].filter(({ state }) => state === "deleting");
  }

  /** Active user tables over all components. */
  get activeUserTables(): number {
    return this.#activeUserTables;
  }

  /** Smallest unused number for a user table; hidden and deleting tables occupy theirs. */
  nextTableNumber(component: ComponentId): number {
    const used = new Set(this.#tablesByComponent.get(component)?.map((table) => table.number));
    let number = FIRST_USER_TABLE_NUMBER;
    while (used.has(number)) number++;
    return number;
  }
}

interface SystemFields {
  readonly _id: string;
  readonly _creationTime: number;
}

const ALL_KEYS = { start: "", end: KEY_AFTER };
const CATALOG_ROWS_MAX = 10_000_000;

function readAll<T>(read: Pick<Snapshot, "scan">, table: SystemTable): T[] {
  const index = byCreationTimeIndex(table.number);
  return read.scan(index, ALL_KEYS, "asc", CATALOG_ROWS_MAX).map((row) =>
    JSON.parse(row.json) as T
  );
}

function implicitIndexes(tablet: Tablet): IndexInfo[] {
  const common = { tablet, kind: "database", state: "enabled", staged: false } as const;
  return [
    { id: byIdIndex(tablet), name: "by_id", fields: [], paths: [], ...common },
    {
      id: byCreationTimeIndex(tablet),
      name: "by_creation_time",
      fields: ["_creationTime"],
      paths: [["_creationTime"]],
      ...common,
    },
  ];
}

/** Schemas survive most changes of the catalog, and are large: parse each text once. */
const PARSED_SCHEMAS_MAX = 32;
const parsedSchemas = new Map<string, SchemaDefinition>();

function parseSchemaCached(text: string): SchemaDefinition {
  let schema = parsedSchemas.get(text);
  if (schema === undefined) {
    schema = parseSchema(text);
    if (parsedSchemas.size >= PARSED_SCHEMAS_MAX) parsedSchemas.clear();
    parsedSchemas.set(text, schema);
  }
  return schema;
}

function append<K, V>(map: Map<K, V[]>, key: K, ...values: V[]): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, values);
  else list.push(...values);
}

function child<K, K2, V>(map: Map<K, Map<K2, V>>, key: K): Map<K2, V> {
  let inner = map.get(key);
  if (inner === undefined) map.set(key, inner = new Map());
  return inner;
}
