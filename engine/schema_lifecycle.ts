// The schemas of one component through a push (spec values-and-queries 9, deploy 9): submitted as
// pending, validated against the stored documents in the background, active at the end of the push;
// or failed, or overwritten by another push. At most one waits and at most one is active.

import type { SchemaDocument } from "./catalog.ts";
import type { Engine } from "./engine.ts";
import { userError } from "./errors.ts";
import { indexProgress } from "./index_lifecycle.ts";
import type { SystemDocument } from "./system_table_access.ts";
import type { Transaction } from "./transaction.ts";
import type { ComponentId } from "./types.ts";
import { type SchemaDefinition, schemaText } from "./values/schema.ts";

/** The answer of `wait_for_schema` (spec deploy 10). */
export type SchemaStatus =
  | { readonly type: "inProgress"; readonly components: Record<string, ComponentProgress> }
  | {
    readonly type: "failed";
    readonly error: string;
    readonly componentPath: string;
    readonly tableName: string | null;
  }
  | { readonly type: "raceDetected" }
  | { readonly type: "complete" };

export interface ComponentProgress {
  readonly schemaValidationComplete: boolean;
  readonly indexesComplete: number;
  readonly indexesTotal: number;
}

type StoredSchema = SchemaDocument & { readonly _id: string };

/**
 * Makes the schema the one that waits, unless it is active or waiting already.
 * @returns the id of its document; null for no schema
 */
export function submitSchema(
  tx: Transaction,
  component: ComponentId,
  schema: SchemaDefinition | null,
): string | null {
  const waiting = waitingDocument(tx, component);
  const text = schema === null ? null : schemaText(schema);
  if (waiting !== null && waiting.schema === text) return waiting._id;
  if (waiting !== null) overwrite(tx, waiting);
  if (text === null) return null;
  const active = inState(tx, component, "active");
  if (active?.schema === text) return active._id;
  return tx.table("schemas").insert({ component, state: "pending", schema: text });
}

/**
 * Puts a validated schema in force; null: from now on there is none.
 * @throws PlatformError SchemaAlreadyFailed, SchemaAlreadyOverwritten
 */
export function activateSchema(
  tx: Transaction,
  component: ComponentId,
  id: string | null,
): void {
  const active = inState(tx, component, "active");
  if (id !== null && active?._id === id) return;
  if (id !== null) checkUsable(stored(tx.table("schemas").get(id)));
  if (active !== null) overwrite(tx, active);
  if (id !== null) {
    tx.table("schemas").patch(id, { state: "active" });
    return;
  }
  const waiting = waitingDocument(tx, component);
  if (waiting !== null) overwrite(tx, waiting);
}

function checkUsable(schema: StoredSchema | null): void {
  switch (schema?.state) {
    case "validated":
      return;
    case "failed":
      throw userError(
        "SchemaAlreadyFailed",
        `Schema has already been failed with error: ${schema.error}`,
      );
    case "pending":
      throw userError("SchemaNotValidated", "Schema is still being validated.");
    default:
      throw userError("SchemaAlreadyOverwritten", "Schema has already been overwritten.");
  }
}

/** How far a push is: the ids of its schemas by component path, null where there is none. */
export function schemaStatus(
  engine: Engine,
  schemaIds: Readonly<Record<string, string | null>>,
): SchemaStatus {
  return engine.read((tx) => statusIn(tx, schemaIds)).value;
}

function statusIn(
  tx: Transaction,
  schemaIds: Readonly<Record<string, string | null>>,
): SchemaStatus {
  const components: Record<string, ComponentProgress> = {};
  let isComplete = true;
  for (const [componentPath, id] of Object.entries(schemaIds)) {
    if (id === null) continue;
    const schema = stored(tx.table("schemas").get(id));
    if (schema === null || schema.state === "overwritten") return { type: "raceDetected" };
    if (schema.state === "failed") {
      const { error = "", tableName = null } = schema;
      return { type: "failed", error, componentPath, tableName };
    }
    const progress = progressOf(tx, schema.component, schema.state !== "pending");
    components[componentPath] = progress;
    isComplete &&= progress.schemaValidationComplete &&
      progress.indexesComplete === progress.indexesTotal;
  }
  return isComplete ? { type: "complete" } : { type: "inProgress", components };
}

function progressOf(
  tx: Transaction,
  component: ComponentId,
  schemaValidationComplete: boolean,
): ComponentProgress {
  const awaited = indexProgress(tx, component).filter(({ entry }) => !entry.staged);
  return {
    schemaValidationComplete,
    indexesComplete: awaited.filter(({ isBuilt }) => isBuilt).length,
    indexesTotal: awaited.length,
  };
}

function inState(
  tx: Transaction,
  component: ComponentId,
  state: SchemaDocument["state"],
): StoredSchema | null {
  return stored(tx.table("schemas").first("by_state", [component, state]));
}

function waitingDocument(tx: Transaction, component: ComponentId): StoredSchema | null {
  return inState(tx, component, "pending") ?? inState(tx, component, "validated");
}

function overwrite(tx: Transaction, schema: StoredSchema): void {
  tx.table("schemas").patch(schema._id, { state: "overwritten" });
}

function stored(document: SystemDocument | null): StoredSchema | null {
  return document as unknown as StoredSchema | null;
}
