// `ctx.runQuery` and `ctx.runMutation` inside queries and mutations: a subtransaction with fresh
// modules (spec function-runtime 1.5).

import { userError } from "../../engine/errors.ts";
import type { TransactionLimits, TransactionUsage } from "../../engine/limits.ts";
import type { Transaction } from "../../engine/transaction.ts";
import { isJsonObject, type Json, type JsonObject } from "../../engine/values/value.ts";
import { Execution } from "./execution.ts";
import { resolveAddress } from "./function_address.ts";
import { nestedCallName } from "./nested_reports.ts";
import { RandomStream } from "./random.ts";
import { TransactionRun } from "./transaction_run.ts";

const SEED_BYTES = 16;
const KIND_NAMES = {
  query: "Query",
  mutation: "Mutation",
  snapshotQuery: "SnapshotQuery",
} as const;
type NestedKind = keyof typeof KIND_NAMES;

/** One nested call: its execution, and what becomes of its writes. */
export class NestedCall {
  readonly execution: Execution;

  /**
   * @param index how many nested calls the caller has begun before
   * @throws PlatformError when the call is not allowed here or names no function.
   */
  constructor(caller: Execution, args: JsonObject, index: number) {
    const { run } = caller;
    const kind = nestedKind(args.udfType, run);
    const path = resolveAddress(args, "runUdf", run.path.component, run.code);
    const depth = caller.request.depth + 1;
    if (depth > caller.services.limits.nestedDepth) {
      throw userError(
        "MaximumCallDepthExceeded",
        "Cross component call depth limit exceeded. Do you have an infinite loop in your app?",
      );
    }
    const tx = kind === "snapshotQuery" ? run.tx.snapshotQuery() : run.tx;
    const code = kind === "snapshotQuery" ? run.code.within(tx) : run.code;
    const calleeKind = kind === "mutation" ? "mutation" : "query";
    const nested = kind === "mutation" ? tx.beginNested() : null;
    const restoreLimits = narrowLimits(tx, args.transactionLimits);
    const seed = caller.random.bytes(SEED_BYTES);
    const calleeArgs = JSON.stringify([args.args ?? {}]);
    const name = run.state.call.nested === undefined
      ? null
      : nestedCallName(caller.request.nested, index, path, calleeArgs);
    this.execution = new Execution(
      caller.services,
      new TransactionRun(run.state, calleeKind, path, tx, code, null),
      new RandomStream(() => seed),
      {
        path,
        kind: calleeKind,
        visibility: "all",
        args: calleeArgs,
        depth,
        nested: name,
      },
      (ok) => {
        restoreLimits();
        if (nested === null) return;
        if (ok) tx.commitNested(nested);
        else tx.rollbackNested(nested);
      },
    );
  }
}

function nestedKind(udfType: unknown, run: TransactionRun): NestedKind {
  if (udfType !== "query" && udfType !== "mutation" && udfType !== "snapshotQuery") {
    throw userError(
      "InvalidArgument",
      `Invalid argument \`udfType\` for \`runUdf\`: unknown function type ${
        JSON.stringify(udfType)
      }`,
    );
  }
  if (run.kind === "query" && udfType !== "query") {
    throw userError(
      "InvalidFunctionCall",
      `Cannot call a ${KIND_NAMES[udfType]} function from a Query function`,
    );
  }
  return udfType;
}

/** Keys of `transactionLimits` → the transaction's names. Unknown keys are ignored. */
const LIMIT_FIELDS = {
  bytesRead: "bytesRead",
  documentsRead: "documentsRead",
  databaseQueries: "intervalsRead",
  bytesWritten: "bytesWritten",
  documentsWritten: "documentsWritten",
  functionsScheduled: "functionsScheduled",
  scheduledFunctionArgsBytes: "scheduledArgsBytes",
  filesWritten: "filesWritten",
  fileWriteBytes: "fileWriteBytes",
  filesRead: "filesRead",
  fileReadBytes: "fileReadBytes",
} as const satisfies Record<string, keyof TransactionLimits & keyof TransactionUsage>;

/** Gives the call a budget on top of what is used, below the ceiling. Returns what undoes it. */
function narrowLimits(tx: Transaction, budget: Json | undefined): () => void {
  if (!isJsonObject(budget)) return () => {};
  const before = tx.limits;
  const limits: Record<string, number> = { ...before };
  for (const [key, field] of Object.entries(LIMIT_FIELDS)) {
    const extra = budget[key];
    if (typeof extra === "number") limits[field] = Math.min(before[field], tx.usage[field] + extra);
  }
  tx.limits = limits as unknown as TransactionLimits;
  return () => {
    tx.limits = before;
  };
}
