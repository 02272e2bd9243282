// The auth providers of `auth.config.ts`: checked and normalised when the config is evaluated,
// matched against the issuer and audience of tokens (spec services 4.1, deploy 8).

import { userError } from "../engine/errors.ts";

export interface OidcProvider {
  readonly applicationID: string;
  readonly domain: string;
}

export interface CustomJwtProvider {
  readonly type: "customJwt";
  readonly applicationID: string | null;
  readonly issuer: string;
  readonly jwks: string;
  readonly algorithm: "RS256" | "ES256";
}

/** In the form that the CLI expects in `appAuth` (spec deploy 6). */
export type AuthProvider = OidcProvider | CustomJwtProvider;

const WORKOS_ISSUER = /^https:\/\/api\.workos\.com\/?$/;

/**
 * The providers of an evaluated auth config.
 * @throws PlatformError `InvalidAuthConfig`-style text without its prefix, code `InvalidAuthConfig`
 */
export function parseAuthConfig(config: unknown): AuthProvider[] {
  const providers = isRecord(config) ? config.providers : undefined;
  if (!Array.isArray(providers)) {
    throw invalid("the default export has no list `providers`.");
  }
  return providers.map(parseProvider);
}

function parseProvider(provider: unknown, position: number): AuthProvider {
  const where = `Provider at index ${position}`;
  if (!isRecord(provider)) throw invalid(`${where} is not an object`);
  if ("applicationId" in provider) {
    throw invalid(
      `${where} must have applicationID property spelled lowercase 'application', capital I, capital D.`,
    );
  }
  const type = provider.type;
  if (type === undefined || type === "oidc") return parseOidc(provider, where);
  if (type === "customJwt") return parseCustomJwt(provider, where);
  throw invalid(`${where} has unexpected 'type' value '${String(type)}'`);
}

function parseOidc(provider: Record<string, unknown>, where: string): OidcProvider {
  if ("issuer" in provider) {
    throw invalid(`${where} is oidc so cannot have an 'issuer' specified.`);
  }
  return {
    applicationID: requireString(provider, "applicationID", where),
    domain: normaliseUrl(requireString(provider, "domain", where)),
  };
}

function parseCustomJwt(provider: Record<string, unknown>, where: string): CustomJwtProvider {
  if ("domain" in provider) {
    throw invalid(`${where} is a customJwt so cannot have a 'domain' specified`);
  }
  const algorithm = requireString(provider, "algorithm", where);
  if (algorithm !== "RS256" && algorithm !== "ES256") {
    throw invalid(`${where} has unexpected 'algorithm' value '${algorithm}'`);
  }
  const issuer = normaliseUrl(requireString(provider, "issuer", where));
  const given = provider.applicationID;
  if (given !== undefined && given !== null && typeof given !== "string") {
    throw invalid(`${where} has a 'applicationID' that is not a string`);
  }
  const applicationID = given ?? null;
  if (applicationID === null && WORKOS_ISSUER.test(issuer)) {
    throw invalid(
      `${where} has issuer '${issuer}' without an applicationID, which would accept tokens of every application of it`,
    );
  }
  const jwks = requireString(provider, "jwks", where);
  return { type: "customJwt", applicationID, issuer, jwks, algorithm };
}

function requireString(provider: Record<string, unknown>, key: string, where: string): string {
  const value = provider[key];
  if (typeof value !== "string") throw invalid(`${where} is missing the string '${key}'`);
  return value;
}

/** Prepends `https://` where the scheme is missing; otherwise keeps the text as written. */
function normaliseUrl(text: string): string {
  const fail = (reason: string) =>
    userError("InvalidAuthConfig", `Invalid provider domain URL "${text}": ${reason}`);
  if (text.startsWith('"')) throw fail("starts with a quote");
  const hasScheme = text.includes("://");
  const full = hasScheme ? text : `https://${text}`;
  let url: URL;
  try {
    url = new URL(full);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : "not a URL");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw fail("scheme should be http or https");
  }
  if (!hasScheme && url.hostname !== "localhost" && !/\.[a-z][a-z0-9-]+$/i.test(url.hostname)) {
    throw fail("Does not look like a URL (must have a scheme or end with a top-level domain)");
  }
  return full;
}

/** Whether tokens of this issuer and audience belong to the provider (spec services 4.2). */
export function providerMatches(
  provider: AuthProvider,
  issuer: string,
  audiences: readonly string[],
): boolean {
  const expected = "domain" in provider ? provider.domain : provider.issuer;
  const actual = issuer.includes("://") ? issuer : `https://${issuer}`;
  if (expected.replace(/\/+$/, "") !== actual.replace(/\/+$/, "")) return false;
  return provider.applicationID === null || audiences.includes(provider.applicationID);
}

/** The provider as error texts show it. */
export function printProvider(provider: AuthProvider): string {
  return "domain" in provider
    ? `OIDC(domain=${provider.domain}, app_id=${provider.applicationID})`
    : `CustomJWT(issuer=${provider.issuer}, app_id=${provider.applicationID ?? "none"})`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(detail: string): Error {
  return userError(
    "InvalidAuthConfig",
    `auth config file must include a list of provider credentials: ${detail}`,
  );
}
