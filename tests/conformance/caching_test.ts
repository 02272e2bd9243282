// When a query runs and when a result is given again (spec function-runtime 7).
import assert from "node:assert/strict";
import { ConvexHttpClient } from "convex/browser";
import { httpClient, LiveClient, mutation, post, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import { setVariables } from "../harness/variables.ts";
import type { Server } from "../harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/conformance");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

let keys = 0;
const newKey = () => ({ key: `key ${++keys}` });

/** An administrator who acts as a user. */
class Acting extends ConvexHttpClient {
  constructor(subject: string) {
    super(server.url, { logger: false });
    const claims = { subject, issuer: "https://issuer.example" };
    (this as unknown as { setAdminAuth(key: string, claims: object): void })
      .setAdminAuth(server.adminKey, claims);
  }
}

Deno.test("cache: the same arguments, the same result; other arguments run", async () => {
  const client = httpClient(server);
  const args = newKey();
  const first = await client.query(query("caching:plain"), args);
  assert.equal(await httpClient(server).query(query("caching:plain"), args), first);
  await using live = new LiveClient(server);
  assert.equal(await live.watch("caching:plain", args).until(() => true), first);
  assert.notEqual(await client.query(query("caching:plain"), newKey()), first);
});

Deno.test("cache: users share what did not look at them, and nothing else", async () => {
  const [ann, bob, anyone] = [new Acting("ann"), new Acting("bob"), httpClient(server)];
  const args = newKey();
  const shared = await ann.query(query("caching:plain"), args);
  assert.equal(await bob.query(query("caching:plain"), args), shared);
  for (const name of ["caching:identity", "caching:identityNested"]) {
    const own = newKey();
    const ofAnn = await ann.query(query(name), own);
    const ofBob = await bob.query(query(name), own);
    const ofAnyone = await anyone.query(query(name), own);
    assert.deepEqual([ofAnn.who, ofBob.who, ofAnyone.who], ["ann", "bob", null]);
    assert.equal(new Set([ofAnn.run, ofBob.run, ofAnyone.run]).size, 3);
    assert.deepEqual(await new Acting("ann").query(query(name), own), ofAnn);
  }
});

Deno.test("cache: a write into what was read ends a result, another write does not", async () => {
  const client = httpClient(server);
  const args = newKey();
  const before = await client.query(query("caching:group"), args);
  await client.mutation(mutation("caching:add"), newKey());
  assert.deepEqual(await client.query(query("caching:group"), args), before);
  await client.mutation(mutation("caching:add"), args);
  const after = await client.query(query("caching:group"), args);
  assert.deepEqual([before.rows, after.rows], [0, 1]);
  assert.notEqual(after.run, before.run);
});

Deno.test("cache: the variables that were read are dependencies, also of live queries", async () => {
  const client = httpClient(server);
  const args = newKey();
  await using live = new LiveClient(server);
  const watched = live.watch("caching:variable", args);
  const unset = await watched.until(() => true) as { mode: string | null; run: number };
  assert.equal(unset.mode, null);
  await setVariables(server, { OTHER: "x" });
  assert.deepEqual(await client.query(query("caching:variable"), args), unset);
  await setVariables(server, { MODE: "on" });
  await watched.until((result) => (result as typeof unset).mode === "on");
  assert.equal((await client.query(query("caching:variable"), args)).mode, "on");
  assert.equal(watched.results.length, 2, "the other variable started nothing");
});

Deno.test("cache: errors are not kept", async () => {
  const client = httpClient(server);
  const args = newKey();
  const attempt = () =>
    client.query(query("caching:failing"), args)
      .then(() => assert.fail(), (error: Error) => error.message.match(/run (\S+)/)![1]);
  assert.notEqual(await attempt(), await attempt());
});

Deno.test("cache: the lines of the first run come with every result", async () => {
  const args = newKey();
  const body = { path: "caching:logging", args };
  const first = (await post(`${server.url}/api/query`, body)).json;
  const second = (await post(`${server.url}/api/query`, body)).json;
  assert.deepEqual([first.value, first.logLines], [second.value, ["[LOG] 'ran'"]]);
  assert.deepEqual(second.logLines, first.logLines);
});

Deno.test("cache: identical queries at the same time run once", async () => {
  const args = newKey();
  const clients = Array.from({ length: 12 }, () => httpClient(server));
  const results = await Promise.all(
    clients.map((client) => client.query(query("caching:slow"), args)),
  );
  assert.equal(new Set(results.map(({ run }) => run)).size, 1);
});

Deno.test("cache: time alone starts no live query again", async () => {
  await using live = new LiveClient(server);
  const clock = live.watch("determinism:clockInQuery", { nonce: 1e6 });
  await clock.until(() => true);
  const args = newKey();
  const group = live.watch("caching:group", args);
  await live.mutation(mutation("caching:add"), args);
  await group.until((result) => (result as { rows: number }).rows === 1);
  assert.equal(clock.results.length, 1, "it was not run by the Transition of another query");
});
