import assert from "node:assert/strict";
import { DEFAULT_TRANSACTION_LIMITS, emptyUsage } from "../../engine/limits.ts";
import type { Transaction } from "../../engine/transaction.ts";
import { LogLines } from "./console.ts";
import { RESULT_WARNING, warnNearLimit, warnTransaction, warnUserTime } from "./limit_warnings.ts";

const HINT = "Consider using smaller limits in your queries, paginating your queries, or using " +
  "indexed queries with a selective index range expressions.";

function warnings(body: (log: LogLines) => void): string[] {
  const log = new LogLines({ logLines: 256, logLineBytes: 32_768 });
  body(log);
  return log.lines.map(({ level, systemCode, messages }) => {
    assert.equal(level, "WARN");
    return `${systemCode}: ${messages.join(" ")}`;
  });
}

function transaction(
  usage: Partial<Transaction["usage"]>,
  writes: Partial<Pick<Transaction, "largestWrite" | "deepestWrite">> = {},
): Transaction {
  return {
    usage: { ...emptyUsage(), ...usage },
    limits: DEFAULT_TRANSACTION_LIMITS,
    largestWrite: null,
    deepestWrite: null,
    ...writes,
  } as Transaction;
}

Deno.test("warnings begin above four fifths of a limit and end at the limit", () => {
  const shown = (bytes: number) =>
    warnings((log) => warnNearLimit(log, RESULT_WARNING, bytes, 100));
  assert.deepEqual(shown(80), []);
  assert.deepEqual(shown(81), [
    "warning:TooLargeFunctionResult: Large size of the function return value " +
    "(actual: 81 bytes, limit: 100 bytes).",
  ]);
  assert.equal(shown(100).length, 1);
  assert.deepEqual(shown(101), []);
});

Deno.test("what a transaction used near its limits", () => {
  const tx = transaction({
    documentsRead: 32_000,
    intervalsRead: 4000,
    bytesRead: 16 * 2 ** 20,
    documentsWritten: 15_000,
    bytesWritten: 15 * 2 ** 20,
    functionsScheduled: 900,
    scheduledArgsBytes: 15 * 2 ** 20,
  }, { largestWrite: { id: "a", size: 900_000 }, deepestWrite: { id: "b", size: 13 } });
  assert.deepEqual(warnings((log) => warnTransaction(log, tx)), [
    "warning:TooManyDocumentsRead: Many documents read in a single function execution " +
    `(actual: 32000, limit: 32000). ${HINT}`,
    "warning:TooManyReads: Many reads in a single function execution " +
    `(actual: 4000, limit: 4096). ${HINT}`,
    "warning:TooManyBytesRead: Many bytes read in a single function execution " +
    `(actual: 16777216 bytes, limit: 16777216 bytes). ${HINT}`,
    "warning:TooManyWrites: Many writes in a single function execution " +
    "(actual: 15000, limit: 16000).",
    "warning:TooManyBytesWritten: Many bytes written in a single function execution " +
    "(actual: 15728640 bytes, limit: 16777216 bytes).",
    "warning:TooManyFunctionsScheduled: Many functions scheduled by this mutation " +
    "(actual: 900, limit: 1000).",
    "warning:ScheduledFunctionsArgumentsTooLarge: Large total size of the arguments of scheduled " +
    "functions from this mutation (actual: 15728640 bytes, limit: 16777216 bytes).",
    'warning:TooLargeDocument: Large document written with ID "a" ' +
    "(actual: 900000 bytes, limit: 1048576 bytes).",
    'warning:TooNested: Deeply nested document written with ID "b" ' +
    "(actual: 13 levels, limit: 16 levels).",
  ]);
  assert.deepEqual(warnings((log) => warnTransaction(log, transaction({}))), []);
});

Deno.test("time has its own words", () => {
  assert.deepEqual(warnings((log) => warnUserTime(log, 850.4, 1000)), [
    "warning:UserTimeout: Function execution took a long time. " +
    "(maximum duration: 1s, actual duration: 850ms).",
  ]);
});
