// The system tables, their numbers and indexes. Everything a deployment knows about itself (tables,
// indexes, schemas, code, variables, jobs) is a document in one of them, so that reads of it land in
// read sets and a push or a changed variable re-runs live queries by the ordinary mechanism.

import type { IndexId, Tablet } from "./types.ts";

/** First table number of user tables (spec values-and-queries 2.1). */
export const FIRST_USER_TABLE_NUMBER = 10001;
/** First tablet that is handed out; smaller ones are those of the global system tables. */
export const FIRST_FREE_TABLET: Tablet = 100_000;
/** Ids of declared indexes of system tables start here; see {@link systemIndexId}. */
export const SYSTEM_INDEX_BASE: IndexId = 2 ** 32;
/** Ids of declared indexes of other tables are handed out from here. */
export const FIRST_FREE_INDEX: IndexId = 2 ** 33;
const SYSTEM_INDEXES_PER_TABLE_MAX = 16;

export interface SystemTable {
  readonly name: string;
  readonly number: number;
  /** "global": one table, tablet = number. "component": one table in each component. */
  readonly scope: "global" | "component";
  /** Declared database indexes; like user indexes they end with `_creationTime`. */
  readonly indexes: Readonly<Record<string, readonly string[]>>;
}

function global(
  name: string,
  number: number,
  indexes: Record<string, readonly string[]> = {},
): SystemTable {
  return { name, number, scope: "global", indexes };
}

/**
 * All system tables by name. The numbers are fixed for ever. Tables and indexes may come: databases of
 * earlier versions get them when they are opened (`system_layout.ts`).
 */
export const SYSTEM_TABLES = {
  tables: global("_tables", 513, { by_name: ["component", "name"] }),
  indexes: global("_index", 514, { by_tablet: ["tablet", "name"] }),
  exports: global("_exports", 516),
  environmentVariables: global("_environment_variables", 519, { by_name: ["name"] }),
  moduleSources: global("_module_sources", 520, { by_hash: ["hash"] }),
  modules: global("_modules", 521, { by_path: ["component", "path"] }),
  udfConfig: global("_udf_config", 522, { by_component: ["component"] }),
  authProviders: global("_auth", 523),
  deployment: global("_deployment", 524),
  snapshotImports: global("_snapshot_imports", 525),
  auditLog: global("_deployment_audit_log", 526),
  functionHandles: global("_function_handles", 527, { by_path: ["component", "path"] }),
  cronJobs: global("_cron_jobs", 531, { by_name: ["component", "name"] }),
  schemas: global("_schemas", 532, { by_state: ["component", "state"] }),
  cronJobLogs: global("_cron_job_logs", 533, { by_name: ["component", "name"] }),
  componentDefinitions: global("_component_definitions", 543, { by_path: ["path"] }),
  components: global("_components", 544, { by_parent: ["parent", "name"] }),
  scheduledJobs: {
    name: "_scheduled_jobs",
    number: 539,
    scope: "component",
    indexes: { by_due: ["due"], by_completed: ["completedTime"] },
  },
  fileStorage: {
    name: "_file_storage",
    number: 540,
    scope: "component",
    indexes: { by_storage_id: ["storageId"], by_blob_key: ["blobKey"] },
  },
} as const satisfies Record<string, SystemTable>;

/** System tables that user functions see, read-only, under another name (spec 7.1). */
export const VIRTUAL_TABLES: Readonly<Record<string, SystemTable>> = {
  _storage: SYSTEM_TABLES.fileStorage,
  _scheduled_functions: SYSTEM_TABLES.scheduledJobs,
};

const CONFIGURATION_TABLETS: ReadonlySet<Tablet> = new Set<Tablet>([
  SYSTEM_TABLES.modules.number,
  SYSTEM_TABLES.moduleSources.number,
  SYSTEM_TABLES.udfConfig.number,
  SYSTEM_TABLES.environmentVariables.number,
  SYSTEM_TABLES.deployment.number,
  SYSTEM_TABLES.functionHandles.number,
  SYSTEM_TABLES.componentDefinitions.number,
  SYSTEM_TABLES.components.number,
]);

/** What every run looks at and rarely changes: readers keep it until a commit says otherwise. */
export function isConfigurationTablet(tablet: Tablet): boolean {
  return CONFIGURATION_TABLETS.has(tablet);
}

/** Every table has these two indexes; their ids follow from the tablet. */
export function byIdIndex(tablet: Tablet): IndexId {
  return tablet * 2;
}
export function byCreationTimeIndex(tablet: Tablet): IndexId {
  return tablet * 2 + 1;
}

/** Id of the `position`-th declared index of a global system table. */
export function systemIndexId(tableNumber: number, position: number): IndexId {
  return SYSTEM_INDEX_BASE + tableNumber * SYSTEM_INDEXES_PER_TABLE_MAX + position;
}
