// The errors of refused tokens, with the platform's codes and texts (spec services 4.2).

import { type ErrorKind, PlatformError } from "../../engine/errors.ts";
import { type AuthProvider, printProvider } from "../auth_config.ts";

/** So much of what a provider answered is shown, in characters. */
const SHOWN_BODY_LENGTH_MAX = 500;

export function invalidAuthHeader(message: string): PlatformError {
  return new PlatformError("unauthenticated", "InvalidAuthHeader", message);
}

export function undecodableToken(): PlatformError {
  return invalidAuthHeader(
    "Could not parse JWT payload. Check that the token is a valid JWT format with three base64-encoded parts separated by dots.",
  );
}

export function missingIssuer(): PlatformError {
  return invalidAuthHeader(
    "Missing issuer claim ('iss') in JWT payload. The JWT must include an 'iss' claim that matches one of your configured auth providers.",
  );
}

/** @param redact keeps the configuration from clients */
export function noProvider(providers: readonly AuthProvider[], redact: boolean): PlatformError {
  const start = "No auth provider found matching the given token";
  const message = redact
    ? start
    : providers.length === 0
    ? `${start} (no providers configured). Check convex/auth.config.ts.`
    : `${start}. Check that your JWT's issuer and audience match one of your configured providers: ` +
      `[${providers.map(printProvider).join(", ")}]`;
  return new PlatformError("unauthenticated", "NoAuthProvider", message);
}

export function notAnIdToken(): PlatformError {
  return invalidAuthHeader(
    "Could not parse as OIDC ID token. Token might not be an OIDC-compliant JWT.",
  );
}

export function unverifiedIdToken(): PlatformError {
  return new PlatformError(
    "unauthenticated",
    "Unauthenticated",
    "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.",
  );
}

export function unverifiedClaims(): PlatformError {
  return invalidAuthHeader(
    "Could not verify token claim. Check that the JWT contains valid claims and matches your auth provider configuration.",
  );
}

/** @param reply what the provider answered, if it answered: decides what kind of error it is */
export function discoveryFailed(
  issuer: string,
  detail: string,
  reply?: { readonly status: number; readonly body: string },
): PlatformError {
  const shown = reply === undefined
    ? detail
    : `${reply.status} ${reply.body.slice(0, SHOWN_BODY_LENGTH_MAX)}`.trimEnd();
  return new PlatformError(
    reply === undefined ? "badRequest" : kindOfStatus(reply.status),
    "AuthProviderDiscoveryFailed",
    `Auth provider discovery of ${issuer} failed: ${shown}`,
  );
}

function kindOfStatus(status: number): ErrorKind {
  if (status >= 500) return "overloaded";
  switch (status) {
    case 401:
      return "unauthenticated";
    case 403:
      return "forbidden";
    case 404:
      return "notFound";
    case 429:
      return "rateLimited";
    default:
      return "badRequest";
  }
}
