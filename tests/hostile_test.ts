// The short form of `deno task hostile`: each attack from one place only. (Attacks at push are in push_test.ts.)
import assert from "node:assert/strict";
import { Server } from "./harness/server.ts";
import { httpClient, mutation, post, query } from "./harness/clients.ts";
import { knownAttacks } from "./hostile/expected_answers.ts";
import { LINKING_PACKAGE, LINKING_VERSION, LinkRegistry } from "./hostile/link_registry.ts";
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
    "/proc/self/environ.js",
    "proc/self/../../evil.js",
    "_deps/../evil.js",
    "a/.../evil.js",
    "~/evil.js",
    "C:/evil.js",
    "con\n.js",
    " evil.js",
    "evil.JS",
    `${"a/".repeat(3_000)}evil.js`,
  ];
  for (const path of paths) {
    for (const environment of ["isolate", "node"]) {
      const { status, json } = await startPush([{ path, source: "export {};", environment }]);
      assert.equal(status, 400, path);
      assert.ok(json.message.startsWith(`${path} is not a valid path to a Convex module. `), path);
    }
  }
});

Deno.test("modules that would be one file, or a file and a directory, cannot be pushed", async () => {
  const files = (environments: readonly string[], ...paths: string[]) =>
    startPush(paths.map((path, i) => ({
      path,
      source: `export const at = ${i};`,
      environment: environments[i % environments.length]!,
    })));
  const same = await files(["isolate", "node"], "evil.js", "evil");
  assert.equal(same.status, 400);
  assert.match(same.json.message, /multiple modules with the same canonical path: evil\.js/);
  const within = await files(["node"], "evil.js", "evil.js/inner.js");
  assert.equal(within.status, 400);
  assert.match(within.json.message, /The module evil\.js is no directory\./);
  const packages = await files(["node"], "node_modules/evil.js");
  assert.equal(packages.status, 400);
  assert.match(packages.json.message, /The `node_modules` directory is reserved\./);
  // Names of objects' own properties are names like any other; case tells names apart.
  const odd = ["__proto__.js", "constructor.js", "Evil.js", "evil.js", "proc/self/environ.js"];
  for (const environment of ["isolate", "node"]) {
    assert.equal((await files([environment], ...odd)).status, 200, environment);
  }
});

Deno.test("packages are installed without the links that they contain", async () => {
  await using registry = await LinkRegistry.start();
  await using server = await Server.start({ env: { NPM_CONFIG_REGISTRY: registry.url } });
  // What top-level code throws comes back as the push's error.
  const source = `
    import { existsSync, readdirSync, readFileSync } from "node:fs";
    import { dirname } from "node:path";
    const directory = dirname(require.resolve("${LINKING_PACKAGE}"));
    const attempt = (body) => { try { return body(); } catch { return "refused"; } };
    throw new Error("seen " + JSON.stringify({
      files: readdirSync(directory).toSorted(),
      through: ["secret", "up/etc/passwd", "hard"].map((name) =>
        attempt(() => readFileSync(directory + "/" + name, "utf8").length)),
    }));`;
  const modules = [{ path: "evil.js", source, environment: "node" }];
  const dependencies = [{ name: LINKING_PACKAGE, version: LINKING_VERSION }];
  const { status, json } = await startPush(modules, dependencies, server);
  assert.equal(status, 400);
  const [, seen] = /seen (\{.*\})/.exec(json.message) ?? assert.fail(json.message);
  assert.deepEqual(JSON.parse(seen!), {
    files: ["index.js", "package.json"],
    through: ["refused", "refused", "refused"],
  });
});

interface PushedModule {
  readonly path: string;
  readonly source: string;
  readonly environment: string;
}

function startPush(
  changedModules: readonly PushedModule[],
  nodeDependencies: readonly { name: string; version: string }[] = [],
  server: Server = stand.server,
): ReturnType<typeof post> {
  return post(`${server.url}/api/deploy2/start_push`, {
    adminKey: server.adminKey,
    dryRun: true,
    functions: "convex/",
    appDefinition: {
      definition: null,
      dependencies: [],
      schema: null,
      changedModules,
      unchangedModuleHashes: [],
      udfServerVersion: "1.48.0",
    },
    componentDefinitions: [],
    nodeDependencies,
  });
}
