// Everything of a push that runs the pushed code: preparing modules, analysing what they export,
// evaluating auth config, schema and app definition. Nothing is written; the result is the plan
// that `start_push` begins and `finish_push` completes (spec deploy 5, steps 3 to 6).

import { ROOT_COMPONENT } from "../engine/components.ts";
import type { Engine } from "../engine/engine.ts";
import { PlatformError, userError } from "../engine/errors.ts";
import type { Transaction } from "../engine/transaction.ts";
import { parseSchema, type SchemaDefinition } from "../engine/values/schema.ts";
import type { Analyzer } from "../runtime/analysis.ts";
import type { PreparedModule, UdfConfig } from "../runtime/frames.ts";
import { type AppDefinition, EMPTY_DEFINITION, parseDefinition } from "./app_definition.ts";
import { AUTH_CONFIG_MODULE, evaluateAuthConfig } from "./auth_evaluation.ts";
import type { AuthProvider } from "./auth_config.ts";
import { type SystemVariables, systemVariables } from "./canonical_urls.ts";
import { declaredCrons } from "./cron_specs.ts";
import { readEnvironment } from "./environment.ts";
import { duringSchemaEvaluation } from "./push_error.ts";
import type { PushedModule, PushRequest, UnchangedModule } from "./push_request.ts";
import {
  emptyAnalysis,
  moduleHash,
  type ModuleTexts,
  type ModuleToStore,
  storedModules,
  storedSource,
} from "./stored_modules.ts";
import { nextUdfConfig, readUdfConfig } from "./udf_config.ts";

/** A module of the push; schema and definition are stored like it but define no functions. */
export interface PlannedModule extends ModuleToStore {
  readonly isFunctionModule: boolean;
}

/** What a push would make of the deployment. */
export interface PushPlan {
  /** The developer's variables that the code was evaluated with. */
  readonly environment: Record<string, string>;
  readonly modules: readonly PlannedModule[];
  /** Texts of all modules. */
  readonly sources: readonly PreparedModule[];
  readonly udfConfig: UdfConfig;
  readonly authProviders: readonly AuthProvider[];
  readonly schema: SchemaDefinition | null;
  readonly definition: AppDefinition;
}

export interface EvaluationContext {
  readonly engine: Engine;
  readonly analyzer: Analyzer;
  readonly origins: SystemVariables;
  readonly nowMs: number;
}

/** What the evaluation needs to know of the running deployment, as of one snapshot. */
interface Baseline {
  readonly environment: Record<string, string>;
  readonly system: SystemVariables;
  readonly udfConfig: UdfConfig | null;
  /** Unchanged modules, with their texts. */
  readonly unchanged: readonly PreparedModule[];
  /** Texts of pushed modules that an earlier push prepared already, by hash. */
  readonly prepared: ReadonlyMap<string, ModuleTexts>;
}

/**
 * Evaluates a push.
 * @throws PlatformError with the codes of spec deploy 5 to 9, without the push's prefix
 */
export async function evaluateCode(
  request: PushRequest,
  context: EvaluationContext,
): Promise<PushPlan> {
  const baseline = context.engine.read((tx) => readBaseline(tx, request, context.origins)).value;
  refuseNodeModules(request);
  const changed = await prepareModules(request.changed, baseline, context.analyzer);
  const modules = [...changed, ...baseline.unchanged];
  const udfConfig = nextUdfConfig(baseline.udfConfig, request.udfServerVersion, context.nowMs);
  const environment = { ...baseline.system, ...baseline.environment };
  const { analyzer } = context;

  const authModule = modules.find(({ path }) => path === AUTH_CONFIG_MODULE) ?? null;
  const analysis = await analyzer.analyzeModules(
    modules.filter((module) => module !== authModule),
    environment,
    udfConfig,
  );
  declaredCrons(analysis);
  const authProviders = authModule === null
    ? []
    : await evaluateAuthConfig(analyzer, authModule, environment);
  const [schemaModule] = await prepareModules(
    request.schema === null ? [] : [request.schema],
    baseline,
    analyzer,
  );
  const schema = schemaModule === undefined ? null : await duringSchemaEvaluation(
    async () => parseSchema(await analyzer.evaluateSchema(schemaModule, udfConfig)),
  );
  const [definitionModule] = await prepareModules(
    request.definition === null ? [] : [request.definition],
    baseline,
    analyzer,
  );
  const definition = definitionModule === undefined
    ? EMPTY_DEFINITION
    : parseDefinition(await analyzer.evaluateDefinition(definitionModule, environment));

  const sources = [...modules, schemaModule, definitionModule]
    .filter((module) => module !== undefined);
  return {
    environment: baseline.environment,
    modules: sources.map(({ path, hash, environment }): PlannedModule => ({
      path,
      hash,
      environment,
      analysis: analysis[path] ?? emptyAnalysis(path),
      isFunctionModule: analysis[path] !== undefined,
    })),
    sources,
    udfConfig,
    authProviders,
    schema,
    definition,
  };
}

function readBaseline(tx: Transaction, request: PushRequest, origins: SystemVariables): Baseline {
  const stored = new Map(
    storedModules(tx, ROOT_COMPONENT).map((module) => [module.path, module]),
  );
  const prepared = new Map<string, ModuleTexts>();
  for (const module of [...request.changed, request.schema, request.definition]) {
    if (module === null) continue;
    const hash = moduleHash(module.source, module.sourceMap);
    const texts = storedSource(tx, hash);
    if (texts !== null) prepared.set(hash, texts);
  }
  return {
    environment: readEnvironment(tx),
    system: systemVariables(tx, origins),
    udfConfig: readUdfConfig(tx),
    prepared,
    unchanged: request.unchanged.map((module) => {
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
    }),
  };
}

function missingModule(module: UnchangedModule): PlatformError {
  return new PlatformError(
    "conflict",
    "MissingExistingModule",
    `Module ${module.path} is declared unchanged but does not exist on the deployment.`,
  );
}

function refuseNodeModules(request: PushRequest): void {
  const modules = [...request.changed, ...request.unchanged];
  if (modules.every(({ environment }) => environment === "isolate")) return;
  throw userError(
    "DeploymentNotConfiguredForNodeActions",
    `Deployment is not configured to deploy "use node" actions. Node.js v20, 22, or 24 is not installed. Install a supported Node.js version with nvm (https://github.com/nvm-sh/nvm) to deploy Node.js actions.`,
  );
}

/** Turns pushed modules into what isolates load, reusing what an earlier push prepared. */
async function prepareModules(
  modules: readonly PushedModule[],
  baseline: Baseline,
  analyzer: Analyzer,
): Promise<PreparedModule[]> {
  const hashes = modules.map(({ source, sourceMap }) => moduleHash(source, sourceMap));
  const fresh = modules.filter((_, position) => !baseline.prepared.has(hashes[position]!));
  const made = new Map(
    (await analyzer.prepare(fresh)).map((module) => [module.path, module]),
  );
  return modules.map(({ path }, position) => {
    const texts = baseline.prepared.get(hashes[position]!);
    return texts === undefined ? made.get(path)! : { ...texts, path, environment: "isolate" };
  });
}
