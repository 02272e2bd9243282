// The app's `convex.config.ts` after evaluation: what `defineApp()` declared. The stored copy tells
// later changes of environment variables what the running app requires (spec components 3).

import type { Transaction } from "../engine/transaction.ts";
import { userError } from "../engine/errors.ts";
import { canonicalJson } from "../engine/values/json.ts";
import type { Json } from "../engine/values/value.ts";
import { z } from "zod";

/** Definition path of the app itself. */
export const ROOT_DEFINITION = "";

const envVarDeclaration = z.object({
  type: z.literal("value"),
  /** JSON text of a validator. */
  value: z.string(),
  optional: z.boolean().default(false),
});

const definitionShape = z.object({
  definitionType: z.looseObject({ type: z.literal("app") }),
  httpPrefix: z.string().nullish(),
  childComponents: z.array(z.unknown()),
  httpMounts: z.record(z.string(), z.unknown()),
  envVars: z.array(z.tuple([z.string(), envVarDeclaration])).nullish(),
});

export type EnvVarDeclaration = z.infer<typeof envVarDeclaration>;

export interface AppDefinition {
  readonly httpPrefix: string | null;
  readonly envVars: readonly [string, EnvVarDeclaration][] | null;
  /** Prefix and child name of each component that the app mounts; absent in old documents: none. */
  readonly mounts?: readonly (readonly [prefix: string, childName: string])[];
}

/** What `defineApp()` without arguments exports. */
export const EMPTY_DEFINITION: AppDefinition = { httpPrefix: null, envVars: null };

/**
 * Checks what the definition module's `export()` returned.
 * @throws PlatformError `InvalidDefinition`, `InvalidEnvVarDeclaration`, `InvalidConfig`
 */
export function parseDefinition(exported: unknown): AppDefinition {
  const parsed = definitionShape.safeParse(exported);
  if (!parsed.success) {
    throw userError(
      "InvalidDefinition",
      `The default export of \`convex.config.ts\` in your app has an invalid value (${
        z.prettifyError(parsed.error)
      }).`,
    );
  }
  const definition = parsed.data;
  if (definition.childComponents.length > 0) {
    throw userError("InvalidConfig", "This server does not support components yet.");
  }
  for (const [name, declaration] of definition.envVars ?? []) checkDeclaration(name, declaration);
  return { httpPrefix: definition.httpPrefix ?? null, envVars: definition.envVars ?? null };
}

function checkDeclaration(name: string, declaration: EnvVarDeclaration): void {
  let validator: unknown;
  try {
    validator = JSON.parse(declaration.value);
  } catch {
    validator = null;
  }
  if (!isStringValidator(validator)) {
    throw userError(
      "InvalidEnvVarDeclaration",
      `Environment variable ${name} must be declared as a string, a string literal or a union of those.`,
    );
  }
}

function isStringValidator(validator: unknown): boolean {
  if (typeof validator !== "object" || validator === null) return false;
  const { type, value } = validator as { type?: unknown; value?: unknown };
  if (type === "string") return true;
  if (type === "literal") return typeof value === "string";
  return type === "union" && Array.isArray(value) && value.every(isStringValidator);
}

/** The definition of the running app, null before the first push. */
export function readDefinition(tx: Transaction): AppDefinition | null {
  const row = tx.table("componentDefinitions").first("by_path", [ROOT_DEFINITION]);
  return row === null ? null : row.definition as unknown as AppDefinition;
}

/** Makes `definition` that of the running app. */
export function writeDefinition(tx: Transaction, definition: AppDefinition): void {
  const table = tx.table("componentDefinitions");
  const row = table.first("by_path", [ROOT_DEFINITION]);
  const json = definition as unknown as Json;
  const fields = { path: ROOT_DEFINITION, definition: json };
  if (row === null) table.insert(fields);
  else if (canonicalJson(row.definition as Json) !== canonicalJson(json)) {
    table.replace(row._id, fields);
  }
}
