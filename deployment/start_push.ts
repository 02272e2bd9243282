// `start_push` and its dry sibling `evaluate_push`: evaluates the pushed code, then prepares tables
// and indexes, submits the schema and stores the texts of the modules. Live code, auth and crons
// stay as they are, so a push that is never finished leaves only harmless rows (spec deploy 5).

import { ROOT_COMPONENT } from "../engine/components.ts";
import { diffIndexes, type IndexDiff, prepareIndexes } from "../engine/index_lifecycle.ts";
import { submitSchema } from "../engine/schema_lifecycle.ts";
import type { Transaction } from "../engine/transaction.ts";
import { schemaToJson } from "../engine/values/schema.ts";
import type { Json } from "../engine/values/value.ts";
import { type AppDefinition, ROOT_DEFINITION } from "./app_definition.ts";
import { duringPush } from "./push_error.ts";
import { evaluateCode, type EvaluationContext, type PushPlan } from "./push_evaluation.ts";
import { parsePushRequest, type PushRequest } from "./push_request.ts";
import { storeSources } from "./stored_modules.ts";
import { udfConfigJson } from "./udf_config.ts";

/** `schemaChange` of the responses; the CLI hands it to `wait_for_schema`. */
interface SchemaChange {
  readonly allocatedComponentIds: Readonly<Record<string, string>>;
  /** By component path. */
  readonly schemaIds: Readonly<Record<string, string | null>>;
  readonly indexDiffs: Readonly<Record<string, IndexDiff>>;
}

/**
 * Begins a push.
 * @returns the response body of spec deploy 6
 * @throws PlatformError 400 (409 when the client's idea of the stored modules is stale)
 */
export async function startPush(body: unknown, context: EvaluationContext): Promise<Json> {
  const request = parsePushRequest(body);
  return await duringPush(async () => {
    const plan = await evaluateCode(request, context);
    const { value: schemaChange } = await context.engine.transact(
      (tx) => prepare(tx, plan, request),
      "start_push",
    );
    return startPushResponse(plan, schemaChange);
  });
}

/** What a push would change, without any effect (spec deploy 13). */
export async function evaluatePush(body: unknown, context: EvaluationContext): Promise<Json> {
  const request = parsePushRequest(body);
  return await duringPush(async () => {
    const plan = await evaluateCode(request, context);
    const indexDiff = context.engine.read((tx) =>
      diffIndexes(tx, ROOT_COMPONENT, plan.schema)
    ).value;
    return { schemaChange: schemaChangeOf(null, indexDiff) as unknown as Json };
  });
}

function prepare(tx: Transaction, plan: PushPlan, request: PushRequest): SchemaChange {
  const indexDiff = diffIndexes(tx, ROOT_COMPONENT, plan.schema);
  for (const { tableName } of plan.schema?.tables ?? []) tx.createTable(ROOT_COMPONENT, tableName);
  if (!request.dryRun && !request.forCodegen) {
    prepareIndexes(tx, ROOT_COMPONENT, plan.schema);
    storeSources(tx, plan.sources);
  }
  // Also in a dry run, so that `wait_for_schema` can check the schema against real data.
  const schemaId = submitSchema(tx, ROOT_COMPONENT, plan.schema);
  return schemaChangeOf(schemaId, indexDiff);
}

function schemaChangeOf(schemaId: string | null, indexDiff: IndexDiff): SchemaChange {
  return {
    allocatedComponentIds: {},
    schemaIds: { [ROOT_COMPONENT]: schemaId },
    indexDiffs: { [ROOT_COMPONENT]: indexDiff },
  };
}

function startPushResponse(plan: PushPlan, schemaChange: SchemaChange): Json {
  const functions = Object.fromEntries(
    plan.modules
      .filter(({ path, isFunctionModule }) => isFunctionModule && !path.startsWith("_deps/"))
      .map(({ path, analysis }) => [path, analysis as unknown as Json]),
  );
  const routes = plan.modules.find(({ path }) => path === "http.js")?.analysis?.httpRoutes ?? null;
  return {
    environmentVariables: plan.environment,
    externalDepsId: null,
    componentDefinitionPackages: { [ROOT_DEFINITION]: { storageKey: "" } },
    appAuth: plan.authProviders as unknown as Json,
    analysis: {
      [ROOT_DEFINITION]: {
        definition: definitionJson(plan.definition),
        schema: plan.schema === null ? null : schemaToJson(plan.schema),
        functions,
        udfConfig: udfConfigJson(plan.udfConfig),
      },
    },
    app: {
      definitionPath: ROOT_DEFINITION,
      componentPath: "",
      httpPrefix: plan.definition.httpPrefix,
      args: {},
      env: {},
      childComponents: {},
      httpRoutes: {
        httpModuleRoutes: routes?.map(({ route }) => ({ ...route })) ?? null,
        mounts: [],
      },
      exports: {},
    },
    schemaChange: schemaChange as unknown as Json,
    // Not part of the platform's protocol: the CLI returns unknown keys to `finish_push` as they are.
    push: {
      modules: plan.modules.map(({ path, environment, hash }) => ({ path, environment, hash })),
      udfConfig: { ...plan.udfConfig },
      definition: plan.definition as unknown as Json,
    },
  };
}

function definitionJson(definition: AppDefinition): Json {
  return {
    path: ROOT_DEFINITION,
    definitionType: { type: "app" },
    childComponents: [],
    httpMounts: {},
    httpPrefix: definition.httpPrefix,
    exports: { type: "branch", branch: [] },
    envVars: definition.envVars as unknown as Json,
  };
}
