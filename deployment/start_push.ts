// `start_push` and its dry sibling `evaluate_push`: evaluates the pushed code, then prepares
// components, tables and indexes, submits the schemas and stores the texts of the modules. Live
// code, auth, crons and the tree of components stay as they are, so a push that is never finished
// leaves only harmless rows (spec deploy 5).

import { type BuiltIndexes, diffIndexes, prepareIndexes } from "../engine/index_lifecycle.ts";
import { submitSchema } from "../engine/schema_lifecycle.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { Json } from "../engine/values/value.ts";
import type { PreparedModule } from "../runtime/frames.ts";
import { type AuditOrigin, recordAudit } from "./audit_log.ts";
import { nodesOf } from "./component_tree.ts";
import { TreeWalk } from "./installed_components.ts";
import { duringPush } from "./push_error.ts";
import { evaluateCode, type EvaluationContext, type PushPlan } from "./push_evaluation.ts";
import { parsePushRequest, type PushRequest } from "./push_request.ts";
import { type SchemaChange, startPushResponse } from "./start_push_response.ts";
import { storeSources } from "./stored_modules.ts";

/**
 * Begins a push.
 * @returns the response body of spec deploy 6
 * @throws PlatformError 400 (409 when the client's idea of the stored modules is stale)
 */
export async function startPush(
  body: unknown,
  context: EvaluationContext,
  origin: AuditOrigin,
): Promise<Json> {
  return await begin(body, context, (tx, plan, request) => {
    const { schemaChange, built } = prepare(tx, plan, request);
    if (built.added_indexes.length + built.removed_indexes.length > 0) {
      recordAudit(tx, { action: "build_indexes", metadata: { ...built } }, origin);
    }
    return schemaChange;
  });
}

/**
 * Begins the push of an app's code whose schema is submitted already (older_push.ts).
 * @returns the same as {@link startPush}
 */
export async function startCodePush(
  body: unknown,
  schemaId: string,
  context: EvaluationContext,
): Promise<Json> {
  return await begin(body, context, (tx, plan) => {
    storeSources(tx, sourcesOf(plan));
    const schemaIds = { [plan.app.path]: schemaId };
    return { allocatedComponentIds: {}, schemaIds, indexDiffs: {} };
  });
}

/** Evaluates the pushed code and writes what `write` makes of it. */
async function begin(
  body: unknown,
  context: EvaluationContext,
  write: (tx: Transaction, plan: PushPlan, request: PushRequest) => SchemaChange,
): Promise<Json> {
  const request = parsePushRequest(body);
  return await duringPush(async () => {
    const plan = await evaluateCode(request, context);
    const { value } = await context.engine.transact((tx) => write(tx, plan, request), "start_push");
    return startPushResponse(plan, value);
  });
}

/** What a push would change, without any effect (spec deploy 13). */
export async function evaluatePush(body: unknown, context: EvaluationContext): Promise<Json> {
  const request = parsePushRequest(body);
  return await duringPush(async () => {
    const plan = await evaluateCode(request, context);
    const { schemaChange } = context.engine.attempt((tx) => prepare(tx, plan, request));
    return { schemaChange: schemaChange as unknown as Json };
  });
}

interface Preparation {
  readonly schemaChange: SchemaChange;
  /** Of all components. */
  readonly built: BuiltIndexes;
}

function prepare(tx: Transaction, plan: PushPlan, request: PushRequest): Preparation {
  const built: BuiltIndexes = { added_indexes: [], removed_indexes: [] };
  const isDry = request.dryRun || request.forCodegen;
  const change: SchemaChange = { allocatedComponentIds: {}, schemaIds: {}, indexDiffs: {} };
  const walk = new TreeWalk();
  for (const node of nodesOf(plan.app)) {
    const { schema } = plan.definitions.get(node.definitionPath)!;
    const { id, isNew } = walk.prepare(tx, node);
    if (isNew) change.allocatedComponentIds[node.path] = id;
    change.indexDiffs[node.path] = diffIndexes(tx, id, schema);
    for (const { tableName } of schema?.tables ?? []) tx.createTable(id, tableName);
    if (!isDry) {
      const { added_indexes, removed_indexes } = prepareIndexes(tx, id, schema);
      built.added_indexes.push(...added_indexes);
      built.removed_indexes.push(...removed_indexes);
    }
    // Also in a dry run, so that `wait_for_schema` can check the schema against real data.
    change.schemaIds[node.path] = submitSchema(tx, id, schema);
  }
  if (!isDry) storeSources(tx, sourcesOf(plan));
  return { schemaChange: change, built };
}

function sourcesOf({ definitions }: PushPlan): PreparedModule[] {
  return [...definitions.values()].flatMap(({ sources }) => sources);
}
