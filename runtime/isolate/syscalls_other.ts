// Asynchronous syscalls of queries and mutations besides the database (spec function-runtime 1.4).

import { userError } from "../../engine/errors.ts";
import type { TransactionLimits, TransactionUsage } from "../../engine/limits.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import { type ClientVersion, isBefore, parseClientVersion } from "../../engine/virtual_tables.ts";
import { type RunCall, SIGN_JWT } from "../frames.ts";
import type { FunctionPath, Identity } from "../types.ts";
import { cancelScheduled, scheduleFunction } from "./scheduling.ts";
import { requireMutation } from "./transaction_run.ts";
import { createFunctionHandle } from "./function_address.ts";
import { type ComponentPaths, displayName } from "./function_path.ts";
import type { TransactionSyscall } from "./syscalls_database.ts";
import type { TransactionRun } from "./transaction_run.ts";

/** Up to then a scheduled mutation that cancels itself is only warned. */
const SELF_CANCEL_REFUSED_SINCE: ClientVersion = { major: 1, minor: 50, patch: 0 };

export const OTHER_SYSCALLS: ReadonlyMap<string, TransactionSyscall> = new Map<
  string,
  TransactionSyscall
>([
  ["1.0/getUserIdentity", getUserIdentity],
  ["1.0/signJwt", signJwt],
  ["1.0/createFunctionHandle", createHandle],
  ["1.0/getFunctionMetadata", getFunctionMetadata],
  ["1.0/getDeploymentMetadata", getDeploymentMetadata],
  ["1.0/getRequestMetadata", getRequestMetadata],
  ["1.0/getTransactionMetrics", getTransactionMetrics],
  ["1.0/schedule", schedule],
  ["1.0/cancel_job", cancelJob],
]);

/** JSON text of what `ctx.auth.getUserIdentity()` shows. */
export function identityJson(identity: Identity): string {
  const isUser = identity.kind === "user" || identity.kind === "acting";
  return isUser ? JSON.stringify(identity.attributes) : "null";
}

function getUserIdentity(run: TransactionRun): string {
  run.state.observedIdentity = true;
  return identityJson(run.state.call.identity);
}

/** The host has the key. */
function signJwt(run: TransactionRun, args: JsonObject): string {
  requireMutation(run, "auth.signJwt", "sign tokens");
  const { claims = {}, expiresInSeconds = null } = args;
  const request = { claims, expiresInSeconds, component: run.path.component };
  return run.state.ask(SIGN_JWT, request).value;
}

function createHandle({ path, code }: TransactionRun, args: JsonObject): string {
  return JSON.stringify(createFunctionHandle(args, path.component, code));
}

function getFunctionMetadata({ path, code }: TransactionRun): string {
  return functionMetadataJson(path, code);
}

/** JSON text of what `ctx.meta.getFunctionMetadata()` shows. */
export function functionMetadataJson(path: FunctionPath, paths: ComponentPaths): string {
  const componentPath = paths.componentPath(path.component);
  return JSON.stringify({ name: displayName(path), componentPath });
}

/** What every self-hosted deployment answers, but for the name. */
export function deploymentMetadataJson(name: string): string {
  return JSON.stringify({ name, region: null, class: "s16" });
}

function getDeploymentMetadata(run: TransactionRun): string {
  return deploymentMetadataJson(run.state.deploymentName);
}

function getRequestMetadata(run: TransactionRun): string {
  if (run.kind === "query") {
    throw userError("RequestMetadataInQuery", "Cannot get request metadata in a Query");
  }
  run.state.observedIdentity = true;
  return requestMetadataJson(run.state.call);
}

/** JSON text of what `ctx.meta.getRequestMetadata()` shows. */
export function requestMetadataJson(call: RunCall): string {
  const { ip, userAgent, requestId, identity } = call;
  return JSON.stringify({
    ip,
    userAgent,
    requestId,
    scheduledFunctionId: call.job?.id ?? null,
    authToken: identity.kind === "user" ? identity.token : null,
  });
}

/** The metric's name → the transaction's name for it. */
const METRICS: readonly (readonly [string, keyof TransactionLimits & keyof TransactionUsage])[] = [
  ["bytesRead", "bytesRead"],
  ["bytesWritten", "bytesWritten"],
  ["databaseQueries", "intervalsRead"],
  ["documentsRead", "documentsRead"],
  ["documentsWritten", "documentsWritten"],
  ["functionsScheduled", "functionsScheduled"],
  ["scheduledFunctionArgsBytes", "scheduledArgsBytes"],
  ["filesWritten", "filesWritten"],
  ["fileWriteBytes", "fileWriteBytes"],
  ["filesRead", "filesRead"],
  ["fileReadBytes", "fileReadBytes"],
];

function getTransactionMetrics(run: TransactionRun): string {
  const { usage, limits } = run.tx;
  const metrics: Record<string, { used: number; remaining: number }> = {};
  for (const [metric, field] of METRICS) {
    const used = usage[field];
    metrics[metric] = { used, remaining: Math.max(limits[field] - used, 0) };
  }
  return JSON.stringify(metrics);
}

function schedule(run: TransactionRun, args: JsonObject): string {
  requireMutation(run, "schedule");
  const { tx, code, path, state, warn } = run;
  const id = scheduleFunction(args, {
    tx,
    code,
    component: path.component,
    parent: state.call.job,
    warn,
  });
  return JSON.stringify(id);
}

function cancelJob(run: TransactionRun, args: JsonObject): string {
  requireMutation(run, "cancel_job");
  const { tx, code, path, state } = run;
  const job = state.call.job;
  if (job?.id === args.id && job?.component === path.component) {
    const version = parseClientVersion(code.udfConfig(path.component)?.serverVersion ?? "");
    if (version !== null && !isBefore(version, SELF_CANCEL_REFUSED_SINCE)) {
      throw userError("ScheduledFunctionCancelingItself", "A mutation cannot cancel itself");
    }
    run.warn(
      "A scheduled mutation canceling itself is deprecated and will throw an error in a future " +
        "version of Convex.",
    );
  } else {
    cancelScheduled(tx, path.component, args.id);
  }
  return "null";
}
