// What `convex.config.ts` of the app or of a component declares: the result of its evaluation,
// checked (spec components 3). The checks here need nothing but the one definition.

import { z } from "zod";
import type { EnvBinding } from "../engine/components.ts";
import { type PlatformError, userError } from "../engine/errors.ts";
import { identifierProblem } from "../engine/values/field.ts";

const CHILD_REFERENCE = "_reference/childComponent/";

const envVarDeclaration = z.object({
  type: z.literal("value"),
  /** JSON text of a validator. */
  value: z.string(),
  optional: z.boolean().default(false),
});

const envBinding = z.discriminatedUnion("type", [
  z.object({ type: z.literal("value"), value: z.string() }),
  z.object({ type: z.literal("envVar"), name: z.string() }),
]);

const definitionShape = z.object({
  definitionType: z.discriminatedUnion("type", [
    z.object({ type: z.literal("app") }),
    z.object({ type: z.literal("childComponent"), name: z.string() }),
  ]),
  httpPrefix: z.string().nullish(),
  childComponents: z.array(z.object({
    name: z.string(),
    path: z.string(),
    env: z.array(z.tuple([z.string(), envBinding])).nullish(),
  })),
  httpMounts: z.record(z.string(), z.string()),
  envVars: z.array(z.tuple([z.string(), envVarDeclaration])).nullish(),
});

export type EnvVarDeclaration = z.infer<typeof envVarDeclaration>;

/** One `use()` of another definition. */
export interface ChildDeclaration {
  readonly name: string;
  readonly definitionPath: string;
  /** Bindings may name variables that this definition declares. */
  readonly env: readonly (readonly [name: string, EnvBinding])[];
}

export interface ComponentDefinition {
  /** Definition path; "" for the app. */
  readonly path: string;
  /** The name that instances have if `use()` gives none; null for the app. */
  readonly defaultName: string | null;
  /** Of the app's own routes. */
  readonly httpPrefix: string | null;
  /** In the order of the `use()` calls. */
  readonly children: readonly ChildDeclaration[];
  readonly mounts: readonly (readonly [prefix: string, childName: string])[];
  readonly envVars: readonly (readonly [name: string, EnvVarDeclaration])[] | null;
}

/** What `defineApp()` without arguments makes. */
export const EMPTY_APP: ComponentDefinition = {
  path: "",
  defaultName: null,
  httpPrefix: null,
  children: [],
  mounts: [],
  envVars: null,
};

/**
 * Reads what the definition's `export()` returned.
 * @throws PlatformError `InvalidDefinition`, `InvalidEnvVarDeclaration`
 */
export function parseDefinition(exported: unknown, path: string): ComponentDefinition {
  const parsed = definitionShape.safeParse(exported);
  if (!parsed.success) throw invalidDefinition(path, z.prettifyError(parsed.error));
  const { definitionType, httpPrefix, childComponents, httpMounts, envVars } = parsed.data;
  const isApp = definitionType.type === "app";
  if (isApp !== (path === "")) {
    throw invalidDefinition(path, `expected ${isApp ? "a component" : "an app"} definition`);
  }
  for (const { name } of childComponents) checkName(path, name);
  if (!isApp) checkName(path, definitionType.name);
  if (httpPrefix) checkHttpPath(path, httpPrefix);
  for (const [name, declaration] of envVars ?? []) checkDeclaration(name, declaration);
  const mounts = Object.entries(httpMounts).map(([prefix, reference]) => {
    checkHttpPath(path, prefix);
    if (!reference.startsWith(CHILD_REFERENCE)) {
      throw invalidDefinition(path, `${reference} is no reference to a child component`);
    }
    return [prefix, reference.slice(CHILD_REFERENCE.length)] as const;
  });
  return {
    path,
    defaultName: isApp ? null : definitionType.name,
    httpPrefix: httpPrefix ?? null,
    children: childComponents.map((child) => ({
      name: child.name,
      definitionPath: child.path,
      env: child.env ?? [],
    })),
    mounts,
    envVars: envVars ?? null,
  };
}

function invalidDefinition(path: string, why: string): PlatformError {
  const place = path === ""
    ? "The default export of `convex.config.ts` in your app"
    : `The default export of \`convex.config.ts\` in component \`${path}\``;
  return userError("InvalidDefinition", `${place} has an invalid value (${why}).`);
}

function checkName(path: string, name: string): void {
  const problem = identifierProblem(name);
  if (problem !== null) throw invalidDefinition(path, `component name: ${problem}`);
}

function checkHttpPath(path: string, httpPath: string): void {
  const problem = !httpPath.startsWith("/")
    ? "must start with a /"
    : !httpPath.endsWith("/")
    ? "must end with a /"
    : /[*?#]/.test(httpPath)
    ? "must contain neither a wildcard nor a query"
    : null;
  if (problem !== null) throw invalidDefinition(path, `HTTP path "${httpPath}" ${problem}`);
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
