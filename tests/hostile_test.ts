// Code that tries to break out, or to take the server down, gets an error; other clients see nothing
// of it. (Attacks at module level are in push_test.ts.)
import assert from "node:assert/strict";
import { httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

/** What must stand in the error of each attack. */
const EXPECTED: Readonly<Record<string, RegExp>> = {
  endlessLoop: /Function execution timed out \(maximum duration: 1s\)/,
  endlessPromises: /Function execution timed out \(maximum duration: 1s\)/,
  allocation: /JavaScript execution ran out of memory \(maximum memory usage: 64 MB\)/,
  arrayBuffers: /RangeError|ran out of memory/,
  neverResolves: /Returned promise will never resolve/,
  deepRecursion: /RangeError: Maximum call stack size exceeded/,
  denoGlobal: /TypeError|ReferenceError/,
  denoThroughConstructor: /EvalError/,
  evalFile: /EvalError/,
  processBinding: /TypeError|ReferenceError/,
  hostProcess: /TypeError|ReferenceError/,
  requireFs: /TypeError|ReferenceError/,
  importFs: /./,
  importFile: /./,
  importData: /./,
  socket: /TypeError|ReferenceError/,
  webSocket: /TypeError|ReferenceError/,
  worker: /TypeError|ReferenceError/,
  fetches: /Can't use fetch\(\) in queries and mutations\./,
  sharedMemoryWait: /Error/,
};

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/hostile");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

Deno.test("every attack has an expectation", async () => {
  const names = await httpClient(server).query(query("attacks:names"), {});
  assert.deepEqual(names.toSorted(), Object.keys(EXPECTED).toSorted());
});

for (const [attack, expected] of Object.entries(EXPECTED)) {
  Deno.test(`hostile code: ${attack}`, async () => {
    const client = httpClient(server);
    await using bystander = new LiveClient(server);
    const visits = bystander.watch("attacks:visits");
    await visits.until(() => true);
    const before = visits.results.at(-1) as string[];

    const attempts = [
      client.query(query("attacks:asQuery"), { attack }),
      client.mutation(mutation("attacks:asMutation"), { attack }),
    ].map((attempt) => attempt.then(() => null, (error: Error) => error.message));
    await bystander.mutation(mutation("attacks:visit"), { who: attack });
    for (const message of await Promise.all(attempts)) {
      assert.ok(message !== null, "the attack was let through");
      assert.match(message, expected);
      assert.doesNotMatch(message, /root:/, "the content of /etc/passwd");
    }
    await visits.until((seen) => (seen as string[]).length === before.length + 1);
    assert.deepEqual(visits.results.at(-1), [...before, attack], "nothing of the attacker stayed");
    for (const result of visits.results) assert.ok(Array.isArray(result));
  });
}

Deno.test("one run cannot poison the next", async () => {
  const client = httpClient(server);
  for (let round = 0; round < 4; round++) {
    await client.mutation(mutation("attacks:poison"), {}).catch(() => {});
    assert.deepEqual(await client.query(query("attacks:lookForPoison"), { round }), {
      global: null,
      array: null,
      json: "[1]",
      string: "[object Object]",
    });
  }
});

Deno.test("many attackers at once do not keep the others waiting for ever", async () => {
  const client = httpClient(server);
  const attackers = Array.from(
    { length: 8 },
    (_, i) =>
      client.query(query("attacks:asQuery"), { attack: i % 2 ? "endlessLoop" : "allocation" })
        .catch((error: Error) => error.message),
  );
  const started = Date.now();
  await client.mutation(mutation("attacks:visit"), { who: "patient" });
  assert.ok(Date.now() - started < 15_000, "a well-behaved mutation took too long");
  for (const message of await Promise.all(attackers)) {
    assert.match(message, /timed out|ran out of memory/);
  }
  assert.ok((await client.query(query("attacks:visits"), {})).includes("patient"));
});
