// npm packages that apps bundle, each doing real work in a pushed function.
import assert from "node:assert/strict";
import { action, httpClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/packages");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

/** What functions without arguments return. */
const QUERIES: Readonly<Record<string, unknown>> = {
  "pure:zod": { total: 6.5, problems: ["id", "lines", "kind.at"], schema: ["a", "b"] },
  "pure:lodash": {
    chunks: [[1, 2], [3, 4], [5]],
    groups: { 3: ["one", "two"], 5: ["three"] },
    merged: { a: { b: 1, c: 2 } },
    ordered: [3, 2, 1],
    clone: [1],
    debounced: "function",
  },
  "pure:dates": { formatted: "Tuesday 24 November 2026 10:00", days: 42 },
  "pure:ids": {
    versions: [true, true, true],
    named: "4e8212de-c08c-516c-a9b3-66407b07359e",
    sameTwice: false,
    nanoid: 21,
    alphabet: true,
  },
  "pure:superJson": {
    when: "1970-01-01T00:00:00.000Z",
    set: [1, 2],
    big: 10n,
    pattern: "/a+/gi",
    none: true,
    deep: 1,
  },
  "tokens:hmacToken": { role: "admin", lifetime: 7200 },
};

const ACTIONS: Readonly<Record<string, unknown>> = {
  "tokens:keyPairToken": { sub: "me", again: "me", curve: "P-256" },
  "openai:openai": {
    whole: "hello",
    streamed: "hello",
    seen: ["POST /v1/chat/completions m", "POST /v1/chat/completions m"],
  },
  "stripe:stripe": {
    name: "Ann",
    event: "customer.created",
    forged: "StripeSignatureVerificationError",
    seen: ["POST /v1/customers name=Ann&metadata[plan]=pro"],
  },
  "everything:everything": [true, true, true, true],
  "ai:ai": { text: "It is sunny.", asked: ["Rome"], steps: 2 },
};

for (const [name, expected] of Object.entries(QUERIES)) {
  Deno.test(`package: ${name}`, async () => {
    assert.deepEqual(await httpClient(server).query(query(name), {}), expected);
  });
}

for (const [name, expected] of Object.entries(ACTIONS)) {
  Deno.test(`package: ${name}`, async () => {
    assert.deepEqual(await httpClient(server).action(action(name), {}), expected);
  });
}

Deno.test("package: lodash's templates need code from strings, which is refused", async () => {
  await assert.rejects(
    () => httpClient(server).query(query("pure:lodashTemplate"), {}),
    /EvalError/,
  );
});

Deno.test("package: convex-helpers", async () => {
  const client = httpClient(server);
  const post = (author: string, title: string, secret = false) =>
    client.mutation(mutation("helpers:post"), { author, title, secret });
  await post("ann", "one");
  await post("bob", "two");
  const secret = await post("ann", "three", true);
  const seenBy = (viewer: string) =>
    client.query(query("helpers:visible"), { author: "ann", viewer });
  const countOf = () => client.query(query("helpers:count"), { author: "ann" });

  assert.deepEqual(await seenBy("ann"), { viewer: "ann", titles: ["one", "three"] });
  assert.deepEqual(await seenBy("nobody"), { viewer: null, titles: ["one"] });
  assert.equal(await countOf(), 2, "the trigger counted");
  const first = await client.query(query("helpers:merged"), { cursor: null });
  assert.deepEqual(first.titles, ["one", "two"]);
  const second = await client.query(query("helpers:merged"), { cursor: first.cursor });
  assert.deepEqual(second.titles, ["three"]);
  const rename = (viewer: string) =>
    client.mutation(mutation("helpers:rename"), { viewer, id: secret, title: "renamed" });
  await assert.rejects(() => rename("bob"), /no read access or doc does not exist/);
  await rename("ann");
  assert.deepEqual((await seenBy("ann")).titles, ["one", "renamed"]);
  await client.mutation(mutation("helpers:unpost"), { id: secret });
  assert.equal(await countOf(), 1);

  assert.deepEqual(
    await client.query(query("helpers:zodChecked"), { email: "a@example.com" }),
    { domain: "example.com" },
  );
  await assert.rejects(
    () => client.query(query("helpers:zodChecked"), { email: "nobody" }),
    /ZodError/,
  );
});

Deno.test("package: hono", async () => {
  const at = (path: string, init?: RequestInit) => fetch(`${server.siteUrl}${path}`, init);
  const hello = await at("/hono/hello/ann?q=1", { headers: { origin: "https://app.example" } });
  assert.deepEqual(await hello.json(), { hello: "ann", q: "1" });
  assert.equal(hello.headers.get("access-control-allow-origin"), "https://app.example");
  assert.equal(await (await at("/hono/sum", { method: "POST", body: "[1,2,3]" })).text(), "6");
  const refused = await at("/hono/refused");
  assert.deepEqual([refused.status, await refused.text()], [403, "not you"]);
  const preflight = await at("/hono/sum", { method: "OPTIONS" });
  assert.equal(preflight.status, 204);
  await preflight.body?.cancel();
  const missing = await at("/hono/missing");
  assert.deepEqual([missing.status, await missing.text()], [404, "404 Not Found"]);
});

Deno.test("package: CORS of convex-helpers", async () => {
  const at = (method: string, origin: string, headers: Record<string, string> = {}) =>
    fetch(`${server.siteUrl}/shared`, {
      method,
      headers: { origin, ...headers },
      body: method === "POST" ? "text" : null,
    });
  const preflight = await at("OPTIONS", "https://app.example", {
    "access-control-request-method": "POST",
    "access-control-request-headers": "x-own",
  });
  await preflight.body?.cancel();
  assert.equal(preflight.status, 204);
  const allowed = (name: string) => preflight.headers.get(`access-control-allow-${name}`);
  assert.equal(allowed("origin"), "https://app.example");
  assert.equal(allowed("credentials"), "true");
  assert.match(allowed("methods")!, /POST/);
  assert.match(allowed("headers")!, /x-own/);

  const answer = await at("POST", "https://app.example");
  assert.equal(await answer.text(), "TEXT");
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example");
  const refused = await at("POST", "https://evil.example");
  await refused.body?.cancel();
  assert.equal(refused.status, 403);
});
