// From the claims of a verified token to what `ctx.auth.getUserIdentity()` shows (spec services 4.3).

import type { UserAttributes } from "../../runtime/types.ts";

export type Claims = Readonly<Record<string, unknown>>;

/** OIDC's standard claims that are strings → fields of the identity. */
const STRING_CLAIMS: ReadonlyMap<string, string> = new Map([
  ["name", "name"],
  ["given_name", "givenName"],
  ["family_name", "familyName"],
  ["nickname", "nickname"],
  ["preferred_username", "preferredUsername"],
  ["gender", "gender"],
  ["profile", "profileUrl"],
  ["picture", "pictureUrl"],
  ["website", "websiteUrl"],
  ["email", "email"],
  ["birthdate", "birthday"],
  ["zoneinfo", "timezone"],
  ["locale", "language"],
  ["phone_number", "phoneNumber"],
]);
const BOOLEAN_CLAIMS: ReadonlyMap<string, string> = new Map([
  ["email_verified", "emailVerified"],
  ["phone_number_verified", "phoneNumberVerified"],
]);
/** They speak of the token; shown, they would make each refreshed token a new identity. */
const OIDC_TOKEN_CLAIMS = new Set(
  "iss sub aud exp iat auth_time nonce acr amr azp at_hash c_hash jti nbf fva".split(" "),
);
const CUSTOM_JWT_TOKEN_CLAIMS = new Set("iss sub aud exp nbf iat jti fva".split(" "));

/**
 * The identity in an OIDC token; null-valued standard claims count as absent.
 * @throws TypeError when a standard claim has the wrong type
 */
export function oidcAttributes(issuer: string, subject: string, claims: Claims): UserAttributes {
  const custom: [string, unknown][] = [];
  const standard: [string, unknown][] = [];
  for (const [claim, value] of Object.entries(claims)) {
    if (OIDC_TOKEN_CLAIMS.has(claim)) continue;
    const field = STRING_CLAIMS.get(claim) ?? BOOLEAN_CLAIMS.get(claim);
    if (field === undefined && claim !== "address" && claim !== "updated_at") {
      custom.push([claim, value]);
    } else if (value !== null) {
      const shown = standardValue(claim, value);
      if (shown !== undefined) standard.push([field ?? FIELD_OF_OTHER[claim]!, shown]);
    }
  }
  return withSubject(issuer, subject, [...custom, ...standard]);
}

const FIELD_OF_OTHER: Readonly<Record<string, string>> = {
  address: "address",
  updated_at: "updatedAt",
};

function standardValue(claim: string, value: unknown): unknown {
  if (claim === "updated_at") return rfc3339(value);
  if (claim === "address") return formattedAddress(value);
  // Some providers send booleans as text.
  if (BOOLEAN_CLAIMS.has(claim)) {
    if (value === true || value === "true") return true;
    if (value === false || value === "false") return false;
  } else if (typeof value === "string") return value;
  throw new TypeError(`claim '${claim}' has the wrong type`);
}

function formattedAddress(address: unknown): string | undefined {
  if (typeof address === "object" && address !== null && !Array.isArray(address)) {
    const { formatted } = address as { formatted?: unknown };
    if (typeof formatted === "string") return formatted;
    if (formatted === undefined || formatted === null) return undefined;
  }
  throw new TypeError("claim 'address' has the wrong type");
}

/** Seconds since 1970, or a date as text, in UTC. */
function rfc3339(time: unknown): string {
  const isTime = typeof time === "number" || typeof time === "string";
  const date = new Date(typeof time === "number" ? time * 1000 : isTime ? time : NaN);
  if (Number.isNaN(date.getTime())) throw new TypeError("claim 'updated_at' is not a time");
  return date.toISOString().replace(/(\.000)?Z$/, "+00:00");
}

/** The identity in a custom JWT: claims keep their names, objects are flattened with dots. */
export function customJwtAttributes(
  issuer: string,
  subject: string,
  claims: Claims,
): UserAttributes {
  const fields: [string, unknown][] = [];
  for (const [claim, value] of Object.entries(claims)) {
    if (!CUSTOM_JWT_TOKEN_CLAIMS.has(claim)) flatten(claim, value, fields);
  }
  return withSubject(issuer, subject, fields);
}

function flatten(name: string, value: unknown, fields: [string, unknown][]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fields.push([name, value]);
    return;
  }
  for (const [key, inner] of Object.entries(value)) flatten(`${name}.${key}`, inner, fields);
}

/** The last entry of a name counts: no claim can pretend another issuer or subject. */
function withSubject(
  issuer: string,
  subject: string,
  fields: readonly [string, unknown][],
): UserAttributes {
  return Object.fromEntries([
    ...fields,
    ["tokenIdentifier", `${issuer}|${subject}`],
    ["issuer", issuer],
    ["subject", subject],
  ]) as UserAttributes;
}
