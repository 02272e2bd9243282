// How errors name the argument of a database method that they are about (spec values-and-queries 2).

import { PlatformError, userError } from "./errors.ts";

/**
 * Runs `body`; its errors get "Invalid argument `{argument}` for `{method}`: " in front.
 */
export function inArgument<T>(argument: string, method: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw userError(
      error.code,
      `Invalid argument \`${argument}\` for \`${method}\`: ${error.message}`,
      error.data,
    );
  }
}

export function invalidArgument(argument: string, method: string, cause: string): PlatformError {
  return userError(
    "InvalidArgument",
    `Invalid argument \`${argument}\` for \`${method}\`: ${cause}`,
  );
}

/** For causes that are not about a single argument. */
export function invalidArguments(method: string, cause: string): PlatformError {
  return userError("InvalidArgument", `Invalid arguments for \`${method}\`: ${cause}`);
}
