// From credentials to identities: the `Authorization` header, an `adminKey` from the query string or
// a JSON body, or the tokens of the sync protocol's `Authenticate` (spec http-api 2, services 4).

import { decodeJwt } from "jose";
import { PlatformError, userError } from "../engine/errors.ts";
import type { Identity, UserAttributes } from "../runtime/types.ts";
import type { AdminKeys } from "./admin_key.ts";
import type { AuthProvider } from "./auth_config.ts";
import { printProvider, providerMatches } from "./auth_config.ts";

export const ANONYMOUS: Identity = { kind: "anonymous" };
const ADMIN: Identity = { kind: "admin" };
const HEADER_LENGTH_MIN = 7;

export interface AuthenticatorOptions {
  readonly adminKeys: AdminKeys;
  /** The auth providers of the code that runs now. */
  readonly providers: () => readonly AuthProvider[];
}

/** Turns credentials into identities. Every failure is a `PlatformError` for the caller to show. */
export class Authenticator {
  constructor(private readonly options: AuthenticatorOptions) {}

  /**
   * The identity behind an `Authorization` header (null: none) or else an `adminKey` query parameter.
   * @throws PlatformError 400 for malformed headers, 401 for wrong keys and tokens.
   */
  async authenticate(header: string | null, adminKeyParameter: string | null): Promise<Identity> {
    if (header === null) {
      return adminKeyParameter === null ? ANONYMOUS : this.admin(adminKeyParameter);
    }
    // deno-lint-ignore no-control-regex
    if (!/^[\x00-\x7f]*$/.test(header)) throw malformedHeader();
    if (header.length < HEADER_LENGTH_MIN) {
      throw userError("InvalidHeaderFailure", "Invalid authentication header");
    }
    const space = header.indexOf(" ");
    const scheme = header.slice(0, space).toLowerCase();
    const credential = header.slice(space + 1).trim();
    if (scheme === "convex" && credential !== "") return this.#adminHeader(credential);
    if (scheme === "bearer" && credential !== "") return await this.user(credential);
    throw userError("InvalidAdminKey", "Invalid admin key");
  }

  /** @throws PlatformError 401 `BadAdminKey` */
  admin(key: string): Identity {
    if (this.options.adminKeys.accepts(key)) return ADMIN;
    throw new PlatformError(
      "unauthenticated",
      "BadAdminKey",
      "The provided admin key was invalid for this instance",
    );
  }

  /**
   * An admin who acts as a user.
   * @throws PlatformError when the key is wrong or the attributes name no user.
   */
  acting(key: string, attributes: Record<string, unknown>): Identity {
    this.admin(key);
    return { kind: "acting", attributes: userAttributes(attributes) };
  }

  /**
   * The user of a JWT.
   * @throws PlatformError with the codes of spec services 4.2.
   */
  async user(token: string): Promise<Identity> {
    await Promise.resolve();
    let claims: Record<string, unknown>;
    try {
      claims = decodeJwt(token);
    } catch {
      throw invalidAuthHeader(
        "Could not parse JWT payload. Check that the token is a valid JWT format with three base64-encoded parts separated by dots.",
      );
    }
    const issuer = claims.iss;
    if (typeof issuer !== "string") {
      throw invalidAuthHeader(
        "Missing issuer claim ('iss') in JWT payload. The JWT must include an 'iss' claim that matches one of your configured auth providers.",
      );
    }
    const audience = claims.aud;
    const audiences = (Array.isArray(audience) ? audience : [audience])
      .filter((entry): entry is string => typeof entry === "string");
    const providers = this.options.providers();
    const provider = providers.find((candidate) => providerMatches(candidate, issuer, audiences));
    if (provider === undefined) throw noProvider(providers);
    throw new PlatformError(
      "unauthenticated",
      "Unauthenticated",
      "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.",
    );
  }

  async #adminHeader(credential: string): Promise<Identity> {
    await Promise.resolve();
    const bar = credential.indexOf("|");
    const colon = credential.indexOf(":", bar + 1);
    if (bar < 0 || colon < 0) return this.admin(credential);
    let attributes: unknown;
    try {
      const bytes = Uint8Array.from(atob(credential.slice(colon + 1)), (c) => c.charCodeAt(0));
      attributes = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw malformedHeader();
    }
    if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)) {
      throw malformedHeader();
    }
    return this.acting(credential.slice(0, colon), attributes as Record<string, unknown>);
  }
}

function malformedHeader(): PlatformError {
  return userError("HeaderParseFailure", "Malformed Authorization header.");
}

function invalidAuthHeader(message: string): PlatformError {
  return new PlatformError("unauthenticated", "InvalidAuthHeader", message);
}

function noProvider(providers: readonly AuthProvider[]): PlatformError {
  const message = providers.length === 0
    ? "No auth provider found matching the given token (no providers configured). Check convex/auth.config.ts."
    : "No auth provider found matching the given token. Check that your JWT's issuer and audience match one of your configured providers: " +
      `[${providers.map(printProvider).join(", ")}]`;
  return new PlatformError("unauthenticated", "NoAuthProvider", message);
}

/**
 * Claims of acting-as attributes: `tokenIdentifier`, or `issuer` and `subject` from which it follows.
 * @throws PlatformError `HeaderParseFailure`
 */
function userAttributes(attributes: Record<string, unknown>): UserAttributes {
  const { tokenIdentifier, issuer, subject } = attributes;
  if (typeof tokenIdentifier === "string") {
    const bar = tokenIdentifier.indexOf("|");
    return {
      ...attributes,
      tokenIdentifier,
      issuer: typeof issuer === "string" ? issuer : tokenIdentifier.slice(0, Math.max(bar, 0)),
      subject: typeof subject === "string" ? subject : tokenIdentifier.slice(bar + 1),
    };
  }
  if (typeof issuer === "string" && typeof subject === "string") {
    return { ...attributes, tokenIdentifier: `${issuer}|${subject}`, issuer, subject };
  }
  throw malformedHeader();
}
