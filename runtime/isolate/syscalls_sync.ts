// The syscalls that package code needs an answer to at once (spec function-runtime 1.2).

import { userError } from "../../engine/errors.ts";
import { toNanos } from "../../engine/timestamp.ts";
import { encodeValue } from "../../engine/values/json.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import { parseSyscallArgs, type TransactionRun } from "./transaction_run.ts";

type SyncSyscall = (run: TransactionRun, args: JsonObject) => string;

const SYSCALLS: ReadonlyMap<string, SyncSyscall> = new Map<string, SyncSyscall>([
  ["1.0/queryStream", queryStream],
  ["1.0/queryCleanup", queryCleanup],
  ["1.0/db/normalizeId", normalizeId],
  ["1.0/getSnapshotTs", getSnapshotTs],
  ["1.0/componentArgument", componentArgument],
]);

/**
 * Answers a synchronous syscall with JSON text.
 * @throws PlatformError for unknown names and errors of the caller.
 */
export function syncSyscall(run: TransactionRun, name: string, argsText: string): string {
  const syscall = SYSCALLS.get(name);
  if (syscall === undefined) throw userError("UnknownOperation", `Unknown operation ${name}`);
  return syscall(run, parseSyscallArgs(argsText));
}

function queryStream(run: TransactionRun, args: JsonObject): string {
  return `{"queryId":${run.openStream(args.query, args.version)}}`;
}

function queryCleanup(run: TransactionRun, args: JsonObject): string {
  return run.closeStream(args.queryId) ? "true" : "false";
}

function normalizeId(run: TransactionRun, args: JsonObject): string {
  return JSON.stringify({ id: run.database.normalizeId(args.table, args.idString) });
}

function getSnapshotTs(run: TransactionRun): string {
  run.state.clock.observed = true;
  return JSON.stringify(encodeValue(toNanos(run.tx.begin)));
}

function componentArgument(run: TransactionRun): string {
  if (run.path.component === "") {
    throw userError(
      "NoComponentArguments",
      "Component arguments are not available within the app",
    );
  }
  // Definitions of the supported package version declare no arguments.
  return "{}";
}
