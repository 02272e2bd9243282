// OpenID Connect: issuer discovery and the rules of ID tokens (spec services 4.2).

import type { OidcProvider } from "../auth_config.ts";
import { type DecodedToken, timeClaim, type UserIdentity } from "./decoded_token.ts";
import { isSignedByOneOf, KeySet, type SigningAlgorithm } from "./key_set.ts";
import type { ProviderDocument, ProviderDocuments } from "./provider_documents.ts";
import { discoveryFailed, notAnIdToken, unverifiedIdToken } from "./token_errors.ts";
import { oidcAttributes } from "./user_claims.ts";

const ALGORITHMS: readonly unknown[] = ["RS256", "EdDSA"] satisfies SigningAlgorithm[];

/**
 * The user of an ID token. There is no leeway on `exp`.
 * @throws PlatformError `InvalidAuthHeader`, `Unauthenticated`, `AuthProviderDiscoveryFailed`
 */
export async function verifyIdToken(
  token: DecodedToken,
  provider: OidcProvider,
  documents: ProviderDocuments,
  nowSeconds: number,
): Promise<UserIdentity> {
  const { header, claims, issuer } = token;
  const { sub } = claims;
  const exp = timeClaim(claims.exp);
  if (typeof header?.alg !== "string") throw notAnIdToken();
  if (typeof sub !== "string" || exp === null || timeClaim(claims.iat) === null) {
    throw notAnIdToken();
  }
  const attributes = attributesOf(token, sub);
  // What needs no key comes first: a hopeless token costs the provider no request.
  const isForUsOnly = token.audiences.every((entry) => entry === provider.applicationID) &&
    (!Array.isArray(claims.aud) || claims.aud.length === token.audiences.length);
  const isUsable = ALGORITHMS.includes(header.alg) && !("crit" in header);
  if (!isForUsOnly || !isUsable || exp <= nowSeconds) throw unverifiedIdToken();
  const algorithm = header.alg as SigningAlgorithm;
  const kid = typeof header.kid === "string" ? header.kid : undefined;

  const keys = (await discoverKeys(issuer, documents)).candidates(algorithm, kid);
  const isSigned = await isSignedByOneOf(keys, token.text, algorithm) ||
    await isSignedByRenewedKey(token, documents, algorithm, kid);
  if (!isSigned) throw unverifiedIdToken();
  return { kind: "user", attributes, token: token.text, expiresAtMs: exp * 1000 };
}

function attributesOf({ issuer, claims }: DecodedToken, subject: string) {
  try {
    return oidcAttributes(issuer, subject, claims);
  } catch (error) {
    if (error instanceof TypeError) throw notAnIdToken();
    throw error;
  }
}

async function discoverKeys(issuer: string, documents: ProviderDocuments): Promise<KeySet> {
  const discovery = await ask(issuer, discoveryUrl(issuer), (url) => documents.get(url));
  const jwksUri = readDiscovery(issuer, discovery);
  const keys = await ask(issuer, jwksUri, (url) => documents.get(url));
  return readKeySet(issuer, keys);
}

/** After a key rotation the kept documents do not know the new key. */
async function isSignedByRenewedKey(
  { issuer, text }: DecodedToken,
  documents: ProviderDocuments,
  algorithm: SigningAlgorithm,
  kid: string | undefined,
): Promise<boolean> {
  const renew = (url: string) => documents.renewed(url);
  const discovery = await ask(issuer, discoveryUrl(issuer), renew) ??
    await ask(issuer, discoveryUrl(issuer), (url) => documents.get(url));
  const keys = await ask(issuer, readDiscovery(issuer, discovery), renew);
  if (keys === null) return false;
  return await isSignedByOneOf(
    readKeySet(issuer, keys).candidates(algorithm, kid),
    text,
    algorithm,
  );
}

/** The document of the issuer as the token writes it, but for a slash at its end. */
function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
}

/** @throws PlatformError `AuthProviderDiscoveryFailed` */
async function ask<D extends ProviderDocument | null>(
  issuer: string,
  url: string,
  get: (url: string) => Promise<D>,
): Promise<D> {
  let document: D;
  try {
    if (!/^https?:/i.test(url)) throw new Error(`'${url}' is not an http URL`);
    document = await get(url);
  } catch (error) {
    throw discoveryFailed(issuer, (error as Error).message);
  }
  if (document !== null && document.status !== 200) {
    throw discoveryFailed(issuer, "", document);
  }
  return document;
}

/** @returns the URL of the keys */
function readDiscovery(issuer: string, { body }: ProviderDocument): string {
  let configuration: unknown;
  try {
    configuration = JSON.parse(body);
  } catch {
    throw discoveryFailed(issuer, "the discovery document is not JSON");
  }
  const { issuer: named, jwks_uri: jwksUri } = (configuration ?? {}) as Record<string, unknown>;
  if (named !== issuer) {
    throw discoveryFailed(
      issuer,
      `the discovery document has the issuer ${JSON.stringify(named)?.slice(0, 200)}`,
    );
  }
  if (typeof jwksUri !== "string") {
    throw discoveryFailed(issuer, "the discovery document has no jwks_uri");
  }
  return jwksUri;
}

function readKeySet(issuer: string, document: ProviderDocument): KeySet {
  try {
    return KeySet.of(document);
  } catch {
    throw discoveryFailed(issuer, "the jwks_uri serves no JSON Web Key Set");
  }
}
