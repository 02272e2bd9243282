// The body of `start_push` and `evaluate_push`: shape, module paths and the rules that can be
// checked before anything runs. Every problem here is a 400 `InvalidConfig` (spec deploy 4, 5.1).

import { z } from "zod";
import { type PlatformError, userError } from "../engine/errors.ts";
import type { NodeSettings } from "../runtime/frames.ts";

const MODULE_PATH_COMPONENT_LENGTH_MAX = 64;
/** Modules of Node become files, whose paths the system bounds. */
const MODULE_PATH_LENGTH_MAX = 1024;
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
  componentDefinitions: z.array(z.object({
    definitionPath: z.string().min(1),
    definition: moduleConfig,
    dependencies: z.array(z.string()).default([]),
    schema: moduleConfig.nullish(),
    functions: z.array(moduleConfig).default([]),
    udfServerVersion: z.string(),
  })).default([]),
});

type PushBody = z.infer<typeof pushRequest>;

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

/** Code, schema and config of the app or of a component, as pushed. */
export interface PushedDefinition {
  /** Of its directory, relative to the app's; "" for the app (spec components 1). */
  readonly path: string;
  /** Bundle of `convex.config.ts`. */
  readonly definition: PushedModule | null;
  /** Paths of the definitions that it imports. */
  readonly dependencies: readonly string[];
  readonly schema: PushedModule | null;
  readonly changed: readonly PushedModule[];
  readonly unchanged: readonly UnchangedModule[];
  readonly udfServerVersion: string;
}

export interface PushRequest {
  readonly dryRun: boolean;
  readonly forCodegen: boolean;
  readonly node: NodeSettings;
  readonly app: PushedDefinition;
  readonly components: readonly PushedDefinition[];
}

/**
 * Checks a push request that was decoded from JSON.
 * @throws PlatformError `InvalidConfig`, `CanonicalizationConflict`, `ModulesTooLarge`,
 *   `InvalidModules`
 */
export function parsePushRequest(body: unknown): PushRequest {
  const { dryRun, forCodegen, nodeVersion, nodeDependencies, ...pushed } = checkPushBody(
    pushRequest,
    body,
  );
  checkNodeVersion(nodeVersion ?? null);
  const app = pushedApp(pushed.appDefinition);
  const components = pushed.componentDefinitions.map(pushedComponent);
  checkDistinct(components.map(({ path }) => path));
  checkSizes([app, ...components].flatMap(textsOf));
  const node = { version: nodeVersion ?? null, packages: nodeDependencies };
  return { dryRun, forCodegen, node, app, components };
}

/**
 * The body of a request of the push protocol, in its shape.
 * @throws PlatformError `InvalidConfig`
 */
export function checkPushBody<Shape extends z.ZodType>(
  shape: Shape,
  body: unknown,
): z.infer<Shape> {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw userError("InvalidConfig", z.prettifyError(parsed.error));
}

/** All modules of which a push brings the text. */
export function textsOf({ changed, definition, schema }: PushedDefinition): PushedModule[] {
  return [...changed, schema, definition].filter((module) => module !== null);
}

function pushedApp(app: PushBody["appDefinition"]): PushedDefinition {
  return checkedModules({
    path: "",
    definition: app.definition ? pushedModule(app.definition) : null,
    dependencies: app.dependencies,
    schema: app.schema ? pushedModule(app.schema) : null,
    changed: (app.changedModules ?? app.functions ?? []).map(pushedModule),
    unchanged: app.unchangedModuleHashes.map((module) => ({
      ...module,
      path: canonicalModulePath(module.path),
    })),
    udfServerVersion: app.udfServerVersion,
  });
}

function pushedComponent(component: PushBody["componentDefinitions"][number]): PushedDefinition {
  const { definitionPath, definition, dependencies, schema, functions } = component;
  const changed = functions.map(pushedModule);
  const node = changed.find(({ environment }) => environment === "node");
  if (node !== undefined) {
    throw userError(
      "InvalidConfig",
      `Node actions are not supported in components. Remove "use node;" from ${node.path}`,
    );
  }
  return checkedModules({
    path: definitionPath,
    definition: pushedModule(definition),
    dependencies,
    schema: schema ? pushedModule(schema) : null,
    changed,
    unchanged: [],
    udfServerVersion: component.udfServerVersion,
  });
}

function checkedModules(pushed: PushedDefinition): PushedDefinition {
  const modules = [...textsOf(pushed), ...pushed.unchanged];
  checkUnique(modules.map(({ path }) => path));
  const callable = modules.filter((module) =>
    module !== pushed.definition && module !== pushed.schema && !module.path.startsWith("_deps/")
  );
  if (callable.length > FUNCTION_MODULES_MAX) {
    const directory = pushed.path === "" ? "convex/" : pushed.path;
    throw userError(
      "InvalidModules",
      `Too many function files (${callable.length} > maximum ${FUNCTION_MODULES_MAX}) in "${directory}". See our docs (https://docs.convex.dev/using/writing-convex-functions#using-libraries) for more details.`,
    );
  }
  return pushed;
}

function pushedModule(module: z.infer<typeof moduleConfig>): PushedModule {
  const path = canonicalModulePath(module.path);
  // Modules of Node become files beside the app's packages.
  if (module.environment === "node" && path.startsWith("node_modules/")) {
    throw pathError(path, "The `node_modules` directory is reserved.");
  }
  return {
    path,
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
  const fail = (reason: string) => pathError(path, reason);
  if (path.length > MODULE_PATH_LENGTH_MAX) {
    throw fail(`Module path is too long (${path.length} > maximum ${MODULE_PATH_LENGTH_MAX}).`);
  }
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

function pathError(path: string, reason: string): PlatformError {
  return userError("InvalidConfig", `${path} is not a valid path to a Convex module. ${reason}`);
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
  for (const path of paths) {
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const directory = path.slice(0, end);
      if (seen.has(directory)) throw pathError(path, `The module ${directory} is no directory.`);
    }
  }
}

function checkDistinct(definitionPaths: readonly string[]): void {
  const repeated = definitionPaths.find((path, at) => definitionPaths.indexOf(path) !== at);
  if (repeated === undefined) return;
  throw userError("InvalidConfig", `The component definition ${repeated} was pushed twice.`);
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
