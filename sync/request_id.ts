// Request ids: 16 hexadecimal digits shown in error texts (sync protocol 6).

import { createHash } from "node:crypto";
import { randomHex } from "../runtime/random_hex.ts";

const REQUEST_ID_DIGITS = 16;

/** Id of a mutation or action; a client can compute it too, to find its own log entries. */
export function sessionRequestId(sessionId: string, requestId: number): string {
  return createHash("sha256").update(`${sessionId}|${requestId}`).digest("hex")
    .slice(0, REQUEST_ID_DIGITS);
}

/** Id of a request that has no session. */
export function randomRequestId(): string {
  return randomHex(REQUEST_ID_DIGITS / 2);
}
