// A real OpenID Connect provider, the npm package `oidc-provider`, on a local port. Users sign in with
// the authorization code flow, as a browser would.
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

const CLIENT_ID = "app";
const REDIRECT_URI = "https://app.example/signed-in";
const SIGN_IN_STEPS_MAX = 10;
const DEFAULT_TOKEN_SECONDS = 3600;

export interface OidcProviderOptions {
  /** A page where browsers come back to from the sign-in. */
  readonly pageUrl?: string;
  /** How long ID tokens are valid. */
  readonly tokenSeconds?: number;
}

/** What the provider tells of a request for tokens; the package comes without types. */
interface TokenRequest {
  readonly oidc: {
    readonly params: { readonly grant_type: string };
    /** What the user allowed the app, as long as the session lasts. */
    readonly entities: { readonly Grant: { destroy(): Promise<void> } };
  };
}

export class OidcProvider implements AsyncDisposable {
  /** How often a refresh token was turned into a new ID token. */
  refreshes = 0;
  readonly #grants = new Set<TokenRequest["oidc"]["entities"]["Grant"]>();

  private constructor(readonly url: string, readonly server: HttpServer) {}

  static async start(options: OidcProviderOptions = {}): Promise<OidcProvider> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const provider = new Provider(url, {
      clients: [{
        client_id: CLIENT_ID,
        redirect_uris: [REDIRECT_URI, ...(options.pageUrl === undefined ? [] : [options.pageUrl])],
        response_types: ["code"],
        grant_types: ["authorization_code", "refresh_token"],
        token_endpoint_auth_method: "none",
      }],
      clientBasedCORS: () => true,
      issueRefreshToken: () => true,
      ttl: { IdToken: options.tokenSeconds ?? DEFAULT_TOKEN_SECONDS },
      pkce: { required: () => false },
      features: { devInteractions: { enabled: true } },
      // The ID token itself carries the claims of the scopes.
      conformIdTokenClaims: false,
      claims: { openid: ["sub", "jti"], email: ["email", "email_verified"] },
      findAccount: (_context: unknown, id: string) => ({
        accountId: id,
        claims: () => ({
          sub: id,
          email: `${id}@example.com`,
          email_verified: true,
          // No two tokens are the same text: clients take that for no new token.
          jti: crypto.randomUUID(),
        }),
      }),
    });
    server.on("request", provider.callback());
    const started = new OidcProvider(url, server);
    provider.on("grant.success", (request: TokenRequest) => started.#note(request));
    return started;
  }

  /** Ends all sessions: no refresh token works any more. */
  async endSessions(): Promise<void> {
    await Promise.all([...this.#grants].map((grant) => grant.destroy()));
    this.#grants.clear();
  }

  #note({ oidc: { params, entities } }: TokenRequest): void {
    this.#grants.add(entities.Grant);
    if (params.grant_type === "refresh_token") this.refreshes++;
  }

  /** Signs a user in and returns the ID token. */
  async signIn(user: string): Promise<string> {
    const browser = new CookieBrowser(this.url);
    const query = new URLSearchParams({
      client_id: CLIENT_ID,
      response_type: "code",
      scope: "openid email",
      redirect_uri: REDIRECT_URI,
    });
    let location = await browser.redirect(`/auth?${query}`);
    for (let step = 0; step < SIGN_IN_STEPS_MAX; step++) {
      if (location.startsWith(REDIRECT_URI)) {
        return await this.#exchange(new URL(location).searchParams.get("code")!);
      }
      location = location.includes("/interaction/")
        ? await this.#answer(browser, location, user)
        : await browser.redirect(location);
    }
    throw new Error(`the sign-in does not end; last at ${location}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }

  /** Fills in the form that asks for a login, or for consent. */
  async #answer(browser: CookieBrowser, location: string, user: string): Promise<string> {
    const page = await (await browser.fetch(location)).text();
    const prompt = page.match(/name="prompt" value="(\w+)"/)![1]!;
    const action = page.match(/action="([^"]+)"/)![1]!;
    const body = new URLSearchParams({ prompt, login: user, password: "any" });
    return await browser.redirect(action, { method: "POST", body });
  }

  async #exchange(code: string): Promise<string> {
    const response = await fetch(`${this.url}/token`, {
      method: "POST",
      body: new URLSearchParams({
        client_id: CLIENT_ID,
        grant_type: "authorization_code",
        code,
        redirect_uri: REDIRECT_URI,
      }),
    });
    return (await response.json()).id_token;
  }
}

/** Follows no redirects by itself and keeps cookies. */
class CookieBrowser {
  readonly #cookies = new Map<string, string>();

  constructor(private readonly origin: string) {}

  async fetch(location: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(new URL(location, this.origin), {
      ...init,
      redirect: "manual",
      headers: { cookie },
    });
    for (const text of response.headers.getSetCookie()) {
      const [name, value] = text.split(";")[0]!.split("=");
      this.#cookies.set(name!, value!);
    }
    return response;
  }

  /** Where the answer leads. */
  async redirect(location: string, init?: RequestInit): Promise<string> {
    const response = await this.fetch(location, init);
    const text = await response.text();
    const next = response.headers.get("location");
    if (next === null) throw new Error(`no redirect but ${response.status}: ${text}`);
    return next;
  }
}
