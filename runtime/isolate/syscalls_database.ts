// The database syscalls (spec function-runtime 1.3). Documents are JSON texts from the storage to
// the caller; nothing here parses them.

import { userError } from "../../engine/errors.ts";
import type { GetArgs, PageArgs } from "../../engine/database.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import { requireMutation, type TransactionRun } from "./transaction_run.ts";

export type TransactionSyscall = (run: TransactionRun, args: JsonObject) => string;

export const DATABASE_SYSCALLS: ReadonlyMap<string, TransactionSyscall> = new Map<
  string,
  TransactionSyscall
>([
  ["1.0/get", get],
  ["1.0/queryStreamNext", queryStreamNext],
  ["1.0/queryPage", queryPage],
  ["1.0/count", count],
  ["1.0/insert", insert],
  ["1.0/shallowMerge", shallowMerge],
  ["1.0/replace", replace],
  ["1.0/remove", remove],
]);

/** Names whose pending calls run as one batch. */
export const READ_SYSCALLS: ReadonlySet<string> = new Set(["1.0/get", "1.0/queryStreamNext"]);

function get(run: TransactionRun, args: JsonObject): string {
  return run.database.get(args as unknown as GetArgs) ?? "null";
}

function queryStreamNext(run: TransactionRun, args: JsonObject): string {
  const stream = run.stream(args.queryId);
  if (stream === undefined) throw userError("QueryNotFound", "in-progress query not found");
  const value = stream.next();
  if (value !== null) return `{"value":${value},"done":false}`;
  run.closeStream(args.queryId);
  return '{"value":null,"done":true}';
}

function queryPage(run: TransactionRun, args: JsonObject): string {
  const result = run.database.page(args as unknown as PageArgs, run.journalIn);
  run.journalOut = result.journal;
  const { isDone, continueCursor, splitCursor, pageStatus } = result;
  const rest = JSON.stringify({ isDone, continueCursor, splitCursor, pageStatus });
  return `{"page":[${result.page.join(",")}],${rest.slice(1)}`;
}

function count(run: TransactionRun, args: JsonObject): string {
  return String(run.database.count(args.table));
}

function insert(run: TransactionRun, args: JsonObject): string {
  requireMutation(run, "db.insert");
  return JSON.stringify({ _id: run.database.insert(args.table, args.value) });
}

function shallowMerge(run: TransactionRun, args: JsonObject): string {
  requireMutation(run, "db.patch");
  return run.database.patch(args.id, args.value, args.table);
}

function replace(run: TransactionRun, args: JsonObject): string {
  requireMutation(run, "db.replace");
  return run.database.replace(args.id, args.value, args.table);
}

function remove(run: TransactionRun, args: JsonObject): string {
  requireMutation(run, "db.delete");
  return run.database.remove(args.id, args.table);
}
