// Everything of a push that runs the pushed code: preparing modules, analysing what they export,
// evaluating auth config, schemas and component definitions. Nothing is written; the result is the
// plan that `start_push` begins and `finish_push` completes (spec deploy 5, steps 3 to 6).

import { ROOT_COMPONENT } from "../engine/components.ts";
import type { Engine } from "../engine/engine.ts";
import { PlatformError } from "../engine/errors.ts";
import type { Transaction } from "../engine/transaction.ts";
import { parseSchema, type SchemaDefinition } from "../engine/values/schema.ts";
import type { Analyzer } from "../runtime/analysis.ts";
import type { ModuleAnalysis, PreparedModule, UdfConfig } from "../runtime/frames.ts";
import type { NodeAnalyzer } from "../runtime/node_analysis.ts";
import type { AuthProvider } from "./auth_config.ts";
import { AUTH_CONFIG_MODULE, evaluateAuthConfig } from "./auth_evaluation.ts";
import { type SystemVariables, systemVariables } from "./canonical_urls.ts";
import type { ComponentDefinition } from "./component_definition.ts";
import { type ExportTree, publicFunctions } from "./component_exports.ts";
import { type ComponentNode, instantiateApp } from "./component_tree.ts";
import { declaredCrons } from "./cron_specs.ts";
import { evaluateDefinitions, usedDefinitions } from "./definition_evaluation.ts";
import { readEnvironment } from "./environment.ts";
import { duringSchemaEvaluation } from "./push_error.ts";
import {
  type PushedDefinition,
  type PushedModule,
  type PushRequest,
  textsOf,
  type UnchangedModule,
} from "./push_request.ts";
import {
  emptyAnalysis,
  isPrepared,
  moduleHash,
  type ModuleTexts,
  type ModuleToStore,
  storedModules,
  storedSource,
} from "./stored_modules.ts";
import { nextUdfConfig, readUdfConfig } from "./udf_config.ts";

/** What a push makes of the app's directory or of one component's. */
export interface PlannedDefinition {
  readonly definition: ComponentDefinition;
  /** Also of schema and definition, which are stored alike but define no functions. */
  readonly modules: readonly ModuleToStore[];
  /** What the modules that may define functions export, by path. */
  readonly analysis: Readonly<Record<string, ModuleAnalysis>>;
  /** Texts of all modules. */
  readonly sources: readonly PreparedModule[];
  readonly udfConfig: UdfConfig;
  readonly schema: SchemaDefinition | null;
  /** What instances offer to their parent; nothing for the app. */
  readonly exports: ReadonlyMap<string, ExportTree>;
}

/** What a push would make of the deployment. */
export interface PushPlan {
  /** The developer's variables that the code was evaluated with. */
  readonly environment: Record<string, string>;
  readonly authProviders: readonly AuthProvider[];
  /** By definition path. */
  readonly definitions: ReadonlyMap<string, PlannedDefinition>;
  readonly app: ComponentNode;
}

export interface EvaluationContext {
  readonly engine: Engine;
  readonly analyzer: Analyzer;
  readonly nodeAnalyzer: NodeAnalyzer;
  readonly origins: SystemVariables;
  readonly nowMs: number;
}

/** What the evaluation needs to know of the running deployment, as of one snapshot. */
interface Baseline {
  readonly environment: Record<string, string>;
  readonly system: SystemVariables;
  readonly udfConfig: UdfConfig | null;
  /** Unchanged modules of the app, with their texts. */
  readonly unchanged: readonly PreparedModule[];
  /** Texts of pushed modules that an earlier push prepared already, by hash. */
  readonly prepared: ReadonlyMap<string, ModuleTexts>;
}

/** A pushed definition whose modules can be run. */
interface PreparedDefinition {
  readonly pushed: PushedDefinition;
  /** The modules that are neither schema nor definition. */
  readonly modules: readonly PreparedModule[];
  readonly schema: PreparedModule | null;
  /** `convex.config.js`. */
  readonly module: PreparedModule | null;
}

/** A definition of which all but `convex.config.ts` is evaluated. */
type EvaluatedCode = Pick<PlannedDefinition, "analysis" | "schema" | "udfConfig">;

/**
 * Evaluates a push.
 * @throws PlatformError with the codes of spec deploy 5 to 9 and components 3 and 4, without the
 *   push's prefix
 */
export async function evaluateCode(
  request: PushRequest,
  context: EvaluationContext,
): Promise<PushPlan> {
  const { analyzer, nodeAnalyzer } = context;
  const pushed = usedDefinitions(request.app, request.components);
  const baseline =
    context.engine.read((tx) => readBaseline(tx, request, pushed, context.origins)).value;
  const prepared = await Promise.all(
    pushed.map((definition) => prepareDefinition(definition, baseline, analyzer)),
  );
  const variables = { ...baseline.system, ...baseline.environment };
  const { node: _, ...appConfig } = nextUdfConfig(
    baseline.udfConfig,
    request.app.udfServerVersion,
    context.nowMs,
  );

  const code = new Map<string, EvaluatedCode>();
  let authProviders: readonly AuthProvider[] = [];
  // The app, which comes last, first: its errors matter most.
  for (const definition of prepared.toReversed()) {
    const { path, udfServerVersion } = definition.pushed;
    const udfConfig = {
      ...appConfig,
      serverVersion: udfServerVersion,
      ...path === "" && { node: request.node },
    };
    const environment = path === "" ? variables : null;
    const authModule = path === "" ? authModuleOf(definition) : null;
    const modules = definition.modules.filter((module) => module !== authModule);
    const ofNode = modules.filter(isNodeModule);
    const ofIsolates = modules.filter((module) => !isNodeModule(module));
    const analysis = {
      ...path === "" &&
        await nodeAnalyzer.analyzeModules(ofNode, request.node.packages, variables),
      ...await analyzer.analyzeModules(ofIsolates, environment, udfConfig),
    };
    declaredCrons(analysis);
    if (authModule !== null) {
      authProviders = await evaluateAuthConfig(analyzer, authModule, variables);
    }
    const schema = await evaluateSchema(definition, udfConfig, analyzer);
    code.set(path, { analysis, schema, udfConfig });
  }

  const evaluated = await evaluateDefinitions(prepared, analyzer, variables);
  const definitions = new Map(prepared.map((definition) => {
    const { path } = definition.pushed;
    return [path, plannedDefinition(definition, code.get(path)!, evaluated.get(path)!)];
  }));
  const instantiable = new Map([...definitions].map(([path, { definition, analysis }]) => {
    const routes = analysis["http.js"]?.httpRoutes?.map(({ route }) => route.path) ?? null;
    return [path, { definition, routePaths: routes }];
  }));
  const { forCodegen } = request;
  const app = instantiateApp(instantiable, { forCodegen });
  return { environment: baseline.environment, authProviders, definitions, app };
}

function authModuleOf({ modules }: PreparedDefinition): PreparedModule | null {
  return modules.find(({ path }) => path === AUTH_CONFIG_MODULE) ?? null;
}

async function evaluateSchema(
  { pushed, schema }: PreparedDefinition,
  udfConfig: UdfConfig,
  analyzer: Analyzer,
): Promise<SchemaDefinition | null> {
  if (schema === null) return null;
  const exceptionCode = pushed.path === "" ? "Error" : "InvalidSchema";
  const evaluate = async () =>
    parseSchema(await analyzer.evaluateSchema(schema, udfConfig, exceptionCode));
  return await duringSchemaEvaluation(pushed.path, evaluate);
}

function plannedDefinition(
  { pushed, modules, schema, module }: PreparedDefinition,
  code: EvaluatedCode,
  definition: ComponentDefinition,
): PlannedDefinition {
  const sources = [...modules, schema, module].filter((source) => source !== null);
  return {
    ...code,
    definition,
    sources,
    modules: sources.map(({ path, hash, environment }): ModuleToStore => ({
      path,
      hash,
      environment,
      analysis: code.analysis[path] ?? emptyAnalysis(path),
    })),
    exports: pushed.path === "" ? new Map() : publicFunctions(code.analysis),
  };
}

function readBaseline(
  tx: Transaction,
  request: PushRequest,
  definitions: readonly PushedDefinition[],
  origins: SystemVariables,
): Baseline {
  const prepared = new Map<string, ModuleTexts>();
  for (const module of definitions.flatMap(textsOf)) {
    const hash = moduleHash(module.source, module.sourceMap);
    if (prepared.has(hash)) continue;
    const texts = storedSource(tx, hash);
    if (texts !== null) prepared.set(hash, texts);
  }
  return {
    environment: readEnvironment(tx),
    system: systemVariables(tx, origins),
    udfConfig: readUdfConfig(tx, ROOT_COMPONENT),
    prepared,
    unchanged: unchangedModules(tx, request.app.unchanged),
  };
}

function unchangedModules(
  tx: Transaction,
  unchanged: readonly UnchangedModule[],
): PreparedModule[] {
  const stored = new Map(
    storedModules(tx, ROOT_COMPONENT).map((module) => [module.path, module]),
  );
  return unchanged.map((module) => {
    const existing = stored.get(module.path);
    if (existing === undefined) throw missingModule(module);
    if (existing.hash !== module.sha256) {
      throw new PlatformError(
        "conflict",
        "ExistingModuleHashConflict",
        `Module ${module.path} has hash ${existing.hash} on the deployment, the push expects ${module.sha256}.`,
      );
    }
    if (existing.environment !== module.environment) {
      throw new PlatformError(
        "conflict",
        "ExistingModuleEnvConflict",
        `Module ${module.path} has environment ${existing.environment} on the deployment, the push expects ${module.environment}.`,
      );
    }
    const texts = storedSource(tx, existing.hash);
    if (texts === null) {
      throw new PlatformError(
        "conflict",
        "MissingExistingModuleMetadata",
        `The source of module ${module.path} is missing on the deployment.`,
      );
    }
    return { ...texts, path: module.path, environment: existing.environment };
  });
}

function missingModule(module: UnchangedModule): PlatformError {
  return new PlatformError(
    "conflict",
    "MissingExistingModule",
    `Module ${module.path} is declared unchanged but does not exist on the deployment.`,
  );
}

async function prepareDefinition(
  pushed: PushedDefinition,
  baseline: Baseline,
  analyzer: Analyzer,
): Promise<PreparedDefinition> {
  const prepare = (modules: readonly PushedModule[]) => prepareModules(modules, baseline, analyzer);
  const prepareOne = async (module: PushedModule | null) =>
    module === null ? null : (await prepare([module]))[0]!;
  const [changed, schema, module] = await Promise.all([
    prepare(pushed.changed),
    prepareOne(pushed.schema),
    prepareOne(pushed.definition),
  ]);
  const unchanged = pushed.path === "" ? baseline.unchanged : [];
  return { pushed, modules: [...changed, ...unchanged], schema, module };
}

/**
 * Turns pushed modules into what isolates load, reusing what an earlier push prepared. Those for Node
 * run as they are.
 */
async function prepareModules(
  modules: readonly PushedModule[],
  baseline: Baseline,
  analyzer: Analyzer,
): Promise<PreparedModule[]> {
  const known = new Map<PushedModule, PreparedModule>();
  for (const module of modules) {
    const { path, environment, source, sourceMap } = module;
    const hash = moduleHash(source, sourceMap);
    const texts = baseline.prepared.get(hash);
    if (isNodeModule(module)) known.set(module, unprepared(module, hash));
    else if (texts !== undefined && isPrepared(texts)) {
      known.set(module, { ...texts, path, environment });
    }
  }
  const fresh = modules.filter((module) => !known.has(module));
  const made = new Map(
    (await analyzer.prepare(fresh)).map((module) => [module.path, module]),
  );
  return modules.map((module) => known.get(module) ?? made.get(module.path)!);
}

function isNodeModule({ environment }: Pick<PushedModule, "environment">): boolean {
  return environment === "node";
}

function unprepared(module: PushedModule, hash: string): PreparedModule {
  return { ...module, hash, code: "", codeMap: null, imports: [], reuseObstacle: null };
}
