// A real OpenID Connect provider, the npm package `oidc-provider`, on a local port. Users sign in with
// the authorization code flow, as a browser would.
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

const CLIENT = { client_id: "app", client_secret: "secret" };
const REDIRECT_URI = "https://app.example/signed-in";
const SIGN_IN_STEPS_MAX = 10;

export class OidcProvider implements AsyncDisposable {
  private constructor(readonly url: string, readonly server: HttpServer) {}

  static async start(): Promise<OidcProvider> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const provider = new Provider(url, {
      clients: [{
        ...CLIENT,
        redirect_uris: [REDIRECT_URI],
        response_types: ["code"],
        grant_types: ["authorization_code"],
        token_endpoint_auth_method: "client_secret_post",
      }],
      pkce: { required: () => false },
      features: { devInteractions: { enabled: true } },
      // The ID token itself carries the claims of the scopes.
      conformIdTokenClaims: false,
      claims: { openid: ["sub"], email: ["email", "email_verified"] },
      findAccount: (_context: unknown, id: string) => ({
        accountId: id,
        claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true }),
      }),
    });
    server.on("request", provider.callback());
    return new OidcProvider(url, server);
  }

  /** Signs a user in and returns the ID token. */
  async signIn(user: string): Promise<string> {
    const browser = new CookieBrowser(this.url);
    const query = new URLSearchParams({
      client_id: CLIENT.client_id,
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
        ...CLIENT,
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
