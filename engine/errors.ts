// Errors that carry the platform's code. A `PlatformError` is something a caller outside the
// function may be told; anything else that is thrown is a bug and is shown as an internal error.

/** Class of an error; the edges map it to a HTTP status or a WebSocket close (spec http-api 3). */
export type ErrorKind =
  | "badRequest"
  | "unauthenticated"
  | "forbidden"
  | "notFound"
  | "conflict"
  | "rateLimited"
  | "overloaded"
  | "occ"
  | "outOfRetention"
  | "internal";

/**
 * An error with the platform's short `code` and a message for the developer.
 * Within a function only the message is visible; `data` (JSON text of the internal encoding) is set
 * when user code must see a `ConvexError`.
 */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
  constructor(
    readonly kind: ErrorKind,
    readonly code: string,
    message: string,
    readonly data?: string,
  ) {
    super(message);
  }
}

/** A deterministic user error: it rejects the syscall and user code may catch it. */
export function userError(code: string, message: string, data?: string): PlatformError {
  return new PlatformError("badRequest", code, message, data);
}

/** Stops the operation loudly when the program itself is wrong. */
export function assert(
  condition: unknown,
  message: string | (() => string) = "assertion failed",
): asserts condition {
  if (!condition) throw new Error(typeof message === "string" ? message : message());
}
