// The body of `start_push` and `evaluate_push`: shape, module paths and the rules that can be
// checked before anything runs. Every problem here is a 400 `InvalidConfig` (spec deploy 4, 5.1).

import { z } from "zod";
import { userError } from "../engine/errors.ts";

const MODULE_PATH_COMPONENT_LENGTH_MAX = 64;
/** Of the sources and source maps of one push together (spec deploy 5.3). */
const MODULES_SIZE_BYTES_MAX = 230_000_000;
const FUNCTION_MODULES_MAX = 4096;
const NODE_VERSIONS = ["20", "22", "24"];

const environment = z.enum(["isolate", "node"]);
const moduleConfig = z.object({
  path: z.string(),
  source: z.string(),
  sourceMap: z.string().nullish(),
  environment: environment.default("isolate"),
});
const moduleHash = z.object({ path: z.string(), environment, sha256: z.string() });

const pushRequest = z.object({
  adminKey: z.string(),
  dryRun: z.boolean().default(false),
  forCodegen: z.boolean().default(false),
  functions: z.string().optional(),
  nodeDependencies: z.array(z.object({ name: z.string(), version: z.string() })).default([]),
  nodeVersion: z.string().nullish(),
  appDefinition: z.object({
    definition: moduleConfig.nullish(),
    dependencies: z.array(z.string()).default([]),
    schema: moduleConfig.nullish(),
    changedModules: z.array(moduleConfig).optional(),
    /** The name of `changedModules` in older CLIs. */
    functions: z.array(moduleConfig).optional(),
    unchangedModuleHashes: z.array(moduleHash).default([]),
    udfServerVersion: z.string(),
  }),
  componentDefinitions: z.array(z.object({ definitionPath: z.string() })).default([]),
});

export interface PushedModule {
  /** Canonical: relative, with `.js`. */
  readonly path: string;
  readonly environment: "isolate" | "node";
  readonly source: string;
  readonly sourceMap: string | null;
}

export interface UnchangedModule {
  readonly path: string;
  readonly environment: "isolate" | "node";
  readonly sha256: string;
}

export interface PushRequest {
  readonly dryRun: boolean;
  readonly forCodegen: boolean;
  readonly udfServerVersion: string;
  readonly definition: PushedModule | null;
  readonly schema: PushedModule | null;
  readonly changed: readonly PushedModule[];
  readonly unchanged: readonly UnchangedModule[];
}

/**
 * Checks a push request that was decoded from JSON.
 * @throws PlatformError `InvalidConfig`, `CanonicalizationConflict`, `ModulesTooLarge`,
 *   `InvalidModules`
 */
export function parsePushRequest(body: unknown): PushRequest {
  const parsed = pushRequest.safeParse(body);
  if (!parsed.success) throw userError("InvalidConfig", z.prettifyError(parsed.error));
  const { appDefinition: app, componentDefinitions, nodeVersion } = parsed.data;
  checkNodeVersion(nodeVersion ?? null);
  if (componentDefinitions.length > 0 || app.dependencies.length > 0) {
    throw userError("InvalidConfig", "This server does not support components yet.");
  }
  const changed = (app.changedModules ?? app.functions ?? []).map(pushedModule);
  const unchanged = app.unchangedModuleHashes.map((module) => ({
    ...module,
    path: canonicalModulePath(module.path),
  }));
  const definition = app.definition ? pushedModule(app.definition) : null;
  const schema = app.schema ? pushedModule(app.schema) : null;
  const all = [...changed, ...unchanged, definition, schema].filter((module) => module !== null);
  checkUnique(all.map((module) => module.path));
  checkSizes([...changed, definition, schema].filter((module) => module !== null));
  const callable = [...changed, ...unchanged].filter(({ path }) => !path.startsWith("_deps/"));
  if (callable.length > FUNCTION_MODULES_MAX) {
    throw userError(
      "InvalidModules",
      `Too many function files (${callable.length} > maximum ${FUNCTION_MODULES_MAX}) in "convex/". See our docs (https://docs.convex.dev/using/writing-convex-functions#using-libraries) for more details.`,
    );
  }
  return {
    dryRun: parsed.data.dryRun,
    forCodegen: parsed.data.forCodegen,
    udfServerVersion: app.udfServerVersion,
    definition,
    schema,
    changed,
    unchanged,
  };
}

function pushedModule(module: z.infer<typeof moduleConfig>): PushedModule {
  return {
    path: canonicalModulePath(module.path),
    environment: module.environment,
    source: module.source,
    sourceMap: module.sourceMap ?? null,
  };
}

/**
 * The module path with its extension.
 * @throws PlatformError `InvalidConfig` when it is no path that a module may have (spec deploy 4)
 */
export function canonicalModulePath(path: string): string {
  const fail = (reason: string) =>
    userError("InvalidConfig", `${path} is not a valid path to a Convex module. ${reason}`);
  if (path.startsWith("/")) throw fail("Module paths must be relative.");
  const lastDot = path.slice(path.lastIndexOf("/") + 1).lastIndexOf(".");
  const canonical = lastDot > 0 ? path : `${path}.js`;
  if (!canonical.endsWith(".js")) {
    throw fail(`Module path (${path}) has an extension that isn't 'js'.`);
  }
  for (const component of canonical.split("/")) {
    if (component.length > MODULE_PATH_COMPONENT_LENGTH_MAX) {
      throw fail(
        `Path component is too long (${component.length} > maximum ${MODULE_PATH_COMPONENT_LENGTH_MAX}).`,
      );
    }
    if (!/^[A-Za-z0-9_.]*$/.test(component)) {
      throw fail(
        `Path component ${component} can only contain alphanumeric characters, underscores, or periods.`,
      );
    }
    if (!/[A-Za-z0-9]/.test(component)) {
      throw fail(`Path component ${component} must have at least one alphanumeric character.`);
    }
  }
  if (canonical.startsWith("_system/")) {
    throw fail("The `_system` directory is reserved.");
  }
  return canonical;
}

function checkNodeVersion(version: string | null): void {
  if (version === null || NODE_VERSIONS.includes(version)) return;
  throw userError(
    "InvalidConfig",
    version === "18"
      ? `Node 18 is no longer supported. Upgrade to a newer Node version (${
        NODE_VERSIONS.join(", ")
      }).`
      : `Invalid node version: ${version}`,
  );
}

function checkUnique(paths: readonly string[]): void {
  const seen = new Set<string>();
  for (const path of paths) {
    if (seen.has(path)) {
      throw userError(
        "CanonicalizationConflict",
        `Found multiple modules with the same canonical path: ${path}`,
      );
    }
    seen.add(path);
  }
}

function checkSizes(modules: readonly PushedModule[]): void {
  let bytes = 0;
  for (const { source, sourceMap } of modules) bytes += source.length + (sourceMap?.length ?? 0);
  if (bytes > MODULES_SIZE_BYTES_MAX) {
    throw userError(
      "ModulesTooLarge",
      `Total module size exceeded the maximum (${bytes} bytes > ${MODULES_SIZE_BYTES_MAX} bytes unzipped).`,
    );
  }
}
