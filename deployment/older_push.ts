// The push of CLIs before 1.29, of apps without `convex.config.ts`: the schema by itself, then its state
// again and again, then all of the code with the schema's id (spec deploy 16). Each step is one of the
// present push, so what is stored and what is refused is the same.

import { z } from "zod";
import { ROOT_COMPONENT } from "../engine/components.ts";
import type { SchemaDocument } from "../engine/catalog.ts";
import type { Engine } from "../engine/engine.ts";
import { type IndexDiff, type IndexDiffEntry, indexProgress } from "../engine/index_lifecycle.ts";
import type { Json } from "../engine/values/value.ts";
import type { AuditOrigin } from "./audit_log.ts";
import type { EvaluationContext } from "./push_evaluation.ts";
import { checkPushBody } from "./push_request.ts";
import { startCodePush, startPush } from "./start_push.ts";

/** The app, among the components of a push. */
const APP_PATH = "";
/** Schemas come without the version of the package; only that of the code is kept. */
const UNTOLD_VERSION = "1.0.0";

const prepareSchemaRequest = z.object({
  bundle: z.looseObject({}),
  dryRun: z.boolean().default(false),
});

const pushConfigRequest = z.object({
  modules: z.array(z.unknown()).default([]),
  nodeDependencies: z.unknown().optional(),
  nodeVersion: z.unknown().optional(),
  udfServerVersion: z.unknown().optional(),
  schemaId: z.string().nullish(),
});

/** What this module uses of the answer of `start_push`. */
interface StartedSchema {
  readonly schemaChange: {
    readonly schemaIds: Readonly<Record<string, string | null>>;
    readonly indexDiffs: Readonly<Record<string, IndexDiff>>;
  };
}

/**
 * `prepare_schema`: evaluates the schema, begins to build its indexes and to validate the documents.
 * @returns the indexes that come and go, and the schema's id
 * @throws PlatformError 400 as the start of a push does
 */
export async function prepareSchema(
  body: unknown,
  context: EvaluationContext,
  origin: AuditOrigin,
): Promise<Json> {
  const { bundle, dryRun } = checkPushBody(prepareSchemaRequest, body);
  const push = {
    adminKey: "",
    dryRun,
    appDefinition: { schema: bundle, changedModules: [], udfServerVersion: UNTOLD_VERSION },
  };
  const started = await startPush(push, context, origin) as unknown as StartedSchema;
  const { schemaIds, indexDiffs } = started.schemaChange;
  const diff = indexDiffs[APP_PATH]!;
  return {
    added: diff.added_indexes.map((entry) => indexJson(entry, false)),
    dropped: diff.removed_indexes.map((entry) => indexJson(entry, true)),
    enabled: diff.enabled_indexes.map((entry) => indexJson(entry, true)),
    disabled: diff.disabled_indexes.map((entry) => indexJson(entry, true)),
    schemaId: schemaIds[APP_PATH]!,
  };
}

/** `schema_state`: how far the schema and the app's indexes are. A schema that is gone was overwritten. */
export function schemaState(engine: Engine, schemaId: string): Json {
  return engine.read((tx) => ({
    indexes: indexProgress(tx, ROOT_COMPONENT).map(({ entry, isBuilt }) =>
      indexJson(entry, isBuilt)
    ),
    schemaState: stateJson(tx.table("schemas").get(schemaId) as SchemaDocument | null),
  })).value;
}

/**
 * The first half of `push_config`: evaluates the code that is to run with the schema that was prepared.
 * @returns what the end of a push takes as `startPush`
 * @throws PlatformError 400 as the start of a push does
 */
export async function startConfigPush(
  body: unknown,
  context: EvaluationContext,
  origin: AuditOrigin,
): Promise<Json> {
  const { modules, schemaId, udfServerVersion, ...node } = checkPushBody(pushConfigRequest, body);
  const push = {
    adminKey: "",
    ...node,
    appDefinition: { changedModules: modules, udfServerVersion },
  };
  return schemaId === null || schemaId === undefined
    ? await startPush(push, context, origin)
    : await startCodePush(push, schemaId, context);
}

/** An index as these CLIs print it: a list of fields, or whatever else defines it. */
function indexJson(
  { name, type, staged, fields, ...spec }: IndexDiffEntry,
  isBuilt: boolean,
): Json {
  const [table, index] = (name as string).split(".") as [string, string];
  return {
    table,
    name: index,
    fields: type === "database" ? fields! : spec,
    backfill: { state: isBuilt ? "done" : "in_progress" },
    staged: staged!,
  };
}

function stateJson(schema: SchemaDocument | null): Json {
  if (schema === null) return { state: "overwritten" };
  if (schema.state !== "failed") return { state: schema.state };
  const { error = "", tableName } = schema;
  return { state: "failed", error, ...tableName !== undefined && { tableName } };
}
