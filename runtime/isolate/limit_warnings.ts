// Warnings in the log of a function that came near a limit (spec function-runtime 6).

import type { TransactionLimits, TransactionUsage } from "../../engine/limits.ts";
import type { Transaction } from "../../engine/transaction.ts";
import { durationText } from "../limits.ts";
import type { LogLines } from "./console.ts";

export const WARNING_SHARE = 0.8;
const READ_HINT =
  " Consider using smaller limits in your queries, paginating your queries, or using indexed " +
  "queries with a selective index range expressions.";

interface Warning {
  readonly code: string;
  readonly text: string;
  readonly unit: "" | " bytes" | " levels";
  readonly hint: string;
}

const BYTES = { unit: " bytes", hint: "" } as const;
const COUNT = { unit: "", hint: "" } as const;

const TRANSACTION_WARNINGS: readonly (readonly [
  keyof TransactionLimits & keyof TransactionUsage,
  Warning,
])[] = [
  ["documentsRead", {
    code: "TooManyDocumentsRead",
    text: "Many documents read in a single function execution",
    unit: "",
    hint: READ_HINT,
  }],
  ["intervalsRead", {
    code: "TooManyReads",
    text: "Many reads in a single function execution",
    unit: "",
    hint: READ_HINT,
  }],
  ["bytesRead", {
    code: "TooManyBytesRead",
    text: "Many bytes read in a single function execution",
    unit: " bytes",
    hint: READ_HINT,
  }],
  ["documentsWritten", {
    code: "TooManyWrites",
    text: "Many writes in a single function execution",
    ...COUNT,
  }],
  ["bytesWritten", {
    code: "TooManyBytesWritten",
    text: "Many bytes written in a single function execution",
    ...BYTES,
  }],
  ["functionsScheduled", {
    code: "TooManyFunctionsScheduled",
    text: "Many functions scheduled by this mutation",
    ...COUNT,
  }],
  ["scheduledArgsBytes", {
    code: "ScheduledFunctionsArgumentsTooLarge",
    text: "Large total size of the arguments of scheduled functions from this mutation",
    ...BYTES,
  }],
];

export const ARGUMENTS_WARNING: Warning = {
  code: "TooLargeFunctionArguments",
  text: "Large size of the function arguments",
  ...BYTES,
};
export const ACTION_ARGUMENTS_WARNING: Warning = {
  code: "FunctionArgumentsTooLarge",
  text: "Large size of the action arguments",
  ...BYTES,
};
export const RESULT_WARNING: Warning = {
  code: "TooLargeFunctionResult",
  text: "Large size of the function return value",
  ...BYTES,
};
export const ACTION_RESULT_WARNING: Warning = {
  code: "TooLargeFunctionResult",
  text: "Large size of the action return value",
  ...BYTES,
};

export const HTTP_RESPONSE_WARNING: Warning = {
  code: "HttpResponseTooLarge",
  text: "Large response returned from an HTTP action",
  ...BYTES,
};

/** Adds the warning if `actual` is in the last fifth below the limit. */
export function warnNearLimit(
  log: LogLines,
  warning: Warning,
  actual: number,
  limit: number,
): void {
  if (actual <= limit * WARNING_SHARE || actual > limit) return;
  const { code, text, unit, hint } = warning;
  const message = `${text} (actual: ${actual}${unit}, limit: ${limit}${unit}).${hint}`;
  log.addSystem("WARN", message, `warning:${code}`);
}

export function warnTransaction(log: LogLines, tx: Transaction): void {
  const { usage, limits, largestWrite, deepestWrite } = tx;
  for (const [field, warning] of TRANSACTION_WARNINGS) {
    warnNearLimit(log, warning, usage[field], limits[field]);
  }
  if (largestWrite !== null) {
    const text = `Large document written with ID "${largestWrite.id}"`;
    const warning = { code: "TooLargeDocument", text, ...BYTES };
    warnNearLimit(log, warning, largestWrite.size, limits.documentBytes);
  }
  if (deepestWrite !== null) {
    const text = `Deeply nested document written with ID "${deepestWrite.id}"`;
    const warning = { code: "TooNested", text, unit: " levels", hint: "" } as const;
    warnNearLimit(log, warning, deepestWrite.size, limits.documentNesting);
  }
}

export function warnUserTime(log: LogLines, userMs: number, limitMs: number): void {
  if (userMs <= limitMs * WARNING_SHARE || userMs > limitMs) return;
  log.addSystem(
    "WARN",
    `Function execution took a long time. (maximum duration: ${durationText(limitMs)}, ` +
      `actual duration: ${durationText(Math.round(userMs))}).`,
    "warning:UserTimeout",
  );
}
