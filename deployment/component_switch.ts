// The part of `finish_push` that happens to each component: its code, handles, configuration, crons,
// schema and indexes become those of the push, or go when it is unmounted (spec deploy 12).

import { userError } from "../engine/errors.ts";
import { finishIndexes, type IndexDiff } from "../engine/index_lifecycle.ts";
import { activateSchema } from "../engine/schema_lifecycle.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import { parseSchema } from "../engine/values/schema.ts";
import type { ModuleAnalysis, UdfConfig } from "../runtime/frames.ts";
import { type CronDiff, declaredCrons, replaceCrons } from "./cron_specs.ts";
import { replaceFunctionHandles } from "./function_handles.ts";
import type { DiffType } from "./installed_components.ts";
import { type ModuleDiff, type ModuleToStore, replaceModules } from "./stored_modules.ts";
import { readUdfConfig, writeUdfConfig } from "./udf_config.ts";

/** Shown as the previous version when nothing was pushed before. */
const UNSPECIFIED_VERSION = "Unspecified version";
const NO_INDEX_CHANGES: IndexDiff = {
  added_indexes: [],
  removed_indexes: [],
  enabled_indexes: [],
  disabled_indexes: [],
};

/** What a definition brings to each of its instances. */
export interface PushedCode {
  readonly modules: readonly ModuleToStore[];
  readonly udfConfig: UdfConfig;
}

/** A member of `componentDiffs`. */
export interface ComponentDiff {
  readonly diffType: { readonly type: DiffType };
  readonly moduleDiff: ModuleDiff;
  readonly udfConfigDiff: {
    readonly previous_version: string;
    readonly next_version: string;
  } | null;
  readonly cronDiff: CronDiff;
  readonly indexDiff: IndexDiff;
  readonly schemaDiff: {
    readonly previous_schema: string | null;
    readonly next_schema: string | null;
  } | null;
}

/**
 * Makes the pushed code that of the component.
 * @throws PlatformError `SchemaAlreadyFailed`, `SchemaAlreadyOverwritten`, `ConcurrentPush`
 */
export function switchComponent(
  tx: Transaction,
  component: ComponentId,
  { modules, udfConfig }: PushedCode,
  schemaId: string | null,
  type: DiffType,
): ComponentDiff {
  const analysis: Record<string, ModuleAnalysis> = {};
  for (const module of modules) {
    if (module.analysis !== null) analysis[module.path] = module.analysis;
  }
  const schema = schemaId === null ? null : schemaTextOf(tx, schemaId);
  const previousSchema = tx.table("schemas").first("by_state", [component, "active"]);
  const previousText = previousSchema === null ? null : String(previousSchema.schema);
  const previousVersion = readUdfConfig(tx, component)?.serverVersion ?? UNSPECIFIED_VERSION;

  const moduleDiff = replaceModules(tx, component, modules);
  replaceFunctionHandles(tx, component, modules);
  writeUdfConfig(tx, component, udfConfig);
  const cronDiff = replaceCrons(tx, component, declaredCrons(analysis));
  activateSchema(tx, component, schemaId);
  const indexDiff = finishIndexes(tx, component, schema === null ? null : parseSchema(schema));
  return {
    diffType: { type },
    moduleDiff,
    udfConfigDiff: previousVersion === udfConfig.serverVersion
      ? null
      : { previous_version: previousVersion, next_version: udfConfig.serverVersion },
    cronDiff,
    indexDiff,
    schemaDiff: previousText === schema
      ? null
      : { previous_schema: previousText, next_schema: schema },
  };
}

/** Takes the code of a component away. Tables, files, scheduled jobs and schema stay. */
export function clearComponent(tx: Transaction, component: ComponentId): ComponentDiff {
  replaceFunctionHandles(tx, component, []);
  return {
    diffType: { type: "unmount" },
    moduleDiff: replaceModules(tx, component, []),
    udfConfigDiff: null,
    cronDiff: replaceCrons(tx, component, []),
    indexDiff: NO_INDEX_CHANGES,
    schemaDiff: null,
  };
}

function schemaTextOf(tx: Transaction, schemaId: string): string {
  const row = tx.table("schemas").get(schemaId);
  if (row === null) {
    throw userError("SchemaAlreadyOverwritten", "Schema has already been overwritten");
  }
  return String(row.schema);
}
