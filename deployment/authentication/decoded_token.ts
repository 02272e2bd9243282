// A JWT taken apart, before anything of it is verified.

import { decodeJwt, decodeProtectedHeader } from "jose";
import type { Identity } from "../../runtime/types.ts";
import { missingIssuer, undecodableToken } from "./token_errors.ts";
import type { Claims } from "./user_claims.ts";

/** Identities travel with every call: longer tokens are refused unread, in characters. */
const TOKEN_LENGTH_MAX = 128 * 1024;

export type UserIdentity = Extract<Identity, { kind: "user" }>;

/** A token whose parts are read, and nothing of it verified. */
export interface DecodedToken {
  readonly text: string;
  /** Null when it is no JSON object. */
  readonly header: Readonly<Record<string, unknown>> | null;
  readonly claims: Claims;
  readonly issuer: string;
  readonly audiences: readonly string[];
}

/**
 * Reads a token without verifying anything of it.
 * @throws PlatformError `InvalidAuthHeader`
 */
export function decodeToken(text: string): DecodedToken {
  if (text.length > TOKEN_LENGTH_MAX) throw undecodableToken();
  let claims: Claims;
  try {
    claims = decodeJwt(text);
  } catch {
    throw undecodableToken();
  }
  const { iss, aud } = claims;
  if (typeof iss !== "string") throw missingIssuer();
  const audiences = (Array.isArray(aud) ? aud : [aud])
    .filter((entry): entry is string => typeof entry === "string");
  return { text, header: decodeHeader(text), claims, issuer: iss, audiences };
}

function decodeHeader(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return decodeProtectedHeader(text);
  } catch {
    return null;
  }
}

/** A time claim in whole seconds; null if it is none. Fractions are cut off. */
export function timeClaim(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? Math.trunc(value) : null;
}
