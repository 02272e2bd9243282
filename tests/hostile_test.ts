// The short form of `deno task hostile`: each attack from one place only. (Attacks at push are in push_test.ts.)
import assert from "node:assert/strict";
import { httpClient, mutation, post, query } from "./harness/clients.ts";
import { knownAttacks } from "./hostile/expected_answers.ts";
import { HostileStand, type Place, PLACES } from "./hostile/run_attempts.ts";

let stand: HostileStand;
Deno.test.beforeAll(async () => {
  stand = await HostileStand.open();
});
Deno.test.afterAll(async () => await stand[Symbol.asyncDispose]());

Deno.test("every attack has an expectation", async () => {
  assert.deepEqual((await stand.names()).toSorted(), knownAttacks().toSorted());
});

for (const [i, name] of knownAttacks().entries()) {
  const place: Place = name.startsWith("resources.") ? "query" : PLACES[i % PLACES.length]!;
  Deno.test(`hostile code: ${name} in ${place}`, async () => {
    assert.equal((await stand.attempt(name, place)).problem, null);
  });
}

Deno.test("many attackers at once do not keep the others waiting for ever", async () => {
  const client = httpClient(stand.server);
  const attackers = Array.from(
    { length: 8 },
    (_, i) =>
      client.query(query("attacks:asQuery"), {
        attack: i % 2 ? "resources.endlessLoop" : "resources.allocation",
      }).then(() => "let through", (error: Error) => error.message),
  );
  const started = Date.now();
  await client.mutation(mutation("attacks:visit"), { who: "patient" });
  assert.ok(Date.now() - started < 15_000, "a well-behaved mutation took too long");
  for (const message of await Promise.all(attackers)) {
    assert.match(message, /timed out|ran out of memory/);
  }
  assert.ok((await client.query(query("attacks:visits"), {})).includes("patient"));
});

Deno.test("modules with tricks in their paths cannot be pushed", async () => {
  const paths = [
    "../evil.js",
    "/etc/evil.js",
    "a/../../evil.js",
    "a\0.js",
    "a\\..\\evil.js",
    "_system/evil.js",
    "./evil.js",
    "a//evil.js",
    "%2e%2e/evil.js",
    "__proto__/\u202e.js",
    `${"x".repeat(5_000)}.js`,
    "evil.mjs",
    "file:///etc/passwd",
  ];
  for (const path of paths) {
    const { status, json } = await post(`${stand.server.url}/api/deploy2/start_push`, {
      adminKey: stand.server.adminKey,
      dryRun: false,
      functions: "convex/",
      appDefinition: {
        definition: null,
        dependencies: [],
        schema: null,
        changedModules: [{ path, source: "export {};", environment: "isolate" }],
        unchangedModuleHashes: [],
        udfServerVersion: "1.48.0",
      },
      componentDefinitions: [],
      nodeDependencies: [],
    });
    assert.equal(status, 400, path);
    assert.ok(json.message.startsWith(`${path} is not a valid path to a Convex module. `), path);
  }
});
