// Errors as HTTP answers: a JSON body with `code` and `message` (spec http-api 3).

import { type ErrorKind, PlatformError, userError } from "../engine/errors.ts";
import type { ServerLog } from "../deployment/server_log.ts";
import { BodyCutError } from "./request_bytes.ts";
import { randomRequestId } from "../sync/request_id.ts";
import { getPath } from "./routes.ts";

const STATUS: Readonly<Record<ErrorKind, number>> = {
  badRequest: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  rateLimited: 429,
  overloaded: 503,
  occ: 503,
  outOfRetention: 503,
  internal: 500,
};

const INTERNAL_ERROR = {
  code: "InternalServerError",
  message: "Your request couldn't be completed. Try again later.",
};

export const JSON_HEADERS = { "content-type": "application/json" };

/** An answer with a JSON text as its body. */
export function jsonTextResponse(text: string, status = 200): Response {
  return new Response(text, { status, headers: JSON_HEADERS });
}

export function jsonResponse(value: unknown, status = 200): Response {
  return jsonTextResponse(JSON.stringify(value), status);
}

/** Success without a body. */
export function emptyResponse(): Response {
  return new Response(null, { status: 200 });
}

/** The answer to a request that failed; what is not a platform error is logged and kept secret. */
export function errorResponse(error: unknown, log: ServerLog, request: Request): Response {
  if (error instanceof PlatformError && error.kind !== "internal") {
    const { code, message } = error;
    return jsonResponse({ code, message }, STATUS[error.kind]);
  }
  // Nobody is there to read this.
  if (error instanceof BodyCutError) return new Response(null, { status: 408 });
  const requestId = request.headers.get("convex-request-id") ?? randomRequestId();
  log.fault("request failed", error, { requestId, path: getPath(request) });
  return jsonResponse(INTERNAL_ERROR, STATUS.internal);
}

/** Whether an error raised while a function ran is shown as the function's own error. */
export function isDeterministic(error: unknown): error is PlatformError {
  return error instanceof PlatformError && STATUS[error.kind] < 500 &&
    error.kind !== "notFound" && error.kind !== "rateLimited";
}

/** @throws PlatformError `BadQueryArgs` when the parameter is missing */
export function requireParameter(value: string | undefined, name: string): string {
  if (value !== undefined) return value;
  throw userError(
    "BadQueryArgs",
    `Failed to deserialize query string: missing field \`${name}\``,
  );
}
