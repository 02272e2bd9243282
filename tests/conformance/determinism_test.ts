// Determinism of pushed functions: time, random numbers, order, module level code, and what a
// function leaves unfinished (spec function-runtime 1.6, 3.3 and 4).
import assert from "node:assert/strict";
import { action, httpClient, mutation, post, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import { setVariables } from "../harness/variables.ts";
import type { Server } from "../harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/conformance");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

let lastNonce = 0;
const nonce = () => ({ nonce: ++lastNonce });

Deno.test("module level code sees the time and the random numbers of the push", async () => {
  const client = httpClient(server);
  const first = await client.query(query("determinism:importedInQuery"), nonce());
  assert.equal(first.elapsed, 0);
  assert.equal(first.isOrigin, true);
  assert.ok(first.time < Date.now());
  assert.deepEqual(await client.query(query("determinism:importedInQuery"), nonce()), first);
  assert.deepEqual(await client.action(action("determinism:importedInAction"), nonce()), first);
  await server.restart();
  assert.deepEqual(
    await httpClient(server).query(query("determinism:importedInQuery"), nonce()),
    first,
    "after a restart",
  );
});

Deno.test("the clock stands still in queries and mutations", async () => {
  const client = httpClient(server);
  const earliest = Date.now();
  const inQuery = await client.query(query("determinism:clockInQuery"), nonce());
  const inMutation = await client.mutation(mutation("determinism:clockInMutation"), nonce());
  for (const clock of [inQuery, inMutation]) {
    assert.equal(clock.elapsed, 0);
    assert.ok(clock.now >= earliest && clock.now <= Date.now(), `${clock.now}`);
    assert.ok(clock.resolution, "tenths of milliseconds");
    assert.ok(clock.text, "Date() as a function");
  }
  assert.equal(inQuery.performance, "constant");
  assert.equal(inMutation.performance, "advances");
});

Deno.test("every execution has random numbers of its own", async () => {
  const client = httpClient(server);
  const drawn = [
    await client.query(query("determinism:randomInQuery"), nonce()),
    await client.query(query("determinism:randomInQuery"), nonce()),
    await client.mutation(mutation("determinism:randomInMutation"), nonce()),
    await client.mutation(mutation("determinism:randomInMutation"), nonce()),
  ].flat();
  assert.equal(new Set(drawn).size, drawn.length, JSON.stringify(drawn));
  const same = { nonce: ++lastNonce };
  assert.deepEqual(
    await client.query(query("determinism:randomInQuery"), same),
    await client.query(query("determinism:randomInQuery"), same),
    "a cached result repeats them",
  );
});

Deno.test("promises resolve in the same order every time", async () => {
  const client = httpClient(server);
  for (let round = 0; round < 5; round++) {
    assert.equal(
      await client.query(query("determinism:order"), nonce()),
      "job 1, async, job 2, scan 1, scan 2, identity, scan 3",
    );
  }
});

Deno.test("what is not awaited is done after success, and not after failure", async () => {
  const client = httpClient(server);
  await client.mutation(mutation("determinism:forgetful"), { text: "kept" });
  assert.equal(await client.query(query("determinism:forgotten"), { text: "kept" }), 1);
  await assert.rejects(
    () => client.mutation(mutation("determinism:forgetfulAndFailing"), { text: "lost" }),
    /after all/,
  );
  assert.equal(await client.query(query("determinism:forgotten"), { text: "lost" }), 0);
});

Deno.test("a promise that nothing can resolve is an error", async () => {
  const client = httpClient(server);
  const never = /Server Error\nReturned promise will never resolve\n/;
  await assert.rejects(() => client.query(query("determinism:neverInQuery"), {}), never);
  await assert.rejects(() => client.mutation(mutation("determinism:neverInMutation"), {}), never);
});

Deno.test("a rejection that nobody handles fails the function", async () => {
  const client = httpClient(server);
  const unhandled = /Uncaught RangeError: nobody cares\n {4}at .*determinism\.ts:\d+/;
  await assert.rejects(() => client.query(query("determinism:unhandledInQuery"), {}), unhandled);
  await assert.rejects(
    () => client.mutation(mutation("determinism:unhandledInMutation"), {}),
    unhandled,
  );
  await assert.rejects(() => client.action(action("determinism:unhandledInAction"), {}), unhandled);
  assert.equal(await client.query(query("determinism:handledInTime"), {}), "handled");
});

const REFUSED_AT_IMPORT: Readonly<Record<string, RegExp>> = {
  read: /^Can't use database at import time$/,
  stream: /^Can't use database at import time$/,
  componentArgument: /^Can't use `componentArg` at import time$/,
  fetch: /^fetch\(\) unsupported at import time$/,
  timer: /^setTimeout unsupported at import time$/,
  interval: /^setInterval unsupported at import time$/,
  generateKey: /unsupported at import time|cryptographic randomness/,
};

Deno.test("module level code has no database, network, timers or entropy", async () => {
  const client = httpClient(server);
  assert.equal(await client.query(query("importing:inQuery"), {}), "nothing");
  for (const [doing, message] of Object.entries(REFUSED_AT_IMPORT)) {
    await setVariables(server, { AT_IMPORT: doing });
    assert.match(await client.query(query("importing:inQuery"), {}), message, doing);
    assert.match(await client.action(action("importing:inAction"), {}), message, doing);
  }
  await setVariables(server, { AT_IMPORT: "throwing" });
  await assert.rejects(
    () => client.query(query("importing:inQuery"), {}),
    /Uncaught RangeError: at module level\n {4}at throwing \(\.\.\/convex\/importing\.ts:\d+:\d+\)/,
  );
  await setVariables(server, { AT_IMPORT: null });
  assert.equal(await client.query(query("importing:inQuery"), {}), "nothing");
});

Deno.test("what module level code logs is in the log of every execution", async () => {
  for (let round = 0; round < 2; round++) {
    const { json } = await post(`${server.url}/api/query`, { path: "importing:inQuery", args: {} });
    assert.deepEqual(json.logLines, ["[INFO] 'module level'"]);
  }
});
