// Providers of type `customJwt`: any JWT signed by a key of a known key set (spec services 4.2).

import type { CustomJwtProvider } from "../auth_config.ts";
import { type DecodedToken, timeClaim, type UserIdentity } from "./decoded_token.ts";
import { isSignedByOneOf, KeySet } from "./key_set.ts";
import type { ProviderDocument, ProviderDocuments } from "./provider_documents.ts";
import { invalidAuthHeader, unverifiedClaims } from "./token_errors.ts";
import { type Claims, customJwtAttributes } from "./user_claims.ts";

/** How far the clocks of the provider and of the server may differ. */
const LEEWAY_SECONDS = 5;

const JWKS_TYPES = ["application/json", "application/jwk-set+json"];

/**
 * The user of a custom JWT.
 * @throws PlatformError `InvalidAuthHeader`
 */
export async function verifyCustomJwt(
  token: DecodedToken,
  provider: CustomJwtProvider,
  documents: ProviderDocuments,
  nowSeconds: number,
): Promise<UserIdentity> {
  await checkSignature(token, provider, documents);
  const { claims, issuer } = token;
  const { sub } = claims;
  const exp = timeClaim(claims.exp);
  if (typeof sub !== "string" || exp === null) throw unverifiedClaims();
  checkTimes(claims, exp, nowSeconds);
  // A token that only the leeway saved lives as long as the leeway.
  const lifeEnd = exp > nowSeconds ? exp : exp + LEEWAY_SECONDS + 1;
  return {
    kind: "user",
    attributes: customJwtAttributes(issuer, sub, claims),
    token: token.text,
    expiresAtMs: lifeEnd * 1000,
  };
}

async function checkSignature(
  { header, text }: DecodedToken,
  { jwks, algorithm }: CustomJwtProvider,
  documents: ProviderDocuments,
): Promise<void> {
  const kid = header?.kid;
  if (typeof kid !== "string") {
    throw invalidAuthHeader(
      "Could not decode token. JWT may be missing a 'kid' (key ID) header.",
    );
  }
  const isSignedBy = (document: ProviderDocument) =>
    isSignedByOneOf(readKeySet(jwks, document).candidates(algorithm, kid), text, algorithm);
  const isUsable = header?.alg === algorithm && !("crit" in header);
  if (isUsable && await isSignedBy(await ask(jwks, (url) => documents.get(url)))) return;
  // After a key rotation the kept key set does not know the new key.
  const renewed = isUsable ? await ask(jwks, (url) => documents.renewed(url)) : null;
  if (renewed !== null && await isSignedBy(renewed)) return;
  throw invalidAuthHeader(
    `Could not decode token. The JWT's 'kid' (key ID) header is '${kid}', does this key match any key in the provider's JWKS?`,
  );
}

function checkTimes(claims: Claims, exp: number, nowSeconds: number): void {
  if (nowSeconds - exp > LEEWAY_SECONDS) {
    throw invalidTime(`Token expired ${nowSeconds - exp} seconds ago`);
  }
  for (const value of [claims.nbf, claims.iat]) {
    if (value === undefined || value === null) continue;
    const start = timeClaim(value);
    if (start === null) throw unverifiedClaims();
    if (start - nowSeconds > LEEWAY_SECONDS) {
      throw invalidTime(`Token will be valid in ${start - nowSeconds} seconds`);
    }
  }
}

function invalidTime(detail: string) {
  return invalidAuthHeader(`Could not validate token: ${detail}`);
}

/** @throws PlatformError `InvalidAuthHeader` when there is no answer of the right type */
async function ask<D extends ProviderDocument | null>(
  url: string,
  get: (url: string) => Promise<D>,
): Promise<D> {
  const isInline = url.startsWith("data:");
  let document: D;
  try {
    document = await get(url);
  } catch (error) {
    throw isInline ? invalidDataUrl() : unreachable(url, (error as Error).message);
  }
  if (document === null || isInline) return document;
  const { status, statusText, contentType } = document;
  if (status !== 200) throw unreachable(url, `HTTP ${status} ${statusText}`.trimEnd());
  if (!isJwksType(contentType)) {
    throw invalidAuthHeader(
      `Invalid Content-Type '${contentType}' when fetching JWKS from '${url}'. Expected 'application/json' or 'application/jwk-set+json'.`,
    );
  }
  return document;
}

function isJwksType(contentType: string): boolean {
  const [type, ...parameters] = contentType.toLowerCase().split(";").map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="));
  return JWKS_TYPES.includes(type!) &&
    (charset === undefined || /^charset="?utf-8"?$/.test(charset));
}

function readKeySet(url: string, document: ProviderDocument): KeySet {
  try {
    return KeySet.of(document);
  } catch {
    throw url.startsWith("data:") ? invalidDataUrl() : invalidAuthHeader(
      `Invalid JWKS response body from '${url}'. The response is not valid JSON or doesn't match the expected JWKS format.`,
    );
  }
}

function unreachable(url: string, reason: string) {
  return invalidAuthHeader(
    `Could not fetch JWKS from URL '${url}': ${reason}. Check that the URL is correct and accessible.`,
  );
}

function invalidDataUrl() {
  return invalidAuthHeader(
    "Invalid JWKS data URL. Check that it is a valid data URL of a JWKS in JSON, percent-encoded or in base64.",
  );
}
