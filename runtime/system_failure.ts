// The error that the platform shows when the server, not the developer's function, has failed.

import { PlatformError } from "../engine/errors.ts";

/** What everyone is told; the cause goes to the server's log only. */
export const SYSTEM_FAILURE_MESSAGE = "Your request couldn't be completed. Try again later.";

/** Wraps the cause of a system failure (spec function-runtime 5). */
export function internalError(cause: unknown): PlatformError {
  const error = new PlatformError("internal", "InternalServerError", SYSTEM_FAILURE_MESSAGE);
  error.cause = cause;
  return error;
}
