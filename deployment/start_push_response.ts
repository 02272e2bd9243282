// The answer of `start_push`: what the CLI generates code from, and what `finish_push` gets back
// (spec deploy 6, components 3 and 4).

import type { IndexDiff } from "../engine/index_lifecycle.ts";
import type { ComponentId } from "../engine/types.ts";
import { schemaToJson } from "../engine/values/schema.ts";
import type { Json } from "../engine/values/value.ts";
import { appDefinition } from "./app_definition.ts";
import type { ComponentDefinition } from "./component_definition.ts";
import { definitionExports, instanceExports } from "./component_exports.ts";
import { type ComponentNode, nodesOf } from "./component_tree.ts";
import type { ComponentPlacement } from "./installed_components.ts";
import type { PlannedDefinition, PushPlan } from "./push_evaluation.ts";
import { udfConfigJson } from "./udf_config.ts";

/** `schemaChange` of the responses, by component path; the CLI hands it to `wait_for_schema`. */
export interface SchemaChange {
  /** Of components that are new. */
  readonly allocatedComponentIds: Record<string, ComponentId>;
  readonly schemaIds: Record<string, string | null>;
  readonly indexDiffs: Record<string, IndexDiff>;
}

export function startPushResponse(plan: PushPlan, schemaChange: SchemaChange): Json {
  const definitions = [...plan.definitions];
  return {
    environmentVariables: plan.environment,
    externalDepsId: null,
    componentDefinitionPackages: Object.fromEntries(
      definitions.map(([path]) => [path, { storageKey: "" }]),
    ),
    appAuth: plan.authProviders as unknown as Json,
    analysis: Object.fromEntries(
      definitions.map(([path, definition]) => [path, analysisJson(definition)]),
    ),
    app: nodeJson(plan.app, plan),
    schemaChange: schemaChange as unknown as Json,
    // Not part of the platform's protocol: the CLI returns unknown keys to `finish_push` as they are.
    push: {
      app: appDefinition(plan.definitions.get("")!.definition) as unknown as Json,
      definitions: Object.fromEntries(
        definitions.map(([path, { modules, udfConfig }]) => [path, {
          modules: modules.map(({ path, environment, hash }) => ({ path, environment, hash })),
          udfConfig: udfConfig as unknown as Json,
        }]),
      ),
      components: [...nodesOf(plan.app)].map(placementJson),
    },
  };
}

function analysisJson(
  { definition, schema, analysis, udfConfig, exports }: PlannedDefinition,
): Json {
  return {
    definition: definitionJson(definition, definitionExports(exports as Map<string, never>)),
    schema: schema === null ? null : schemaToJson(schema),
    functions: analysis as unknown as Json,
    udfConfig: udfConfigJson(udfConfig),
  };
}

function definitionJson(definition: ComponentDefinition, exports: Json): Json {
  const { path, defaultName, httpPrefix, children, mounts, envVars } = definition;
  return {
    path,
    definitionType: defaultName === null
      ? { type: "app" }
      : { type: "childComponent", name: defaultName, args: [] },
    childComponents: children.map((child) => ({
      name: child.name,
      path: child.definitionPath,
      args: [],
      env: child.env as unknown as Json,
    })),
    httpMounts: Object.fromEntries(
      mounts.map(([prefix, child]) => [prefix, `_reference/childComponent/${child}`]),
    ),
    httpPrefix,
    exports,
    envVars: envVars as unknown as Json,
  };
}

/** The tree from `node` down. */
function nodeJson(node: ComponentNode, plan: PushPlan): Json {
  const { exports, analysis } = plan.definitions.get(node.definitionPath)!;
  const routes = analysis["http.js"]?.httpRoutes ?? null;
  return {
    definitionPath: node.definitionPath,
    componentPath: node.path,
    httpPrefix: node.httpPrefix,
    args: {},
    env: node.env as unknown as Json,
    childComponents: Object.fromEntries(
      node.children.map((child) => [child.name, nodeJson(child, plan)]),
    ),
    httpRoutes: {
      httpModuleRoutes: routes?.map(({ route }) => ({ ...route })) ?? null,
      mounts: node.mounts.map(([prefix]) => prefix),
    },
    exports: instanceExports(exports, node.path),
  };
}

function placementJson({ children: _, ...placement }: ComponentNode): Json {
  return placement satisfies ComponentPlacement as unknown as Json;
}
