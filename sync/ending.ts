// How a connection ends for an error: a last message and a close frame (sync protocol 8).

import { PlatformError } from "../engine/errors.ts";
import { fatalError } from "./server_messages.ts";

export interface Ending {
  /** Sent before the close frame. */
  readonly message: string | null;
  /** Null: a close frame without status. */
  readonly code: number | null;
  readonly reason: string | null;
}

export const CLOSE_NORMAL = 1000;
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_INTERNAL_ERROR = 1011;
export const CLOSE_TRY_AGAIN_LATER = 1013;

/** A close frame cannot carry more, in UTF-8 bytes. */
const CLOSE_REASON_BYTES_MAX = 123;

export const INTERNAL_ENDING: Ending = {
  message: null,
  code: CLOSE_INTERNAL_ERROR,
  reason: "InternalServerError",
};

/**
 * The client broke the protocol in a way that the platform answers as an internal error: the
 * connection closes with 1011 and the client starts afresh. It is no fault of the server.
 */
export class ProtocolFault extends Error {
  override readonly name = "ProtocolFault";
}

/** A deterministic fault of the request itself: the same request would fail again. */
export function isDeterministic(error: unknown): error is PlatformError {
  if (!(error instanceof PlatformError)) return false;
  switch (error.kind) {
    case "badRequest":
    case "conflict":
    case "unauthenticated":
    case "forbidden":
    case "notFound":
      return true;
    default:
      return false;
  }
}

/** What a token check may reject with; everything else is not the token's fault. */
export function isAuthRejection(error: unknown): error is PlatformError {
  return error instanceof PlatformError &&
    (error.kind === "unauthenticated" || error.kind === "forbidden" || error.kind === "badRequest");
}

/** Never FatalError for a transient condition: it would end the client for good. */
export function endingOf(error: unknown): Ending {
  if (!(error instanceof PlatformError)) return INTERNAL_ENDING;
  const reason = error.code.slice(0, CLOSE_REASON_BYTES_MAX);
  switch (error.kind) {
    case "badRequest":
    case "conflict":
      return { message: fatalError(error.message), code: null, reason: null };
    case "forbidden":
      return { message: fatalError(error.message), code: CLOSE_NORMAL, reason };
    case "unauthenticated":
    case "notFound":
      return { message: null, code: CLOSE_NORMAL, reason };
    case "rateLimited":
    case "overloaded":
    case "occ":
    case "outOfRetention":
      return { message: null, code: CLOSE_TRY_AGAIN_LATER, reason };
    case "internal":
      return INTERNAL_ENDING;
  }
}
