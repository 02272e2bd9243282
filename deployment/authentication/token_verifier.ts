// Finds the auth provider that a JWT names, and checks the token by the provider's rules
// (spec services 4.2). Every refusal is a `PlatformError` with the platform's code and text.

import { type AuthProvider, providerMatches } from "../auth_config.ts";
import { verifyCustomJwt } from "./custom_jwt.ts";
import { decodeToken, type UserIdentity } from "./decoded_token.ts";
import { verifyIdToken } from "./oidc.ts";
import type { ProviderDocuments } from "./provider_documents.ts";
import { noProvider } from "./token_errors.ts";

export interface TokenVerifierOptions {
  /** The providers of the code that runs now. */
  readonly providers: () => readonly AuthProvider[];
  readonly documents: ProviderDocuments;
  readonly clock: () => number;
  /** Keep the configured providers from clients. */
  readonly redact: boolean;
}

export class TokenVerifier {
  constructor(private readonly options: TokenVerifierOptions) {}

  /**
   * The user that a token proves.
   * @throws PlatformError with the codes of spec services 4.2
   */
  async verify(text: string): Promise<UserIdentity> {
    const token = decodeToken(text);
    const { documents, redact } = this.options;
    const providers = this.options.providers();
    const provider = providers.find((candidate) =>
      providerMatches(candidate, token.issuer, token.audiences)
    );
    if (provider === undefined) throw noProvider(providers, redact);
    const nowSeconds = Math.floor(this.options.clock() / 1000);
    return "domain" in provider
      ? await verifyIdToken(token, provider, documents, nowSeconds)
      : await verifyCustomJwt(token, provider, documents, nowSeconds);
  }
}
