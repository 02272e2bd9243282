import assert from "node:assert/strict";
import { base64url, SignJWT } from "jose";
import { PlatformError } from "../../engine/errors.ts";
import type { AuthProvider } from "../auth_config.ts";
import { ProviderDocuments } from "./provider_documents.ts";
import { createKey, FakeIssuer } from "./testing/fake_issuer.ts";
import { TokenVerifier } from "./token_verifier.ts";

class Stand {
  nowMs = Date.now();
  readonly documents: ProviderDocuments;
  readonly verifier: TokenVerifier;

  constructor(readonly providers: AuthProvider[], redact = false, timeoutMs?: number) {
    const clock = () => this.nowMs;
    this.documents = new ProviderDocuments({ clock, timeoutMs });
    this.verifier = new TokenVerifier({
      providers: () => this.providers,
      documents: this.documents,
      clock,
      redact,
    });
  }

  async refuses(token: string, kind: string, code: string, message: string | RegExp, what = "") {
    await assert.rejects(this.verifier.verify(token), (error) => {
      assert.ok(error instanceof PlatformError, String(error));
      assert.equal(`${error.kind} ${error.code}`, `${kind} ${code}`, what);
      if (typeof message === "string") assert.equal(error.message, message, what);
      else assert.match(error.message, message, what);
      return true;
    });
  }
}

const oidc = (domain: string): AuthProvider => ({ domain, applicationID: "app" });
const custom = (
  issuer: string,
  jwks: string,
  applicationID: string | null = null,
  algorithm: "RS256" | "ES256" = "ES256",
): AuthProvider => ({ type: "customJwt", issuer, jwks, applicationID, algorithm });
const dataUrl = (json: unknown) => `data:text/plain;base64,${btoa(JSON.stringify(json))}`;

const UNDECODABLE =
  "Could not parse JWT payload. Check that the token is a valid JWT format with three base64-encoded parts separated by dots.";
const NO_ISSUER =
  "Missing issuer claim ('iss') in JWT payload. The JWT must include an 'iss' claim that matches one of your configured auth providers.";
const NOT_OIDC = "Could not parse as OIDC ID token. Token might not be an OIDC-compliant JWT.";
const UNVERIFIED =
  "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.";
const BAD_CLAIM =
  "Could not verify token claim. Check that the JWT contains valid claims and matches your auth provider configuration.";
const NO_KID = "Could not decode token. JWT may be missing a 'kid' (key ID) header.";
const noKey = (kid: string) =>
  `Could not decode token. The JWT's 'kid' (key ID) header is '${kid}', does this key match any key in the provider's JWKS?`;

function part(value: unknown): string {
  return base64url.encode(typeof value === "string" ? value : JSON.stringify(value));
}

Deno.test("undecodable tokens and tokens of nobody", async () => {
  const stand = new Stand([oidc("https://a.example"), custom("https://b.example", "data:,{}")]);
  const header = part({ alg: "RS256" });
  const undecodable = [
    "",
    "x",
    "a.b",
    "a.b.c",
    "a.b.c.d",
    "a.b.c.d.e",
    "..",
    `${header}..x`,
    `${header}.${part("no json")}.x`,
    `${header}.${part([1])}.x`,
    `${header}.${part("null")}.x`,
    `${header}.${part("3")}.x`,
    `${header}.!!!.x`,
    `${header}.${part({ iss: "https://a.example" })}`,
    `${header}.${part({ iss: "https://a.example", long: "x".repeat(200_000) })}.x`,
  ];
  for (const token of undecodable) {
    await stand.refuses(token, "unauthenticated", "InvalidAuthHeader", UNDECODABLE, token);
  }
  for (const iss of [undefined, null, 1, ["https://a.example"]]) {
    const token = `${header}.${part({ iss })}.x`;
    await stand.refuses(token, "unauthenticated", "InvalidAuthHeader", NO_ISSUER);
  }
  const strangers = [
    { iss: "https://c.example", aud: "app" },
    { iss: "https://a.example", aud: "other" },
    { iss: "https://a.example", aud: [1, { app: 1 }] },
    { iss: "https://a.example" },
    { iss: "http://a.example", aud: "app" },
    { iss: "", aud: "app" },
  ];
  for (const claims of strangers) {
    await stand.refuses(
      `${header}.${part(claims)}.x`,
      "unauthenticated",
      "NoAuthProvider",
      "No auth provider found matching the given token. Check that your JWT's issuer and audience match one of your configured providers: " +
        "[OIDC(domain=https://a.example, app_id=app), CustomJWT(issuer=https://b.example, app_id=none)]",
    );
  }
  const stranger = `${header}.${part(strangers[0])}.x`;
  await new Stand([]).refuses(
    stranger,
    "unauthenticated",
    "NoAuthProvider",
    "No auth provider found matching the given token (no providers configured). Check convex/auth.config.ts.",
  );
  await new Stand(stand.providers, true).refuses(
    stranger,
    "unauthenticated",
    "NoAuthProvider",
    "No auth provider found matching the given token",
  );
});

Deno.test("ID tokens: claims become the identity", async () => {
  for (const alg of ["RS256", "EdDSA"]) {
    await using issuer = await FakeIssuer.start(alg);
    const stand = new Stand([oidc(`${issuer.url}/`)]);
    const token = await issuer.sign({
      aud: ["app"],
      exp: 4_000_000_000.9,
      name: "Ada",
      given_name: "A",
      email: "ada@example.com",
      email_verified: true,
      phone_number_verified: "false",
      address: { formatted: "Street 1", locality: "x" },
      updated_at: 1_700_000_000,
      locale: null,
      role: "admin",
      nested: { deep: { a: [1] } },
      nonce: "n",
      fva: [1, 2],
      subject: "mallory",
      tokenIdentifier: "mallory",
      ["__proto__"]: { evil: true },
    });
    const identity = await stand.verifier.verify(token);
    assert.equal(identity.expiresAtMs, 4_000_000_000_000);
    assert.equal(identity.token, token);
    assert.deepEqual(
      identity.attributes,
      Object.fromEntries([
        ["role", "admin"],
        ["nested", { deep: { a: [1] } }],
        ["__proto__", { evil: true }],
        ["name", "Ada"],
        ["givenName", "A"],
        ["email", "ada@example.com"],
        ["emailVerified", true],
        ["phoneNumberVerified", false],
        ["address", "Street 1"],
        ["updatedAt", "2023-11-14T22:13:20+00:00"],
        ["tokenIdentifier", `${issuer.url}|ada`],
        ["issuer", issuer.url],
        ["subject", "ada"],
      ]),
    );
    // Without a key id, every key of the right kind is tried.
    issuer.keys.unshift(await createKey(alg, "other"));
    const [, first] = issuer.keys;
    await stand.verifier.verify(await issuer.sign({}, { kid: null, key: first }));
  }
});

Deno.test("ID tokens that are refused", async () => {
  await using issuer = await FakeIssuer.start();
  const stand = new Stand([oidc(issuer.url)]);
  const shapes: [string, Record<string, unknown>][] = [
    ["no sub", { sub: undefined }],
    ["numeric sub", { sub: 7 }],
    ["no exp", { exp: undefined }],
    ["exp as text", { exp: "4000000000" }],
    ["no iat", { iat: undefined }],
    ["email is no text", { email: 1 }],
    ["email_verified is no boolean", { email_verified: "maybe" }],
    ["address is no object", { address: "Street 1" }],
    ["updated_at is no time", { updated_at: "soon" }],
  ];
  for (const [what, claims] of shapes) {
    const token = await issuer.sign(claims);
    await stand.refuses(token, "unauthenticated", "InvalidAuthHeader", NOT_OIDC, what);
  }
  const headerless = (await issuer.sign({})).replace(/^[^.]*/, part("{}"));
  await stand.refuses(headerless, "unauthenticated", "InvalidAuthHeader", NOT_OIDC);
  assert.deepEqual(issuer.requests, [], "hopeless tokens cost no request");

  const good = await issuer.sign({});
  const [head, body, signature] = good.split(".") as [string, string, string];
  const stranger = await createKey("RS256", "first");
  const now = Math.floor(stand.nowMs / 1000);
  const publicKey = new TextEncoder().encode(JSON.stringify(issuer.keys[0]!.jwk));
  const unverified: [string, string][] = [
    ["expires now", await issuer.sign({ exp: now })],
    ["expired", await issuer.sign({ exp: now - 100 })],
    ["also for somebody else", await issuer.sign({ aud: ["app", "other"] })],
    ["audience with a number", await issuer.sign({ aud: ["app", 1] })],
    ["signature of a stranger", await issuer.sign({}, { key: stranger })],
    ["unknown key", await issuer.sign({}, { kid: "unknown" })],
    ["no signature", `${head}.${body}.`],
    ["cut signature", `${head}.${body}.${signature.slice(0, -8)}`],
    ["changed claims", `${head}.${part({ ...issuer.claims(), sub: "eve" })}.${signature}`],
    ["alg none", `${part({ alg: "none" })}.${body}.`],
    [
      "HS256 with the public key",
      await new SignJWT(issuer.claims())
        .setProtectedHeader({ alg: "HS256", kid: "first" }).sign(publicKey),
    ],
    ["another algorithm of the same key", `${part({ alg: "PS256" })}.${body}.${signature}`],
    ["critical extensions", await issuer.sign({}, { header: { crit: ["b64"], b64: true } })],
  ];
  for (const [what, token] of unverified) {
    await stand.refuses(token, "unauthenticated", "Unauthenticated", UNVERIFIED, what);
  }
  await stand.verifier.verify(good);
});

Deno.test("custom JWTs: claims keep their names, key sets may be inline", async () => {
  await using issuer = await FakeIssuer.start("ES256");
  const stand = new Stand([
    custom("https://auth.example", dataUrl(issuer.jwks())),
    custom("https://remote.example", `${issuer.url}/jwks`, "app"),
  ]);
  const now = Math.floor(stand.nowMs / 1000);
  const inline = await issuer.sign({
    iss: "auth.example",
    aud: undefined,
    email_verified: true,
    a: { b: { c: 1 }, d: [{}] },
    nonce: "kept",
    jti: "dropped",
    nbf: now + 5,
    iat: now + 5,
    issuer: "mallory",
  });
  const identity = await stand.verifier.verify(inline);
  assert.deepEqual(identity.attributes, {
    email_verified: true,
    "a.b.c": 1,
    "a.d": [{}],
    nonce: "kept",
    tokenIdentifier: "auth.example|ada",
    issuer: "auth.example",
    subject: "ada",
  });
  assert.deepEqual(issuer.requests, []);
  const remote = await issuer.sign({ iss: "https://remote.example/", aud: ["x", "app"] });
  assert.equal(
    (await stand.verifier.verify(remote)).attributes.tokenIdentifier,
    "https://remote.example/|ada",
  );
  const late = await stand.verifier.verify(
    await issuer.sign({ iss: "auth.example", exp: now - 5 }),
  );
  assert.ok(late.expiresAtMs > stand.nowMs, "the leeway holds for the session, too");
});

Deno.test("custom JWTs that are refused", async () => {
  await using issuer = await FakeIssuer.start("ES256");
  const rsa = await createKey("RS256", "rsa");
  const stand = new Stand([
    custom("https://c.example", dataUrl({ keys: [...issuer.jwks().keys, rsa.jwk] })),
  ]);
  const now = Math.floor(stand.nowMs / 1000);
  const sign = (claims: Record<string, unknown>, options = {}) =>
    issuer.sign({ iss: "https://c.example", ...claims }, options);
  const good = await sign({});
  const cases: [string, string][] = [
    [await sign({}, { kid: null }), NO_KID],
    [`${part("x")}.${good.split(".")[1]}.x`, NO_KID],
    [await sign({}, { kid: "unknown" }), noKey("unknown")],
    [await sign({}, { key: await createKey("ES256", "first") }), noKey("first")],
    [await sign({}, { key: rsa }), noKey("rsa")],
    [good.slice(0, -10), noKey("first")],
    [await sign({ sub: undefined }), BAD_CLAIM],
    [await sign({ exp: undefined }), BAD_CLAIM],
    [await sign({ sub: 1 }), BAD_CLAIM],
    [await sign({ exp: "soon" }), BAD_CLAIM],
    [await sign({ nbf: "soon" }), BAD_CLAIM],
    [await sign({ exp: now - 6 }), "Could not validate token: Token expired 6 seconds ago"],
    [await sign({ nbf: now + 60 }), "Could not validate token: Token will be valid in 60 seconds"],
    [await sign({ iat: now + 9.5 }), "Could not validate token: Token will be valid in 9 seconds"],
  ];
  for (const [token, message] of cases) {
    await stand.refuses(token, "unauthenticated", "InvalidAuthHeader", message);
  }
  await stand.verifier.verify(good);
});

Deno.test("key sets that cannot be had", async () => {
  await using issuer = await FakeIssuer.start("ES256");
  const stand = new Stand([]);
  const hasty = new Stand(stand.providers, false, 300);
  const url = `${issuer.url}/jwks`;
  const token = await issuer.sign({});
  const refuses = (jwks: string, message: string | RegExp, by = stand) => {
    stand.providers[0] = custom(issuer.url, jwks);
    return by.refuses(token, "unauthenticated", "InvalidAuthHeader", message);
  };
  const answer = (body: string | null, init: ResponseInit) =>
    issuer.answers.set("/jwks", () => new Response(body, init));
  const json = { headers: { "content-type": "application/json" } };

  answer("gone", { status: 404 });
  await refuses(
    url,
    `Could not fetch JWKS from URL '${url}': HTTP 404 Not Found. Check that the URL is correct and accessible.`,
  );
  answer("{}", { headers: { "content-type": "text/html" } });
  await refuses(
    url,
    `Invalid Content-Type 'text/html' when fetching JWKS from '${url}'. Expected 'application/json' or 'application/jwk-set+json'.`,
  );
  answer("{}", { headers: { "content-type": "application/json; charset=latin1" } });
  await refuses(url, /^Invalid Content-Type 'application\/json; charset=latin1' when/);
  for (const body of ["no json", "{}", '{"keys":{}}', '{"keys":[1]}', "null"]) {
    answer(body, json);
    await refuses(
      url,
      `Invalid JWKS response body from '${url}'. The response is not valid JSON or doesn't match the expected JWKS format.`,
    );
  }
  answer("x".repeat(2 * 1024 * 1024), json);
  await refuses(
    url,
    /^Could not fetch JWKS from URL '.*': the response is larger than 1 MiB\. Check/,
  );
  issuer.answers.set(
    "/jwks",
    () => new Promise((resolve) => setTimeout(() => resolve(new Response("late")), 600)),
  );
  await refuses(url, /': no answer within 0\.3 seconds\. Check/, hasty);
  await refuses("http://127.0.0.1:1/jwks", /^Could not fetch JWKS from URL .*Check that the URL/);
  await refuses("file:///etc/hostname", /': the URL must be http or https\. Check/);
  for (const inline of ["data:", "data:x", "data:;base64,!!", "data:,[]"]) {
    await refuses(inline, /^Invalid JWKS data URL\. /);
  }

  issuer.answers.clear();
  answer(JSON.stringify(issuer.jwks()), {
    headers: { "content-type": 'application/jwk-set+json; charset="UTF-8"' },
  });
  stand.providers[0] = custom(issuer.url, url);
  await stand.verifier.verify(token);
  await new Promise((resolve) => setTimeout(resolve, 600));
});

Deno.test("an issuer that is down, slow or lies, and is well again", async () => {
  await using issuer = await FakeIssuer.start();
  const { url } = issuer;
  const stand = new Stand([oidc(url)]);
  const hasty = new Stand(stand.providers, false, 300);
  const token = await issuer.sign({});
  const path = "/.well-known/openid-configuration";
  const start = `Auth provider discovery of ${url} failed: `;
  const refuses = (kind: string, detail: string, by = stand) =>
    by.refuses(
      token,
      kind,
      "AuthProviderDiscoveryFailed",
      start + detail,
    );
  const answer = (body: string, status = 200) =>
    issuer.answers.set(path, () => new Response(body, { status }));

  const kinds: [number, string][] = [
    [500, "overloaded"],
    [503, "overloaded"],
    [404, "notFound"],
    [429, "rateLimited"],
    [401, "unauthenticated"],
    [403, "forbidden"],
    [418, "badRequest"],
  ];
  for (const [status, kind] of kinds) {
    answer("broken", status);
    await refuses(kind, `${status} broken`);
  }
  answer("<html>");
  await refuses("badRequest", "the discovery document is not JSON");
  answer("null");
  await refuses("badRequest", "the discovery document has the issuer undefined");
  answer(JSON.stringify({ issuer: `${url}/`, jwks_uri: `${url}/jwks` }));
  await refuses("badRequest", `the discovery document has the issuer "${url}/"`);
  answer(JSON.stringify({ issuer: url }));
  await refuses("badRequest", "the discovery document has no jwks_uri");
  answer(JSON.stringify({ issuer: url, jwks_uri: "file:///etc/hostname" }));
  await refuses("badRequest", "'file:///etc/hostname' is not an http URL");
  answer(JSON.stringify({ issuer: url, jwks_uri: `${url}${path}` }));
  await refuses("badRequest", "the jwks_uri serves no JSON Web Key Set");
  answer("x".repeat(2 * 1024 * 1024));
  await refuses("badRequest", "the response is larger than 1 MiB");
  issuer.answers.set(
    path,
    () => new Promise((resolve) => setTimeout(() => resolve(new Response("late")), 600)),
  );
  await refuses("badRequest", "no answer within 0.3 seconds", hasty);
  const dead = new Stand([oidc("http://127.0.0.1:1")]);
  await dead.refuses(
    await issuer.sign({ iss: "http://127.0.0.1:1" }),
    "badRequest",
    "AuthProviderDiscoveryFailed",
    /^Auth provider discovery of http:\/\/127\.0\.0\.1:1 failed: ./,
  );

  issuer.answers.clear();
  assert.equal((await stand.verifier.verify(token)).attributes.subject, "ada");
  await new Promise((resolve) => setTimeout(resolve, 600));
});

Deno.test("answers are kept as far as permitted; new keys are found", async () => {
  await using issuer = await FakeIssuer.start();
  const stand = new Stand([oidc(issuer.url)]);
  const fetches = async (token: string) => {
    issuer.requests.length = 0;
    await stand.verifier.verify(token);
    return issuer.requests.length;
  };
  const old = await issuer.sign({});
  assert.equal(await fetches(old), 2);
  assert.equal(await fetches(old), 2, "nothing permits to keep it");
  issuer.cacheControl = "public, max-age=600";
  assert.equal(await fetches(old), 2);
  assert.equal(await fetches(old), 0);

  const second = await createKey("RS256", "second");
  issuer.keys = [second];
  const renewed = await issuer.sign({});
  await stand.refuses(renewed, "unauthenticated", "Unauthenticated", UNVERIFIED, "just fetched");
  assert.equal(issuer.requests.length, 0, "forged key ids cause no storm of requests");
  stand.nowMs += 11_000;
  assert.equal(await fetches(renewed), 2);
  await stand.refuses(old, "unauthenticated", "Unauthenticated", UNVERIFIED, "withdrawn");
  stand.nowMs += 600_000;
  assert.equal(await fetches(renewed), 2);

  // Many at a time share the fetch.
  issuer.cacheControl = "no-store, max-age=600";
  stand.nowMs += 600_000;
  issuer.requests.length = 0;
  await Promise.all(Array.from({ length: 20 }, () => stand.verifier.verify(renewed)));
  assert.ok(issuer.requests.length <= 4, `${issuer.requests.length} requests`);
});
