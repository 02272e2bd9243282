// What the running app's `convex.config.ts` declares, as it is stored. Changes of environment
// variables look here for what the app requires, and HTTP requests for what it mounts.

import { ROOT_COMPONENT } from "../engine/components.ts";
import type { Transaction } from "../engine/transaction.ts";
import { canonicalJson } from "../engine/values/json.ts";
import type { Json } from "../engine/values/value.ts";
import type { ComponentDefinition, EnvVarDeclaration } from "./component_definition.ts";

export interface AppDefinition {
  readonly httpPrefix: string | null;
  readonly envVars: readonly (readonly [name: string, EnvVarDeclaration])[] | null;
  /** Prefix and child name of each component that the app mounts; absent in old documents: none. */
  readonly mounts?: readonly (readonly [prefix: string, childName: string])[];
}

/** The part of the app's definition that is stored. */
export function appDefinition(definition: ComponentDefinition): AppDefinition {
  const { httpPrefix, envVars, mounts } = definition;
  return { httpPrefix, envVars, mounts };
}

/** The definition of the running app, null before the first push. */
export function readDefinition(tx: Transaction): AppDefinition | null {
  const row = tx.table("componentDefinitions").first("by_path", [ROOT_COMPONENT]);
  return row === null ? null : row.definition as unknown as AppDefinition;
}

/** Makes `definition` that of the running app. */
export function writeDefinition(tx: Transaction, definition: AppDefinition): void {
  const table = tx.table("componentDefinitions");
  const row = table.first("by_path", [ROOT_COMPONENT]);
  const json = definition as unknown as Json;
  const fields = { path: ROOT_COMPONENT, definition: json };
  if (row === null) table.insert(fields);
  else if (canonicalJson(row.definition as Json) !== canonicalJson(json)) {
    table.replace(row._id, fields);
  }
}
