// How the server itself calls functions: nobody is signed in, internal functions may be called, and
// there is no client (spec services 1.3).

import type { Caller, RequestContext } from "../../runtime/types.ts";

const REQUEST_ID_BYTES = 8;

/** 16 hexadecimal digits. */
export function newRequestId(): string {
  return crypto.getRandomValues(new Uint8Array(REQUEST_ID_BYTES)).toHex();
}

export function unauthenticated(caller: Caller, requestId: string): RequestContext {
  return {
    requestId,
    identity: { kind: "anonymous" },
    caller,
    visibility: "all",
    notFoundWording: "runByName",
    ip: null,
    userAgent: null,
  };
}
