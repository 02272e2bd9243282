// The attributes of the user that an admin acts as (`impersonating`; sync protocol 3, http-api 2.4).

import type { UserAttributes } from "../runtime/types.ts";

const STRING_ATTRIBUTES = new Set([
  "tokenIdentifier",
  "issuer",
  "subject",
  "name",
  "givenName",
  "familyName",
  "nickname",
  "preferredUsername",
  "profileUrl",
  "pictureUrl",
  "websiteUrl",
  "email",
  "gender",
  "birthday",
  "timezone",
  "language",
  "phoneNumber",
  "address",
  "updatedAt",
]);
const BOOLEAN_ATTRIBUTES = new Set(["emailVerified", "phoneNumberVerified"]);

/**
 * Checks attributes in camelCase; every unknown key is a custom claim. A missing `tokenIdentifier`
 * is made from issuer and subject. `null` is the same as absent.
 * @throws TypeError with the reason.
 */
export function parseUserAttributes(json: unknown): UserAttributes {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new TypeError("user attributes must be an object");
  }
  const known = (key: string) => STRING_ATTRIBUTES.has(key) || BOOLEAN_ATTRIBUTES.has(key);
  const present = Object.entries(json).filter(([key, value]) => !(known(key) && value === null));
  for (const [key, value] of present) {
    if (STRING_ATTRIBUTES.has(key) && typeof value !== "string") {
      throw new TypeError(`attribute "${key}" must be a string`);
    }
    if (BOOLEAN_ATTRIBUTES.has(key) && typeof value !== "boolean") {
      throw new TypeError(`attribute "${key}" must be a boolean`);
    }
  }
  // Not assignment: a claim may be called `__proto__`.
  const attributes: Record<string, unknown> = Object.fromEntries(present);
  const { tokenIdentifier, issuer, subject } = attributes;
  if (tokenIdentifier === undefined) {
    if (issuer === undefined || subject === undefined) {
      throw new TypeError(`Either "tokenIdentifier" or "issuer" and "subject" must be set`);
    }
    attributes.tokenIdentifier = `${issuer}|${subject}`;
  }
  return attributes as unknown as UserAttributes;
}
