// From credentials to identities: the `Authorization` header, an `adminKey` from the query string or
// a JSON body, or the tokens of the sync protocol's `Authenticate` (spec http-api 2, services 4).

import { PlatformError, userError } from "../engine/errors.ts";
import type { Identity, UserAttributes } from "../runtime/types.ts";
import type { AuthToken } from "../sync/client_messages.ts";
import { parseUserAttributes } from "../sync/user_attributes.ts";
import type { AdminKeys } from "./admin_key.ts";
import type { TokenVerifier } from "./authentication/token_verifier.ts";

export const ANONYMOUS: Identity = { kind: "anonymous" };
const ADMIN: Identity = { kind: "admin" };
const HEADER_LENGTH_MIN = 7;

export interface AuthenticatorOptions {
  readonly adminKeys: AdminKeys;
  /** For the JWTs of users. */
  readonly tokens: TokenVerifier;
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
    if (scheme === "bearer" && credential !== "") {
      return await this.options.tokens.verify(credential);
    }
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
   * The identity behind a token of the sync protocol.
   * @throws PlatformError when the token is refused
   */
  async authenticateToken(token: AuthToken): Promise<Identity> {
    switch (token.tokenType) {
      case "None":
        return ANONYMOUS;
      case "User":
        return await this.options.tokens.verify(token.value);
      case "Admin": {
        const admin = this.admin(token.value);
        const { impersonating } = token;
        return impersonating === null ? admin : { kind: "acting", attributes: impersonating };
      }
    }
  }

  /** `{key}` or `{key}:{base64 of user attributes}`. */
  #adminHeader(credential: string): Identity {
    const bar = credential.indexOf("|");
    const colon = credential.indexOf(":", bar + 1);
    if (bar < 0 || colon < 0) return this.admin(credential);
    this.admin(credential.slice(0, colon));
    const attributes = decodeAttributes(credential.slice(colon + 1));
    return { kind: "acting", attributes };
  }
}

/** @throws PlatformError `HeaderParseFailure` */
function decodeAttributes(base64: string): UserAttributes {
  try {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return parseUserAttributes(JSON.parse(text));
  } catch {
    throw malformedHeader();
  }
}

function malformedHeader(): PlatformError {
  return userError("HeaderParseFailure", "Malformed Authorization header.");
}
