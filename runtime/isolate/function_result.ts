// What a function's result and its failures become for the caller.

import { COMMIT_TS_TOKEN, withoutCommitTsTokens } from "../../engine/commit_ts_token.ts";
import { PlatformError, userError } from "../../engine/errors.ts";
import { checkReturns } from "../../engine/values/args_validator.ts";
import { decodeValue } from "../../engine/values/json.ts";
import { formatSize, sizeOf } from "../../engine/values/size.ts";
import type { IdContext } from "../../engine/values/validator.ts";
import type { Json } from "../../engine/values/value.ts";
import { durationText } from "../limits.ts";
import type { FunctionError, FunctionKind } from "../types.ts";
import { syscallError } from "../syscall_error.ts";
import { plainError } from "./errors.ts";

export const INTERNAL_ERROR_TEXT = "Your request couldn't be completed. Try again later.";
export const SYSTEM_TIMEOUT_TEXT = "Your request timed out performing too many system operations.";

export function userTimeoutText(limitMs: number): string {
  return `Function execution timed out (maximum duration: ${durationText(limitMs)})`;
}

/**
 * Checks the text that a function returned.
 * @param name `mod.js:fn`
 * @param kind of the transaction: only mutations may return the timestamp of their commit
 * @returns the text and the size of the value.
 * @throws PlatformError when it is no value, too large, or not what the function promised.
 */
export function checkResult(
  name: string,
  returned: unknown,
  returnsText: string,
  context: IdContext,
  resultBytesMax: number,
  kind: FunctionKind,
): { readonly text: string; readonly bytes: number } {
  const text = String(returned);
  let value;
  try {
    let json = JSON.parse(text) as Json;
    if (kind !== "action" && text.includes(COMMIT_TS_TOKEN)) {
      if (kind === "query") {
        throw new Error("queries cannot return an unresolved commit timestamp");
      }
      json = withoutCommitTsTokens(json);
    }
    value = decodeValue(json);
  } catch (error) {
    throw userError(
      "InvalidReturnValue",
      `Function ${name} return value invalid: ${(error as Error).message}`,
    );
  }
  const bytes = sizeOf(value);
  if (bytes > resultBytesMax) {
    throw userError(
      "FunctionResultTooLarge",
      `Function ${name} return value is too large (actual: ${formatSize(bytes)}, ` +
        `limit: ${formatSize(resultBytesMax)})`,
    );
  }
  const problem = checkReturns(returnsText, value, context);
  if (problem !== null) throw userError("ReturnsValidationError", problem);
  return { text, bytes };
}

/** A platform error as the outcome of the function. */
export function platformFailure(error: PlatformError): FunctionError {
  return plainError(error.message, error.data);
}

/**
 * What user code may see of an error inside a syscall.
 * @throws the error itself when it is not the user's: it ends the execution, uncatchable.
 */
export function userFacing(error: unknown): Error {
  if (error instanceof PlatformError && error.kind !== "internal") {
    return syscallError(error.message, error.data);
  }
  throw error;
}
