// `finish_push`: one transaction that makes the pushed code the running code. Either all of the
// component tree, modules, schemas, indexes, auth providers and crons change, or, on any error,
// nothing (spec deploy 12).

import { z } from "zod";
import type { Engine } from "../engine/engine.ts";
import { type PlatformError, userError } from "../engine/errors.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import type { Json } from "../engine/values/value.ts";
import type { ModuleAnalysis } from "../runtime/frames.ts";
import { type AppDefinition, writeDefinition } from "./app_definition.ts";
import { type AuditOrigin, type PushChanges, pushEntry, recordAudit } from "./audit_log.ts";
import type { AuthProvider } from "./auth_config.ts";
import { type AuthDiff, replaceAuthProviders } from "./auth_evaluation.ts";
import {
  clearComponent,
  type ComponentDiff,
  type PushedCode,
  switchComponent,
} from "./component_switch.ts";
import { collectPreparedComponents } from "./component_removal.ts";
import { checkDeclaredValue, readEnvironment } from "./environment.ts";
import { type ComponentPlacement, TreeWalk, unmountOthers } from "./installed_components.ts";
import { duringPush } from "./push_error.ts";
import { checkPushBody } from "./push_request.ts";
import { collectUnusedSources, emptyAnalysis, storedSource } from "./stored_modules.ts";

const MESSAGE_SIZE_BYTES_MAX = 1024;

const nodePackage = z.object({ name: z.string(), version: z.string() });

const echoedCode = z.object({
  modules: z.array(z.object({
    path: z.string(),
    environment: z.enum(["isolate", "node"]),
    hash: z.string(),
  })),
  udfConfig: z.object({
    serverVersion: z.string(),
    importPhaseRngSeed: z.string(),
    importPhaseUnixTimestamp: z.number(),
    node: z.object({ version: z.string().nullable(), packages: z.array(nodePackage) }).optional(),
  }),
});

const echoedPlacement = z.object({
  name: z.string(),
  path: z.string(),
  definitionPath: z.string(),
  httpPrefix: z.string().nullable(),
  env: z.record(z.string(), z.looseObject({})),
  mounts: z.array(z.tuple([z.string(), z.string()])),
});

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
      app: z.looseObject({}),
      definitions: z.record(z.string(), echoedCode),
      components: z.array(echoedPlacement),
    }),
  }),
  dryRun: z.boolean().default(false),
  message: z.string().nullish(),
});

/** The body of the answer, of which the audit log keeps the parts that matter to people. */
type FinishPushResponse = { readonly definitionDiffs: Json } & PushChanges;

interface FinishedChanges {
  readonly authDiff: AuthDiff;
  /** By definition path. */
  readonly definitionDiffs: Readonly<Record<string, Record<string, never>>>;
  /** By component path. */
  readonly componentDiffs: Readonly<Record<string, ComponentDiff>>;
}

const NO_CHANGES: FinishedChanges = {
  authDiff: { added: [], removed: [] },
  definitionDiffs: {},
  componentDiffs: {},
};

/** What `start_push` decided, as it came back. */
interface StartedPush {
  readonly environment: Record<string, string>;
  readonly authProviders: readonly AuthProvider[];
  readonly app: AppDefinition;
  /** By component path. */
  readonly schemaIds: Readonly<Record<string, string | null>>;
  /** By definition path. */
  readonly code: ReadonlyMap<string, PushedCode>;
  /** The app first, parents before their children. */
  readonly components: readonly ComponentPlacement[];
}

/**
 * Completes a push.
 * @returns the response body of spec deploy 12
 * @throws PlatformError 400 with the codes of that section
 */
export async function finishPush(
  body: unknown,
  engine: Engine,
  nowMs: number,
  origin: AuditOrigin,
): Promise<Json> {
  return await duringPush(async () => {
    const { startPush, dryRun, message } = checkPushBody(finishPushRequest, body);
    if (new TextEncoder().encode(message ?? "").length > MESSAGE_SIZE_BYTES_MAX) {
      throw userError(
        "PushMessageTooLong",
        `The push message is longer than ${MESSAGE_SIZE_BYTES_MAX} bytes.`,
      );
    }
    if (dryRun) return finishPushResponse(NO_CHANGES);
    const push = startedPush(startPush);
    const { value } = await engine.transact((tx) => {
      const response = finishPushResponse(switchTo(tx, push, nowMs));
      recordAudit(tx, pushEntry(response, message ?? null), origin);
      return response;
    }, "finish_push");
    return value;
  });
}

type Echo = z.infer<typeof finishPushRequest>["startPush"];

function startedPush({ push, analysis, ...echo }: Echo): StartedPush {
  const code = Object.entries(push.definitions).map(([path, definition]) => {
    const functions = analysis[path]?.functions as
      | Partial<Record<string, ModuleAnalysis>>
      | undefined;
    const modules = definition.modules.map((module) => ({
      ...module,
      analysis: functions?.[module.path] ?? emptyAnalysis(module.path),
    }));
    return [path, { modules, udfConfig: definition.udfConfig }] as const;
  });
  return {
    environment: echo.environmentVariables,
    authProviders: echo.appAuth as unknown as AuthProvider[],
    app: push.app as unknown as AppDefinition,
    schemaIds: echo.schemaChange.schemaIds,
    code: new Map(code),
    components: push.components as unknown as ComponentPlacement[],
  };
}

function switchTo(tx: Transaction, push: StartedPush, nowMs: number): FinishedChanges {
  checkEnvironment(tx, push);
  checkSources(tx, push);
  const authDiff = replaceAuthProviders(tx, push.authProviders);
  writeDefinition(tx, push.app);
  const componentDiffs: Record<string, ComponentDiff> = {};
  const installed = new Set<ComponentId>();
  const walk = new TreeWalk();
  for (const node of push.components) {
    const change = walk.install(tx, node);
    const code = push.code.get(node.definitionPath);
    if (change === null || code === undefined) {
      throw concurrentPush(`The component ${node.path}`);
    }
    const schemaId = push.schemaIds[node.path] ?? null;
    installed.add(change.id);
    componentDiffs[node.path] = switchComponent(tx, change.id, code, schemaId, change.type);
  }
  for (const { _id, path } of unmountOthers(tx, installed)) {
    componentDiffs[path] = clearComponent(tx, _id);
  }
  collectUnusedSources(tx, nowMs);
  collectPreparedComponents(tx, nowMs);
  const definitionDiffs = Object.fromEntries([...push.code.keys()].map((path) => [path, {}]));
  return { authDiff, definitionDiffs, componentDiffs };
}

/** @throws PlatformError `ConcurrentPush` when texts went since the push began */
function checkSources(tx: Transaction, push: StartedPush): void {
  for (const { modules } of push.code.values()) {
    for (const { path, hash } of modules) {
      if (storedSource(tx, hash) === null) throw concurrentPush(`The source of ${path}`);
    }
  }
}

function concurrentPush(what: string): PlatformError {
  return userError(
    "ConcurrentPush",
    `${what} was removed since the push began. Are you running multiple \`npx convex dev\` processes in the same directory?`,
  );
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
  const declared = push.app.envVars ?? [];
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

function finishPushResponse(
  { authDiff, definitionDiffs, componentDiffs }: FinishedChanges,
): FinishPushResponse {
  return {
    authDiff: { ...authDiff },
    definitionDiffs: { ...definitionDiffs },
    componentDiffs: componentDiffs as unknown as PushChanges["componentDiffs"],
  };
}
