// Signing in with the official clients: tokens of an OpenID Connect issuer, of inline keys and of the
// server itself; what functions see of the caller; refresh and expiry of a live connection.
import assert from "node:assert/strict";
import type { ConvexClient } from "convex/browser";
import {
  fetchAction,
  fetchMutation,
  fetchQuery,
  preloadedQueryResult,
  preloadQuery,
} from "convex/nextjs";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { createKey, FakeIssuer } from "../deployment/authentication/testing/fake_issuer.ts";
import { App } from "./harness/app.ts";
import { action, httpClient, LiveClient, mutation, post, query } from "./harness/clients.ts";
import { OidcProvider } from "./harness/oidc_provider.ts";
import { Server } from "./harness/server.ts";
import { until } from "./harness/until.ts";

const PATIENCE_MS = 60_000;

let issuer: FakeIssuer;
let provider: OidcProvider;
let server: Server;

Deno.test.beforeAll(async () => {
  issuer = await FakeIssuer.start();
  provider = await OidcProvider.start();
  server = await Server.start({ flags: ["--deny-net", "127.0.0.9"] });
  await using app = await App.copy("tests/apps/identity");
  const variables = {
    ISSUER_URL: issuer.url,
    PROVIDER_URL: provider.url,
    JWKS: JSON.stringify(issuer.jwks()),
  };
  for (const [name, value] of Object.entries(variables)) {
    const set = await app.cli(server, ["env", "set", name, value]);
    assert.equal(set.code, 0, set.stderr);
  }
  await app.push(server);
});
Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

const ada = () => ({ issuer: issuer.url, subject: "ada", tokenIdentifier: `${issuer.url}|ada` });

/** A server of its own whose app trusts the issuer. */
async function serverWithIssuer(trusted: FakeIssuer): Promise<Server> {
  const own = await Server.start();
  await using app = await App.copy("tests/apps/identity");
  await app.write(
    "convex/auth.config.ts",
    `export default { providers: [{ domain: "${trusted.url}", applicationID: "app" }] };`,
  );
  await app.push(own);
  return own;
}

async function bearer(path: string, token: string): Promise<[number, string]> {
  const response = await fetch(server.siteUrl + path, {
    headers: { authorization: `Bearer ${token}` },
  });
  return [response.status, await response.text()];
}

/** Official clients keep this method from their types. */
interface WithAdminAuth {
  setAdminAuth(key: string, identity?: Readonly<Record<string, string>>): void;
}
const withAdminAuth = <Client>(client: Client) => client as Client & WithAdminAuth;

/** Signs the client in; the promises say whether the server has confirmed it. */
function signIn(client: ConvexClient, fetchToken: (force: boolean) => Promise<string | null>) {
  const changes: boolean[] = [];
  let wake = () => {};
  client.setAuth(
    ({ forceRefreshToken }) => fetchToken(forceRefreshToken),
    (isAuthenticated) => {
      changes.push(isAuthenticated);
      wake();
    },
  );
  return {
    changes,
    async until(isAuthenticated: boolean): Promise<void> {
      const deadline = Date.now() + PATIENCE_MS;
      while (changes.at(-1) !== isAuthenticated) {
        assert.ok(Date.now() < deadline, `no change to ${isAuthenticated}`);
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, 100);
        await promise;
        clearTimeout(timer);
      }
    },
  };
}

Deno.test("every kind of function sees the caller, also through others; scheduled ones do not", async () => {
  const client = httpClient(server);
  assert.equal(await client.query(query("who:asQuery")), null);
  const token = await issuer.sign({ email_verified: true, org: { id: 1 } });
  client.setAuth(token);
  const identity = { ...ada(), emailVerified: true, org: { id: 1 } };
  assert.deepEqual(await client.query(query("who:asQuery")), identity);
  assert.deepEqual(await client.mutation(mutation("who:asMutation")), identity);
  assert.deepEqual(await client.action(action("who:asAction")), identity);
  assert.deepEqual(await client.query(query("who:inQuery")), identity);
  assert.deepEqual(await client.mutation(mutation("who:inMutation")), [identity, identity]);
  const thrice = [identity, identity, identity];
  assert.deepEqual(await client.action(action("who:inAction")), thrice);
  for (const [path, seen] of [["/who", identity], ["/nested", thrice]] as const) {
    const [status, text] = await bearer(path, token);
    assert.deepEqual([status, JSON.parse(text)], [200, seen]);
  }
  await client.mutation(mutation("who:schedule"), { by: "http" });
  await using live = new LiveClient(server);
  assert.deepEqual(
    await live.watch("who:seen", { by: "http" }).until((rows) => (rows as unknown[]).length > 0),
    [null],
  );
  client.clearAuth();
  assert.equal(await client.query(query("who:asQuery")), null, "no result of another caller");
});

Deno.test("convex/nextjs brings the token of the request that a page is made for", async () => {
  const options = { url: server.url, token: await issuer.sign({}) };
  assert.deepEqual(await fetchQuery(query("who:asQuery"), {}, options), ada());
  assert.deepEqual(await fetchMutation(mutation("who:asMutation"), {}, options), ada());
  assert.deepEqual(await fetchAction(action("who:asAction"), {}, options), ada());
  assert.deepEqual(
    preloadedQueryResult(await preloadQuery(query("who:asQuery"), {}, options)),
    ada(),
  );
  assert.equal(await fetchQuery(query("who:asQuery"), {}, { url: server.url }), null);
});

Deno.test("applications of one issuer, keys inline and elsewhere, an issuer that is this very server", async () => {
  const client = httpClient(server);
  const subjectOf = async (claims: Record<string, unknown>) => {
    client.setAuth(await issuer.sign(claims));
    return (await client.query(query("who:asQuery"))).subject;
  };
  assert.equal(await subjectOf({ aud: "other-app", sub: "bob" }), "bob");
  assert.equal(await subjectOf({ iss: `${issuer.url}`, aud: ["app"], sub: "carol" }), "carol");
  assert.equal(await subjectOf({ iss: "https://remote.example", sub: "dan" }), "dan");
  await assert.rejects(
    subjectOf({ iss: "https://remote.example", aud: "other-app" }),
    /CustomJWT\(issuer=https:\/\/custom\.example, app_id=none\), CustomJWT\(issuer=https:\/\/remote\.example, app_id=app\)\]/,
  );
  assert.equal(await subjectOf({ iss: "https://custom.example", aud: undefined }), "ada");
  client.setAuth(await issuer.sign({ iss: "https://custom.example", org: { id: 1 } }));
  assert.deepEqual(await client.query(query("who:asQuery")), {
    issuer: "https://custom.example",
    subject: "ada",
    tokenIdentifier: "https://custom.example|ada",
    "org.id": 1,
  });
  const own = await issuer.sign({ iss: server.siteUrl, aud: "self" });
  client.setAuth(own);
  const results = await Promise.all(
    Array.from({ length: 20 }, () => client.query(query("who:asQuery"))),
  );
  for (const { issuer } of results) assert.equal(issuer, server.siteUrl);
  const [status, text] = await bearer("/who", own);
  assert.deepEqual([status, JSON.parse(text).subject], [200, "ada"]);
});

Deno.test("mutations sign tokens that anyone can check, and that sign a user in here", async () => {
  const client = httpClient(server);
  const sign = (claims: unknown, expiresInSeconds: number): Promise<string> =>
    client.mutation(mutation("who:sign"), { claims, expiresInSeconds });
  const beforeSeconds = Math.floor(Date.now() / 1000);
  const token = await sign({ sub: "grace", aud: "own", role: { name: "admin" } }, 60);
  const keySet = createRemoteJWKSet(new URL(`${server.url}/.well-known/jwks.json`));
  const { payload, protectedHeader } = await jwtVerify(token, keySet, {
    issuer: server.url,
    audience: "own",
    algorithms: ["ES256"],
  });
  assert.deepEqual(payload.role, { name: "admin" });
  assert.equal(protectedHeader.typ, "JWT");
  assert.ok(payload.iat! >= beforeSeconds);
  assert.equal(payload.exp, payload.iat! + 60);
  const { keys } = await (await fetch(`${server.url}/.well-known/jwks.json`)).json();
  assert.deepEqual(Object.keys(keys[0]).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);

  client.setAuth(token);
  const identity = await client.query(query("who:asQuery"));
  assert.deepEqual([identity.issuer, identity.subject], [server.url, "grace"]);
  client.clearAuth();

  const refused: [unknown, number, RegExp][] = [
    [{ iss: "https://bank.example" }, 60, /the claim "iss" is reserved/],
    [{ nbf: 1 }, 60, /the claim "nbf" is reserved/],
    [{ ConvexRole: "x" }, 60, /the claim "ConvexRole" is reserved/],
    [{ CVX: 1 }, 60, /the claim "CVX" is reserved/],
    [[1], 60, /`claims` for `auth\.signJwt`: must be an object/],
    [{ text: "x".repeat(20_000) }, 60, /must not be longer than 16384 bytes of JSON/],
    [{}, 0, /`expiresInSeconds` .* from 1 to 3600/],
    [{}, 3601, /`expiresInSeconds` .* from 1 to 3600/],
    [{}, 1.5, /`expiresInSeconds` .* from 1 to 3600/],
  ];
  for (const [claims, seconds, message] of refused) {
    await assert.rejects(sign(claims, seconds), message);
  }
});

Deno.test("a user who signed in at a real OpenID Connect provider", async () => {
  const token = await provider.signIn("grace");
  const identity = {
    issuer: provider.url,
    subject: "grace",
    tokenIdentifier: `${provider.url}|grace`,
    email: "grace@example.com",
    emailVerified: true,
  };
  const client = httpClient(server);
  client.setAuth(token);
  assert.deepEqual(await client.query(query("who:asQuery")), identity);
  await using live = new LiveClient(server);
  await signIn(live, () => Promise.resolve(token)).until(true);
  assert.deepEqual(await live.mutation(mutation("who:asMutation"), {}), identity);
  const [head, body, signature] = token.split(".");
  client.setAuth(`${head}.${body}.${signature!.slice(4)}`);
  await assert.rejects(client.query(query("who:asQuery")), /Could not verify OIDC token claim/);
});

Deno.test("refused tokens: the function API fails, HTTP actions learn of it when they ask", async () => {
  const call = (token: string) =>
    post(
      `${server.url}/api/query`,
      { path: "who:asQuery", args: {} },
      { authorization: `Bearer ${token}` },
    );
  const expired = await issuer.sign({ exp: 1000 });
  const cases: [string, string, RegExp][] = [
    ["nonsense", "InvalidAuthHeader", /^Could not parse JWT payload\./],
    [await issuer.sign({ iss: undefined }), "InvalidAuthHeader", /^Missing issuer claim/],
    [await issuer.sign({ aud: "other" }), "NoAuthProvider", /^No auth provider found .*\[OIDC\(/],
    [expired, "Unauthenticated", /^Could not verify OIDC token claim\./],
    [
      await issuer.sign({ iss: "https://custom.example", exp: 1000 }),
      "InvalidAuthHeader",
      /^Could not validate token: Token expired \d+ seconds ago$/,
    ],
  ];
  const reason = "connections to 127\\.0\\.0\\.9:9 are not allowed by the server's --deny-net";
  cases.push([
    await issuer.sign({ iss: "https://denied.example" }),
    "InvalidAuthHeader",
    new RegExp(
      `^Could not fetch JWKS from URL 'http://127\\.0\\.0\\.9:9/keys': ${reason}\\. Check`,
    ),
  ]);
  for (const [token, code, message] of cases) {
    const { status, json } = await call(token);
    assert.deepEqual([status, json.code], [401, code]);
    assert.match(json.message, message);
    const [whoStatus, whoText] = await bearer("/who", token);
    assert.equal(whoStatus, 401);
    assert.match(whoText, message);
    assert.deepEqual(await bearer("/indifferent", token), [200, `Bearer ${token}`]);
  }
  const denied = await call(await issuer.sign({ iss: "http://127.0.0.9:9" }));
  assert.deepEqual([denied.status, denied.json.code], [400, "AuthProviderDiscoveryFailed"]);
  assert.match(
    denied.json.message,
    new RegExp(`^Auth provider discovery of http://127\\.0\\.0\\.9:9 failed: ${reason}$`),
  );
  issuer.answers.set(
    "/.well-known/openid-configuration",
    () => new Response("maintenance", { status: 503 }),
  );
  const good = await issuer.sign({});
  const { status, json } = await call(good);
  issuer.answers.clear();
  assert.deepEqual([status, json], [503, {
    code: "AuthProviderDiscoveryFailed",
    message: `Auth provider discovery of ${issuer.url} failed: 503 maintenance`,
  }]);
  assert.equal((await call(good)).status, 200, "the provider is back");
});

Deno.test("keys rotate while the old ones are cached: the new one is found, the old one is no good any more", async () => {
  // One of its own: what the server keeps of an issuer outlives the test.
  await using rotating = await FakeIssuer.start();
  await using trusting = await serverWithIssuer(rotating);
  const client = httpClient(trusting);
  rotating.cacheControl = "max-age=3600";
  const old = await rotating.sign({});
  client.setAuth(old);
  assert.equal((await client.query(query("who:asQuery"))).subject, "ada");
  rotating.keys = [await createKey("RS256", "second")];
  client.setAuth(await rotating.sign({}));
  // An issuer is asked again for an unknown key at most every 10 s.
  for (const deadline = Date.now() + PATIENCE_MS;;) {
    const identity = await client.query(query("who:asQuery")).catch((error) => error);
    if (!(identity instanceof Error)) {
      assert.equal(identity.subject, "ada");
      break;
    }
    assert.ok(Date.now() < deadline, identity.message);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  client.setAuth(old);
  await assert.rejects(client.query(query("who:asQuery")), /Could not verify OIDC token claim/);
});

Deno.test("a live client signs in by itself when an issuer that was down or lied is well again", async () => {
  await using own = await FakeIssuer.start();
  const discovery = "/.well-known/openid-configuration";
  await using lied = await serverWithIssuer(own);
  own.answers.set(discovery, () => Response.json({ issuer: "https://evil.example" }));
  const lie = await post(`${lied.url}/api/query`, { path: "who:asQuery", args: {} }, {
    authorization: `Bearer ${await own.sign({})}`,
  });
  assert.deepEqual([lie.status, lie.json.code], [400, "AuthProviderDiscoveryFailed"]);
  assert.match(lie.json.message, /the discovery document has the issuer "https:\/\/evil\.example"/);

  const { promise: asked, resolve } = Promise.withResolvers<void>();
  own.answers.set(discovery, () => {
    resolve();
    return new Response("maintenance", { status: 503 });
  });
  await using client = new LiveClient(lied);
  const who = client.watch("who:asQuery");
  const auth = signIn(client, () => own.sign({}));
  await asked;
  own.answers.clear();
  await auth.until(true);
  await who.until((identity) => identity !== null);
});

Deno.test("an administrator acts as a user, over HTTP and live", async () => {
  const attributes = { issuer: "i", subject: "s", name: "Éve", role: "x" };
  const identity = { ...attributes, tokenIdentifier: "i|s" };
  const client = withAdminAuth(httpClient(server));
  client.setAdminAuth(server.adminKey, attributes);
  assert.deepEqual(await client.query(query("who:internally")), identity);
  assert.deepEqual(await client.action(action("who:inAction")), [identity, identity, identity]);
  assert.deepEqual(await client.mutation(mutation("who:inMutation")), [identity, identity]);
  const bytes = new TextEncoder().encode(JSON.stringify(attributes));
  const authorization = `Convex ${server.adminKey}:${bytes.toBase64()}`;
  const site = await fetch(`${server.siteUrl}/who`, { headers: { authorization } });
  assert.deepEqual(await site.json(), identity);

  await using live = new LiveClient(server);
  withAdminAuth(live.client).setAdminAuth(server.adminKey, attributes);
  const who = live.watch("who:internally");
  assert.deepEqual(await who.until((value) => value !== undefined), identity);
  assert.deepEqual(await live.mutation(mutation("who:asMutation"), {}), identity);
  assert.deepEqual(await live.action(action("who:asAction"), {}), identity);

  // By themselves they are nobody.
  client.setAdminAuth(server.adminKey);
  assert.equal(await client.query(query("who:internally")), null);
});

Deno.test("a live client signs in, refreshes its token, signs out; its queries follow", async () => {
  await using client = new LiveClient(server);
  const who = client.watch("who:asQuery");
  await who.until((identity) => identity === null);
  let fetches = 0;
  const now = () => Math.floor(Date.now() / 1000);
  const auth = signIn(client, async () => {
    fetches++;
    // The client asks again 10 s before the end, if the token is not the one that it had.
    return await issuer.sign({ iat: now(), exp: now() + 11, jti: `${fetches}` });
  });
  await auth.until(true);
  assert.deepEqual(await who.until((identity) => identity !== null), ada());
  assert.deepEqual(await client.mutation(mutation("who:asMutation"), {}), ada());
  assert.deepEqual(await client.action(action("who:asAction"), {}), ada());
  const results = who.results.length;
  for (const deadline = Date.now() + PATIENCE_MS; fetches < 4;) {
    assert.ok(Date.now() < deadline, "the token is not refreshed");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(!auth.changes.includes(false), "the client stays signed in");
  assert.equal(who.results.length, results, "a refresh does not change results");

  client.client.clearAuth();
  await who.until((identity) => identity === null);
});

interface SyncMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A connection of the sync protocol without a client that would act by itself. */
class BareConnection {
  readonly messages: SyncMessage[] = [];
  /** The code of the close frame. */
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;

  constructor() {
    this.#socket = new WebSocket(`${server.url.replace("http", "ws")}/api/1.48.0/sync`);
    this.#socket.onmessage = ({ data }) => void this.messages.push(JSON.parse(data));
    this.closed = new Promise((resolve) => this.#socket.onclose = ({ code }) => resolve(code));
  }

  async connect(): Promise<void> {
    await new Promise((opened) => this.#socket.onopen = opened);
    const connect = { connectionCount: 0, lastCloseReason: null, sessionId: crypto.randomUUID() };
    this.send({ type: "Connect", ...connect });
  }

  send(message: SyncMessage): void {
    this.#socket.send(JSON.stringify(message));
  }

  close(): Promise<number> {
    this.#socket.close();
    return this.closed;
  }
}

Deno.test("a token that expires on a live connection", async () => {
  // The first may have expired before a slow machine looks at it.
  for (let lifeSeconds = 2;; lifeSeconds *= 2) {
    const connection = new BareConnection();
    const { messages } = connection;
    await connection.connect();
    const exp = Math.floor(Date.now() / 1000) + lifeSeconds;
    const value = await issuer.sign({ exp });
    connection.send({ type: "Authenticate", tokenType: "User", value, baseVersion: 0 });
    await until(() => messages.length > 0);
    if (messages[0]!.type === "AuthError") {
      await connection.close();
      continue;
    }
    const { type, endVersion } = messages[0]!;
    assert.deepEqual([type, (endVersion as { identity: number }).identity], ["Transition", 1]);
    await new Promise((resolve) => setTimeout(resolve, exp * 1000 - Date.now() + 50));
    connection.send({ type: "Mutation", requestId: 0, udfPath: "who:asMutation", args: [{}] });
    assert.equal(await connection.closed, 1005);
    assert.deepEqual(messages.at(-1), {
      type: "AuthError",
      error: "Convex token identity expired",
      baseVersion: 1,
      authUpdateAttempted: false,
    });
    return;
  }
});

Deno.test("refused credentials on a live connection", async () => {
  const user = (value: string) => ({ tokenType: "User", value });
  const attempts: [Record<string, unknown>, RegExp][] = [
    [user("nonsense"), /^Could not parse JWT payload\. Check/],
    [user(await issuer.sign({ aud: "none" })), /^No auth provider found matching the given token/],
    [user(await issuer.sign({ exp: 1000 })), /^Could not verify OIDC token claim\. Check/],
    [
      { tokenType: "Admin", value: "concave|nonsense" },
      /^The provided admin key was invalid for this instance$/,
    ],
  ];
  for (const [token, message] of attempts) {
    const connection = new BareConnection();
    await connection.connect();
    // Nobody is somebody, too: the version moves on, and the client hears of it.
    connection.send({ type: "Authenticate", tokenType: "None", baseVersion: 0 });
    connection.send({ type: "Authenticate", ...token, baseVersion: 1 });
    assert.equal(await connection.closed, 1005);
    const { error, ...rest } = connection.messages.at(-1)!;
    assert.match(String(error), message);
    const confirmed = connection.messages.some(({ type }) => type === "Transition") ? 1 : 0;
    assert.deepEqual(rest, {
      type: "AuthError",
      baseVersion: confirmed,
      authUpdateAttempted: true,
    });
  }
});

Deno.test("a live client recovers from a refused token with a fresh one, or goes on without", async () => {
  await using client = new LiveClient(server);
  const who = client.watch("who:asQuery");
  const auth = signIn(client, async (force) => await issuer.sign(force ? {} : { aud: "other" }));
  await auth.until(true);
  assert.deepEqual(await who.until((identity) => identity !== null), ada());

  await using stranger = new LiveClient(server);
  const refused = signIn(stranger, () => Promise.resolve("nonsense"));
  await refused.until(false);
  assert.equal(await stranger.query(query("who:asQuery"), {}), null);
});
