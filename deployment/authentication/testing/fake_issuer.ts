// An auth provider on a local port for tests: publishes a discovery document and a key set that tests
// may replace, and signs whatever claims they want.

import {
  exportJWK,
  generateKeyPair,
  type GenerateKeyPairResult,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";

export interface SignOptions {
  readonly kid?: string | null;
  readonly key?: SigningKey;
  readonly header?: Record<string, unknown>;
}

export interface SigningKey {
  readonly alg: string;
  readonly pair: GenerateKeyPairResult;
  readonly jwk: JWK;
}

export async function createKey(alg: string, kid: string): Promise<SigningKey> {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { alg, pair, jwk: { ...await exportJWK(pair.publicKey), kid, alg, use: "sig" } };
}

export class FakeIssuer implements AsyncDisposable {
  readonly url: string;
  readonly requests: string[] = [];
  /** Answers in the place of the provider, path by path. */
  readonly answers = new Map<string, (request: Request) => Response | Promise<Response>>();
  cacheControl: string | null = null;
  keys: SigningKey[];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(key: SigningKey) {
    this.keys = [key];
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      const { pathname } = new URL(request.url);
      this.requests.push(pathname);
      return this.answers.get(pathname)?.(request) ?? this.#answer(pathname);
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  static async start(alg = "RS256"): Promise<FakeIssuer> {
    return new FakeIssuer(await createKey(alg, "first"));
  }

  /** The key set as it is now. */
  jwks(): { keys: JWK[] } {
    return { keys: this.keys.map(({ jwk }) => jwk) };
  }

  /** A token signed by the first key; `undefined` claims are left out. */
  async sign(claims: Record<string, unknown>, options: SignOptions = {}): Promise<string> {
    const key = options.key ?? this.keys[0]!;
    const kid = options.kid === undefined ? key.jwk.kid : options.kid;
    return await new SignJWT({ ...this.claims(), ...claims } as JWTPayload)
      .setProtectedHeader({ alg: key.alg, ...kid === null ? {} : { kid }, ...options.header })
      .sign(key.pair.privateKey);
  }

  /** What tokens claim if tests say nothing else. */
  claims(): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.url, sub: "ada", aud: "app", iat: now, exp: now + 3600 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #answer(pathname: string): Response {
    const headers: Record<string, string> = this.cacheControl === null
      ? {}
      : { "cache-control": this.cacheControl };
    if (pathname === "/.well-known/openid-configuration") {
      return Response.json({ issuer: this.url, jwks_uri: `${this.url}/jwks` }, { headers });
    }
    if (pathname === "/jwks") return Response.json(this.jwks(), { headers });
    return new Response("nothing here", { status: 404 });
  }
}
