// The deployment's configuration and state, changed by the official CLI and the API: environment
// variables, auth config, canonical URLs, pausing; and the audit log of all that.
import assert from "node:assert/strict";
import { App } from "./harness/app.ts";
import {
  action,
  asAdmin,
  httpClient,
  LiveClient,
  mutation,
  post,
  query,
} from "./harness/clients.ts";
import { Server } from "./harness/server.ts";

let server: Server;
let app: App;

Deno.test.beforeAll(async () => {
  server = await Server.start();
  app = await App.copy("tests/apps/configured");
  await cli("env", "set", "ISSUER", "https://issuer.example");
  await app.push(server);
});
Deno.test.afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** The output of a command that must succeed. */
async function cli(...args: string[]): Promise<string> {
  const result = await app.cli(server, args);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

/** What a command that must fail says. */
async function refused(...args: string[]): Promise<string> {
  const result = await app.cli(server, args);
  assert.notEqual(result.code, 0, result.stdout);
  return result.stderr;
}

const admin = (path: string, body: unknown = {}) =>
  post(`${server.url}/api/${path}`, body, { authorization: `Convex ${server.adminKey}` });

// deno-lint-ignore no-explicit-any -- a JSON body of any shape
async function adminGet(path: string): Promise<{ status: number; json: any }> {
  const response = await fetch(`${server.url}/api/${path}`, {
    headers: { authorization: `Convex ${server.adminKey}` },
  });
  return { status: response.status, json: await response.json() };
}

const setVariables = (changes: readonly { name: string; value?: string | null }[]) =>
  admin("update_environment_variables", { changes });

async function failure(promise: Promise<unknown>): Promise<string> {
  return await promise.then(() => "no failure", (error) => String(error.message));
}

Deno.test("rules for variables, each with its code", async () => {
  const long = "a".repeat(8193);
  const cases: [{ name: string; value?: string }[], string, RegExp][] = [
    [[{ name: "1A", value: "" }], "EnvironmentVariableNameInvalid", /^The .* name 1A is invalid\./],
    [[{ name: "A-B", value: "" }], "EnvironmentVariableNameInvalid", /must begin with a letter/],
    [[{ name: "", value: "" }], "EnvironmentVariableNameInvalid", /name {2}is invalid/],
    [[{ name: "A".repeat(257), value: "" }], "EnvironmentVariableNameTooLong", /less than 256\.$/],
    [
      [{ name: "A", value: long }],
      "EnvironmentVariableValueTooLarge",
      /^The environment variable value is 8193 bytes, which is too large\. \(max size: 8192$/,
    ],
    [[{ name: "CONVEX_SITE_URL", value: "x" }], "EnvVarNameForbidden", /is built-in and cannot/],
    [
      Array.from({ length: 513 }, (_, i) => ({ name: `V${i}`, value: "" })),
      "EnvVarLimitMet",
      /^The environment variable limit \(512\) has been met\.$/,
    ],
    [
      Array.from({ length: 65 }, (_, i) => ({ name: `V${i}`, value: long.slice(1) })),
      "EnvVarTotalSizeLimitMet",
      /exceeds the limit \(524288 bytes\)\.$/,
    ],
  ];
  const before = await adminGet("list_environment_variables");
  for (const [changes, code, message] of cases) {
    const { status, json } = await setVariables([{ name: "GOOD", value: "1" }, ...changes]);
    assert.deepEqual([status, json.code], [400, code]);
    assert.match(json.message, message);
  }
  assert.deepEqual(await adminGet("v1/list_environment_variables"), before, "all or nothing");
  assert.equal((await setVariables([{ name: "UNKNOWN" }])).status, 200, "no such variable");
  assert.match(await refused("env", "set", "CONVEX_CLOUD_URL", "x"), /is built-in and cannot be/);
});

Deno.test("convex env: many at once, from a file and from stdin, and listed", async () => {
  const withInput = async (stdin: string, ...args: string[]) =>
    await app.cli(server, ["env", ...args], { stdin });
  await app.write(".env.many", 'ONE=1\nTWO="two\\nlines"\n# a comment\nEMPTY=\n');
  await cli("env", "set", "--from-file", ".env.many");
  assert.deepEqual((await adminGet("list_environment_variables")).json.environmentVariables, {
    EMPTY: "",
    ISSUER: "https://issuer.example",
    ONE: "1",
    TWO: "two\nlines",
  });
  const changes = "ONE=uno\nTHREE=3\n";
  const conflict = await withInput(changes, "set");
  assert.notEqual(conflict.code, 0, "ONE has another value");
  const forced = await withInput(changes, "set", "--force");
  assert.equal(forced.code, 0, forced.stderr);
  assert.equal((await withInput("secret", "set", "FOUR")).code, 0);
  assert.equal(
    await cli("env", "list", "--include-values"),
    "EMPTY=\nFOUR=secret\nISSUER=https://issuer.example\nONE=uno\nTHREE=3\nTWO='two\nlines'\n",
  );
  await cli("env", "unset", "UNKNOWN");
  await cli("env", "rm", "FOUR");
  assert.equal(await cli("env", "list", "--names-only"), "EMPTY\nISSUER\nONE\nTHREE\nTWO\n");
  assert.match((await app.cli(server, ["env", "get", "FOUR"])).stderr, /"FOUR" not found/);
  assert.equal(await cli("env", "get", "CONVEX_SITE_URL"), `${server.siteUrl}\n`);
  const names = ["EMPTY", "ONE", "THREE", "TWO"];
  assert.equal((await setVariables(names.map((name) => ({ name, value: null })))).status, 200);
});

Deno.test("a change reaches what starts later; running actions keep what they began with", async () => {
  await using live = new LiveClient(server);
  const notes = live.watch("things:notes");
  const before = await notes.until((count) => typeof count === "number") as number;
  const seen = live.action(action("things:acrossChange"), {});
  await notes.until((count) => count === before + 1);
  // A removal in the same request comes first.
  const changes = [{ name: "GREETING", value: "new" }, { name: "GREETING", value: null }];
  assert.deepEqual(await setVariables(changes).then(({ status, text }) => [status, text]), [
    200,
    "",
  ]);
  assert.deepEqual(await seen, [null, null, "new"]);
  const hello = await fetch(`${server.siteUrl}/hello`);
  assert.equal(await hello.text(), "new");
  assert.equal((await setVariables([{ name: "GREETING" }])).status, 200);
});

Deno.test("variables that the auth config needs cannot go or become nonsense", async () => {
  assert.match(
    await refused("env", "remove", "ISSUER"),
    /Environment variable ISSUER is used in auth config file but its value was not set/,
  );
  const { status, json } = await setVariables([{ name: "ISSUER", value: "ftp://issuer.example" }]);
  assert.deepEqual([status, json], [400, {
    code: "InvalidAuthConfig",
    message:
      'This change would make the auth config invalid: Invalid provider domain URL "ftp://issuer.example": scheme should be http or https',
  }]);
  assert.equal(await cli("env", "get", "ISSUER"), "https://issuer.example\n");
});

Deno.test("mistakes in the auth config fail the push with their texts", async () => {
  const mistakes: [string, string][] = [
    [`export const providers = [];`, "auth config file is missing default export."],
    [
      `export default { providers: [{ domain: "a.com", applicationId: "x" }] };`,
      "auth config file must include a list of provider credentials: Provider at index 0 must have " +
      "applicationID property spelled lowercase 'application', capital I, capital D.",
    ],
  ];
  await using broken = await App.copy("tests/apps/configured");
  for (const [source, text] of mistakes) {
    await broken.write("convex/auth.config.ts", source);
    const said = await failure(broken.push(server));
    assert.ok(said.includes("The pushed auth config is invalid: "), said);
    assert.ok(said.includes(text), said);
  }
  await broken.write(
    "convex/auth.config.ts",
    `export default { providers: [{ domain: process.env.UNSET ?? "a.com", applicationID: "a" }] };`,
  );
  assert.match(await failure(broken.push(server)), /Environment variable UNSET is used in auth/);
});

Deno.test("canonical URLs are what functions, files and the auth config see", async () => {
  await using live = new LiveClient(server);
  const variables = live.watch("things:variables");
  const greeting = null;
  await variables.until((value) => (value as { cloud: string }).cloud === server.url);
  const client = httpClient(server);
  const upload = await client.mutation(mutation("things:uploadUrl"), {});
  const stored = await (await fetch(upload, { method: "POST", body: "x" })).json();

  const cloud = "https://api.my.example";
  const site = "https://my.example";
  const set = (requestDestination: string, url?: string) =>
    admin("v1/update_canonical_url", { requestDestination, url });
  assert.equal((await set("convexCloud", cloud)).status, 200);
  assert.equal((await set("convexSite", site)).status, 200);
  await variables.until((value) => (value as { site: string }).site === site);
  assert.deepEqual(variables.results.at(-1), { cloud, site, greeting });
  assert.deepEqual(await adminGet("v1/get_canonical_urls"), {
    status: 200,
    json: { convexCloudUrl: cloud, convexSiteUrl: site },
  });
  const url = await client.query(query("things:url"), stored);
  assert.ok(url.startsWith(`${cloud}/api/storage/`), url);
  assert.ok((await client.mutation(mutation("things:uploadUrl"), {})).startsWith(cloud));
  client.setAuth("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.AA");
  assert.match(
    await failure(client.query(query("things:variables"), {})),
    /\[OIDC\(domain=https:\/\/issuer\.example, app_id=app\), OIDC\(domain=https:\/\/my\.example, app_id=self\)\]/,
  );
  const nonsense = await set("convexSite", "nonsense");
  assert.deepEqual([nonsense.status, nonsense.json.code], [400, "InvalidAuthConfig"]);
  assert.equal((await set("elsewhere")).status, 400);
  await set("convexCloud");
  await set("convexSite");
  await variables.until((value) => (value as { site: string }).site === server.siteUrl);
});

Deno.test("a server that moved trusts itself at its new address, if the auth config allows", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "concave-data-" });
  const startAt = (siteUrl: string, removeDataDir = false) =>
    Server.start({ dataDir, removeDataDir, flags: ["--site-url", siteUrl] });
  const trusted = async (moved: Server) => {
    const client = httpClient(moved);
    client.setAuth("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.AA");
    return (await failure(client.query(query("empty:none"), {}))).match(/domain=([^,]*),/)?.[1];
  };
  await using own = await App.create({
    "convex/auth.config.ts": `const domain = process.env.CONVEX_SITE_URL;
      if (domain === "https://refused.example") throw new Error("not there");
      export default { providers: [{ domain, applicationID: "self" }] };`,
    "convex/empty.ts": `import { queryGeneric as query } from "convex/server";
      export const none = query(() => null);`,
  });
  {
    await using first = await startAt("https://first.example");
    await own.push(first);
    assert.equal(await trusted(first), "https://first.example");
    await first.stop();
  }
  {
    await using second = await startAt("https://second.example");
    assert.equal(await trusted(second), "https://second.example");
    await second.stop();
  }
  await using refused = await startAt("https://refused.example", true);
  assert.equal(await trusted(refused), "https://second.example");
  await refused.waitForOutput(/the auth config does not fit this server's addresses: .*not there/);
});

Deno.test("a paused deployment: what each entry point answers, and what goes on", async () => {
  const paused = /Cannot run functions while this deployment is paused\. Resume the deployment/;
  await using live = new LiveClient(server);
  const variables = live.watch("things:variables");
  await variables.until((value) => !(value instanceof Error));
  const client = httpClient(server);
  const upload = await client.mutation(mutation("things:uploadUrl"), {});
  const { storageId } = await (await fetch(upload, { method: "POST", body: "x" })).json();
  const file = await client.query(query("things:url"), { storageId });
  const notes = await client.query(query("things:notes"), {});
  await client.mutation(mutation("things:noteLater"), { delayMs: 1500 });

  assert.equal((await admin("v1/pause_deployment")).status, 200);
  assert.equal((await admin("v1/pause_deployment")).status, 200, "twice is fine");
  await variables.until((value) => value instanceof Error && paused.test(value.message));
  assert.match(await failure(live.mutation(mutation("things:uploadUrl"), {})), paused);
  assert.match(await failure(live.action(action("things:identify"), {})), paused);
  assert.match(await failure(client.query(query("things:variables"), {})), paused);
  assert.match(await failure(client.mutation(mutation("things:uploadUrl"), {})), paused);
  assert.match(await failure(client.action(action("things:identify"), {})), paused);
  assert.match(await refused("run", "things:variables"), paused);
  const hello = await fetch(`${server.siteUrl}/hello`);
  assert.equal(hello.status, 500);
  assert.match(await hello.text(), paused);
  for (const response of [await fetch(upload, { method: "POST", body: "x" }), await fetch(file)]) {
    assert.deepEqual([response.status, await response.json()], [400, {
      code: "BackendIsNotRunning",
      message: "Cannot perform this operation when the backend is not running",
    }]);
  }
  // The CLI goes on working, and so do pushes.
  await cli("env", "set", "GREETING", "hi");
  assert.match(await cli("env", "list"), /GREETING=/);
  assert.match(await cli("function-spec"), /things\.js:variables/);
  await app.push(server);
  await server.restart();
  assert.match(await failure(client.query(query("things:variables"), {})), paused);

  assert.equal((await admin("v1/unpause_deployment")).status, 200);
  const again = await admin("v1/unpause_deployment");
  assert.deepEqual([again.status, again.json], [400, {
    code: "UnpauseDeploymentFailed",
    message: "Deployment is not currently paused.",
  }]);
  await variables.until((value) => (value as { greeting?: string }).greeting === "hi");
  await using watcher = new LiveClient(server);
  await watcher.watch("things:notes").until((count) => count === notes + 1);
  await cli("env", "remove", "GREETING");
});

Deno.test("the audit log tells of pushes, variables, URLs and pauses, page by page", async () => {
  await using fresh = await Server.start({ flags: ["--trusted-proxies", "127.0.0.1"] });
  const send = (path: string, body: unknown) =>
    post(`${fresh.url}/api/${path}`, body, {
      "authorization": `Convex ${fresh.adminKey}`,
      "user-agent": "auditor",
      "x-forwarded-for": "203.0.113.9",
    });
  const set = (name: string, value: string | null) =>
    send("update_environment_variables", { changes: [{ name, value }] });
  const fromMs = Date.now();
  await using live = asAdmin(new LiveClient(fresh), fresh);
  const growing = live.watch("_system/frontend/listDeploymentEventsFromTime", {
    fromTimestamp: fromMs,
  });
  await set("ISSUER", "https://issuer.example");
  await set("ISSUER", "https://other.example");
  await set("ISSUER", "https://other.example");
  await app.write(
    "convex/schema.ts",
    `import { defineSchema, defineTable } from "convex/server";
     import { v } from "convex/values";
     const notes = defineTable({ text: v.optional(v.string()) }).index("by_text", ["text"]);
     export default defineSchema({ notes });`,
  );
  await app.push(fresh);
  await set("EXTRA", "1");
  await set("EXTRA", null);
  await set("not a name", "1");
  const destination = { requestDestination: "convexSite" };
  await send("update_canonical_url", { ...destination, url: "https://my.example" });
  await send("update_canonical_url", destination);
  await send("v1/pause_deployment", {});
  await send("v1/pause_deployment", {});
  await send("v1/unpause_deployment", {});

  const read = async (search: string, key = fresh.adminKey) => {
    const response = await fetch(`${fresh.url}/api/v1/list_audit_log_events?${search}`, {
      headers: { authorization: `Convex ${key}` },
    });
    return { status: response.status, json: await response.json() };
  };
  const { json: { items, pagination } } = await read(`from=${fromMs}`);
  const site = { request_destination: "convexSite" };
  const index = {
    type: "database",
    name: "notes.by_text",
    fields: ["text", "_creationTime"],
    staged: false,
  };
  const push = items[3].metadata;
  const expected: [string, unknown][] = [
    ["create_environment_variable", { variable_name: "ISSUER" }],
    ["update_environment_variable", { variable_name: "ISSUER" }],
    ["build_indexes", { added_indexes: [index], removed_indexes: [] }],
    ["push_config_with_components", push],
    ["create_environment_variable", { variable_name: "EXTRA" }],
    ["delete_environment_variable", { variable_name: "EXTRA" }],
    ["update_canonical_url", { ...site, url: "https://my.example" }],
    ["delete_canonical_url", site],
    ["pause_deployment", {}],
    ["unpause_deployment", {}],
  ];
  assert.deepEqual(
    items.map((item: { action: string; metadata: unknown }) => [item.action, item.metadata]),
    expected,
  );
  assert.deepEqual(pagination, { hasMore: false, nextCursor: null });
  const seen = await growing.until((rows) => (rows as unknown[]).length === expected.length);
  assert.deepEqual(
    (seen as { action: string; metadata: unknown }[]).map((row) => [row.action, row.metadata]),
    expected,
    "administrators see it grow",
  );
  const { createTime, ...first } = items[0];
  assert.ok(createTime >= fromMs && createTime <= Date.now());
  assert.deepEqual(first, {
    actor: { kind: "system" },
    action: "create_environment_variable",
    metadata: { variable_name: "ISSUER" },
    clientIp: "203.0.113.9",
    clientUserAgent: "auditor",
  });
  assert.deepEqual(push.auth_diff.removed, []);
  assert.equal(push.auth_diff.added.length, 2);
  const [{ component_path, component_diff }] = push.component_diffs;
  assert.equal(component_path, null);
  assert.deepEqual(component_diff.module_diff.added, [
    "http.js",
    "things.js",
    "auth.config.js",
    "schema.js",
    "convex.config.js",
  ]);

  const pages: unknown[] = [];
  for (let cursor: string | null = "";;) {
    const { json } = await read(`limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`);
    pages.push(...json.items);
    cursor = json.pagination.nextCursor;
    if (cursor === null) break;
    assert.equal(json.items.length, 2);
  }
  assert.deepEqual(pages, items);
  assert.deepEqual((await read(`from=${Date.now() + 1000}`)).json.items, []);
  for (const search of ["limit=0", "limit=101", "limit=x", "cursor=nonsense", "from=x"]) {
    const { status, json } = await read(search);
    assert.deepEqual([status, json.code], [400, "BadQueryArgs"], search);
  }
  assert.equal((await read("", "concave|nonsense")).status, 401);
});

Deno.test("variables that the app declares", async () => {
  await using declaring = await App.copy("tests/apps/configured");
  await declaring.write(
    "convex/convex.config.ts",
    `import { defineApp } from "convex/server";
     import { v } from "convex/values";
     const mode = v.optional(v.union(v.literal("fast"), v.literal("slow")));
     export default defineApp({ env: { REQUIRED: v.string(), MODE: mode } });`,
  );
  assert.match(
    await failure(declaring.push(server)),
    /Environment variable REQUIRED is declared as required in convex\.config\.ts/,
  );
  assert.equal((await setVariables([{ name: "REQUIRED", value: "set" }])).status, 200);
  await declaring.push(server);
  const removal = await setVariables([{ name: "REQUIRED" }]);
  assert.deepEqual([removal.status, removal.json], [400, {
    code: "RequiredEnvironmentVariable",
    message: "Cannot delete required environment variables: REQUIRED. These are declared as " +
      "required in the app definition.",
  }]);
  const mode = await setVariables([{ name: "MODE", value: "middling" }]);
  assert.deepEqual([mode.status, mode.json.code], [400, "InvalidEnvironmentVariable"]);
  assert.match(
    mode.json.message,
    /^Environment variable MODE does not match its declared validator: /,
  );
  assert.equal((await setVariables([{ name: "MODE", value: "slow" }])).status, 200);
});
