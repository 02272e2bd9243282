// `finish_push`: one transaction that makes the pushed code the running code. Either all of modules,
// schema, indexes, auth providers and crons change, or, on any error, nothing (spec deploy 12).

import { z } from "zod";
import { ROOT_COMPONENT } from "../engine/components.ts";
import type { Engine } from "../engine/engine.ts";
import { userError } from "../engine/errors.ts";
import { finishIndexes, type IndexDiff } from "../engine/index_lifecycle.ts";
import { activateSchema } from "../engine/schema_lifecycle.ts";
import type { Transaction } from "../engine/transaction.ts";
import { parseSchema } from "../engine/values/schema.ts";
import type { Json } from "../engine/values/value.ts";
import type { ModuleAnalysis, UdfConfig } from "../runtime/frames.ts";
import { type AppDefinition, ROOT_DEFINITION, writeDefinition } from "./app_definition.ts";
import type { AuthProvider } from "./auth_config.ts";
import { type AuthDiff, replaceAuthProviders } from "./auth_evaluation.ts";
import { type CronDiff, declaredCrons, replaceCrons } from "./cron_specs.ts";
import { checkDeclaredValue, readEnvironment } from "./environment.ts";
import { duringPush } from "./push_error.ts";
import { replaceFunctionHandles } from "./function_handles.ts";
import {
  collectUnusedSources,
  emptyAnalysis,
  type ModuleDiff,
  type ModuleToStore,
  replaceModules,
  storedSource,
} from "./stored_modules.ts";
import { readUdfConfig, writeUdfConfig } from "./udf_config.ts";

const MESSAGE_SIZE_BYTES_MAX = 1024;
/** Shown as the previous version when nothing was pushed before. */
const UNSPECIFIED_VERSION = "Unspecified version";

const finishPushRequest = z.object({
  startPush: z.object({
    environmentVariables: z.record(z.string(), z.string()),
    appAuth: z.array(z.looseObject({})),
    analysis: z.record(
      z.string(),
      z.object({ functions: z.record(z.string(), z.looseObject({})) }),
    ),
    schemaChange: z.object({ schemaIds: z.record(z.string(), z.string().nullable()) }),
    push: z.object({
      modules: z.array(z.object({
        path: z.string(),
        environment: z.enum(["isolate", "node"]),
        hash: z.string(),
      })),
      udfConfig: z.object({
        serverVersion: z.string(),
        importPhaseRngSeed: z.string(),
        importPhaseUnixTimestamp: z.number(),
      }),
      definition: z.looseObject({}),
    }),
  }),
  dryRun: z.boolean().default(false),
  message: z.string().nullish(),
});

interface FinishedChanges {
  readonly auth: AuthDiff;
  readonly modules: ModuleDiff;
  readonly udfConfig: { readonly previous_version: string; readonly next_version: string } | null;
  readonly crons: CronDiff;
  readonly indexes: IndexDiff;
  readonly schema: {
    readonly previous_schema: string | null;
    readonly next_schema: string | null;
  } | null;
}

const NO_CHANGES: FinishedChanges = {
  auth: { added: [], removed: [] },
  modules: { added: [], removed: [] },
  udfConfig: null,
  crons: { added: [], updated: [], deleted: [] },
  indexes: { added_indexes: [], removed_indexes: [], enabled_indexes: [], disabled_indexes: [] },
  schema: null,
};

/** What `start_push` decided, as it came back. */
interface StartedPush {
  readonly environment: Record<string, string>;
  readonly schemaId: string | null;
  readonly authProviders: readonly AuthProvider[];
  readonly modules: readonly ModuleToStore[];
  readonly udfConfig: UdfConfig;
  readonly definition: AppDefinition;
}

/**
 * Completes a push.
 * @returns the response body of spec deploy 12
 * @throws PlatformError 400 with the codes of that section
 */
export async function finishPush(body: unknown, engine: Engine, nowMs: number): Promise<Json> {
  return await duringPush(async () => {
    const parsed = finishPushRequest.safeParse(body);
    if (!parsed.success) throw userError("InvalidConfig", z.prettifyError(parsed.error));
    const { startPush: echo, dryRun, message } = parsed.data;
    if (new TextEncoder().encode(message ?? "").length > MESSAGE_SIZE_BYTES_MAX) {
      throw userError(
        "PushMessageTooLong",
        `The push message is longer than ${MESSAGE_SIZE_BYTES_MAX} bytes.`,
      );
    }
    if (dryRun) return finishPushResponse(NO_CHANGES);
    const analysed: Partial<Record<string, ModuleAnalysis>> = Object.fromEntries(
      Object.entries(echo.analysis[ROOT_DEFINITION]?.functions ?? {})
        .map(([path, analysis]) => [path, analysis as unknown as ModuleAnalysis]),
    );
    const push: StartedPush = {
      environment: echo.environmentVariables,
      schemaId: echo.schemaChange.schemaIds[ROOT_COMPONENT] ?? null,
      authProviders: echo.appAuth as unknown as AuthProvider[],
      modules: echo.push.modules.map((module) => ({
        ...module,
        analysis: analysed[module.path] ?? emptyAnalysis(module.path),
      })),
      udfConfig: echo.push.udfConfig,
      definition: echo.push.definition as unknown as AppDefinition,
    };
    const { value } = await engine.transact((tx) => switchTo(tx, push, nowMs), "finish_push");
    return finishPushResponse(value);
  });
}

function switchTo(tx: Transaction, push: StartedPush, nowMs: number): FinishedChanges {
  checkEnvironment(tx, push);
  for (const { path, hash } of push.modules) {
    if (storedSource(tx, hash) === null) {
      throw userError(
        "ConcurrentPush",
        `The source of ${path} was removed since the push began. Are you running multiple \`npx convex dev\` processes in the same directory?`,
      );
    }
  }
  const analysis: Record<string, ModuleAnalysis> = {};
  for (const module of push.modules) {
    if (module.analysis !== null) analysis[module.path] = module.analysis;
  }
  const schemaText = push.schemaId === null ? null : schemaTextOf(tx, push.schemaId);
  const previousSchema = tx.table("schemas").first("by_state", [ROOT_COMPONENT, "active"]);
  const previousText = previousSchema === null ? null : String(previousSchema.schema);
  const previousConfig = readUdfConfig(tx);

  const auth = replaceAuthProviders(tx, push.authProviders);
  writeDefinition(tx, push.definition);
  const modules = replaceModules(tx, ROOT_COMPONENT, push.modules);
  replaceFunctionHandles(tx, ROOT_COMPONENT, push.modules);
  writeUdfConfig(tx, push.udfConfig);
  const crons = replaceCrons(tx, declaredCrons(analysis));
  activateSchema(tx, ROOT_COMPONENT, push.schemaId);
  const indexes = finishIndexes(
    tx,
    ROOT_COMPONENT,
    schemaText === null ? null : parseSchema(schemaText),
  );
  collectUnusedSources(tx, nowMs);

  const previousVersion = previousConfig?.serverVersion ?? UNSPECIFIED_VERSION;
  const nextVersion = push.udfConfig.serverVersion;
  return {
    auth,
    modules,
    crons,
    indexes,
    udfConfig: previousVersion === nextVersion
      ? null
      : { previous_version: previousVersion, next_version: nextVersion },
    schema: previousText === schemaText
      ? null
      : { previous_schema: previousText, next_schema: schemaText },
  };
}

/**
 * The environment must be that of the evaluation and hold what the app declares.
 * @throws PlatformError `RaceDetected`, `MissingEnvironmentVariables`, `InvalidEnvironmentVariable`
 */
function checkEnvironment(tx: Transaction, push: StartedPush): void {
  const environment = readEnvironment(tx);
  const names = new Set([...Object.keys(environment), ...Object.keys(push.environment)]);
  for (const name of names) {
    if (environment[name] === push.environment[name]) continue;
    throw userError("RaceDetected", "Environment variables have changed during push");
  }
  const declared = push.definition.envVars ?? [];
  const missing = declared
    .filter(([name, { optional }]) => !optional && environment[name] === undefined)
    .map(([name]) => name);
  if (missing.length > 0) {
    throw userError(
      "MissingEnvironmentVariables",
      `Required environment variables are not set: ${
        missing.join(", ")
      }. Set them in the Convex dashboard or CLI before pushing.`,
    );
  }
  for (const [name, { value: validator }] of declared) {
    const value = environment[name];
    if (value !== undefined) checkDeclaredValue(name, value, validator);
  }
}

function schemaTextOf(tx: Transaction, schemaId: string): string {
  const row = tx.table("schemas").get(schemaId);
  if (row === null) {
    throw userError("SchemaAlreadyOverwritten", "Schema has already been overwritten");
  }
  return String(row.schema);
}

function finishPushResponse(changes: FinishedChanges): Json {
  return {
    authDiff: { ...changes.auth },
    definitionDiffs: { "": {} },
    componentDiffs: {
      [ROOT_COMPONENT]: {
        diffType: { type: "modify" },
        moduleDiff: { ...changes.modules },
        udfConfigDiff: changes.udfConfig,
        cronDiff: { ...changes.crons },
        indexDiff: changes.indexes as unknown as Json,
        schemaDiff: changes.schema,
      },
    },
  };
}
