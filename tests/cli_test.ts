// The official CLI, unmodified, as a child process: by Node, and by `deno run npm:convex`.
import assert from "node:assert/strict";
import { App, PUSH_ARGS } from "./harness/app.ts";
import { action, httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import { Server } from "./harness/server.ts";

let server: Server;
let app: App;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/features");
  app = await App.copy("tests/apps/features");
});
Deno.test.afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Runs the CLI and returns what it printed to stdout; fails the test if the CLI fails. */
async function cli(...args: string[]): Promise<string> {
  const result = await app.cli(server, args);
  assert.equal(result.code, 0, `convex ${args.join(" ")}:\n${result.stdout}\n${result.stderr}`);
  return result.stdout;
}

Deno.test("convex dev --once pushes the chat, typechecked, and writes .env.local", async () => {
  await using empty = await Server.start();
  await using chat = await App.copy("examples/chat");
  const result = await chat.cli(empty, ["dev", "--once", "--typecheck", "enable"]);
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stderr, /Convex functions ready!/);
  assert.match(result.stderr, /Added table indexes:[\s\S]*messages\.by_channel/);
  const environment = await chat.read(".env.local");
  assert.ok(environment.includes(`CONVEX_URL=${empty.url}`), environment);
  assert.ok(environment.includes(`CONVEX_SITE_URL=${empty.siteUrl}`), environment);
  assert.ok(!environment.includes(empty.adminKey));
  const channel = await httpClient(empty).mutation(mutation("channels:open"), { name: "cli" });
  assert.equal(typeof channel, "string");

  const again = await chat.cli(empty, PUSH_ARGS);
  assert.equal(again.code, 0, again.stderr);
  assert.doesNotMatch(again.stderr, /table indexes/);
});

Deno.test("the same by deno run npm:convex", async () => {
  await using empty = await Server.start();
  await using store = await App.copy("examples/store");
  await store.push(empty, { runner: "deno" });
  const args = ["run", "store:restock", '{"name":"Cup","price":4,"quantity":2}'];
  const run = await store.cli(empty, args, { runner: "deno" });
  assert.equal(run.code, 0, run.stderr);
  const items = await httpClient(empty).query(query("store:available"), {});
  assert.deepEqual(items.map((item: { name: string }) => item.name), ["Cup"]);
});

Deno.test("convex deploy", async () => {
  await using empty = await Server.start();
  await using store = await App.copy("examples/store");
  const result = await store.cli(empty, ["deploy", "--typecheck", "disable", "-y"]);
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual(await httpClient(empty).query(query("store:available"), {}), []);
  const dry = await store.cli(empty, ["deploy", "--dry-run", "--typecheck", "disable", "-y"]);
  assert.equal(dry.code, 0, dry.stderr);
});

Deno.test("convex run: public and internal functions, logs, errors", async () => {
  assert.equal(await cli("run", "counters:add", '{"name":"cli","amount":3}'), "3\n");
  assert.equal(await cli("run", "counters:secret"), '"internal"\n');
  const logs = await app.cli(server, ["run", "runtime:logs"]);
  assert.match(logs.stderr, /'hello'/);
  const failing = await app.cli(server, ["run", "errors:plain"]);
  assert.equal(failing.code, 1);
  assert.match(failing.stderr, /Uncaught Error: boom/);
  const missing = await app.cli(server, ["run", "counters:nothing"]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /Could not find function for 'counters:nothing'/);
  assert.match(missing.stderr, /counters:add/, "it lists the functions that exist");
});

Deno.test("convex run --inline-query", async () => {
  await cli("run", "counters:add", '{"name":"inline","amount":3}');
  const output = await cli(
    "run",
    "--inline-query",
    'return (await ctx.db.query("counters").collect()).filter((c) => c.name === "inline").length;',
  );
  assert.equal(output.trim(), "1");
});

Deno.test("convex run --watch prints the new result after a write", async () => {
  const args = ["run", "--watch", "counters:get", '{"name":"watched"}'];
  await using watching = app.cliStart(server, args);
  await watching.waitForOutput(/^0$/m);
  await httpClient(server).mutation(mutation("counters:add"), { name: "watched", amount: 42 });
  await watching.waitForOutput(/^42$/m);
});

Deno.test("convex data lists tables and documents", async () => {
  await cli("run", "notes:add", '{"list":"shown","position":1,"text":"on the table"}');
  assert.match(await cli("data"), /counters[\s\S]*notes/);
  assert.match(await cli("data", "notes", "--limit", "5"), /on the table/);
});

Deno.test("convex env: values reach process.env, and queries that read them run again", async () => {
  await using client = new LiveClient(server);
  const watched = client.watch("runtime:environment", { name: "GREETING" });
  await watched.until((value) => value === null);
  await cli("env", "set", "GREETING", "hello there");
  await watched.until((value) => value === "hello there");
  assert.equal(await cli("env", "get", "GREETING"), "hello there\n");
  assert.match(await cli("env", "list"), /GREETING=["']?hello there/);
  await cli("env", "remove", "GREETING");
  await watched.until((value) => value === null);
});

Deno.test("convex logs shows what functions log", async () => {
  await using logs = app.cliStart(server, ["logs"]);
  await logs.waitForOutput(/Watching logs/i);
  // The command discards the first page; calls go on until it shows one.
  const calls = setInterval(
    () => httpClient(server).query(query("runtime:logs"), {}).catch(() => {}),
    200,
  );
  try {
    await logs.waitForOutput(/'careful'/);
  } finally {
    clearInterval(calls);
  }
});

Deno.test("convex logs: --history, --success and --jsonl", async () => {
  await httpClient(server).action(action("actions:addTwice"), { name: "logged" });
  await httpClient(server).query(query("errors:plain"), {}).catch(() => {});
  await httpClient(server).query(query("runtime:logs"), {});
  await using logs = app.cliStart(server, ["logs", "--history", "50", "--success"]);
  await logs.waitForOutput(/\[CONVEX Q\(runtime:logs\)\] \[LOG\] 'hello' \{/);
  await logs.waitForOutput(/\[CONVEX Q\(runtime:logs\)\] Function executed in \d+ ms/);
  await logs.waitForOutput(/\[CONVEX Q\(errors:plain\)\] Uncaught Error: boom/);
  await using lines = app.cliStart(server, ["logs", "--history", "50", "--jsonl"]);
  const [line] = await lines.waitForOutput(/^.*"identifier":"errors:plain".*$/m);
  const { kind, error } = JSON.parse(line);
  assert.equal(kind, "Completion");
  assert.match(error, /^Uncaught Error: boom\n/);
  // What an action called is of the same request.
  const [ofAction] = await lines.waitForOutput(/^.*"identifier":"actions:addTwice".*$/m);
  const { requestId, executionId } = JSON.parse(ofAction);
  const called = lines.output.text.split("\n").filter((text) => text.startsWith("{"))
    .map((text) => JSON.parse(text))
    .filter((entry) => entry.requestId === requestId && entry.parentExecutionId === executionId);
  assert.deepEqual(called.map(({ identifier, udfType }) => [identifier, udfType]), [
    ["counters:get", "Query"],
    ["counters:add", "Mutation"],
    ["counters:add", "Mutation"],
  ]);
});

Deno.test("convex function-spec lists the functions with their validators", async () => {
  const spec = JSON.parse(await cli("function-spec"));
  const add = spec.functions.find((f: { identifier: string }) =>
    f.identifier === "counters.js:add"
  );
  assert.equal(add.functionType, "Mutation");
  assert.deepEqual(add.visibility, { kind: "public" });
  assert.deepEqual(add.returns, { type: "number" });
});

Deno.test("convex codegen changes nothing on the server", async () => {
  await cli("codegen", "--typecheck", "disable");
  assert.match(await app.read("convex/_generated/api.d.ts"), /counters/);
  assert.equal(await cli("run", "counters:secret"), '"internal"\n');
});

Deno.test("convex dev watches: an edit is pushed, and a live query shows the new code", async () => {
  await using ownServer = await serverWithApp("tests/apps/features");
  await using edited = await App.copy("tests/apps/features");
  await using client = new LiveClient(ownServer);
  const watched = client.watch("values:greeting", {});
  await watched.until((result) => result instanceof Error);

  await using dev = edited.cliStart(ownServer, ["dev", "--typecheck", "disable"]);
  await dev.waitForOutput(/Convex functions ready!/);
  dev.output.clear();
  const source = await edited.read("convex/values.ts");
  const greeting = (text: string) =>
    `${source}\nexport const greeting = query({ args: {}, handler: () => "${text}" });\n`;
  await edited.write("convex/values.ts", greeting("first"));
  await watched.until((value) => value === "first", 30_000);
  await edited.write("convex/values.ts", greeting("second"));
  await watched.until((value) => value === "second", 30_000);

  dev.output.clear();
  await edited.write("convex/values.ts", greeting("third") + "throw new Error('at import');");
  await dev.waitForOutput(/at import/);
  assert.equal(watched.results.at(-1), "second", "a failed push leaves the running version");
  await edited.write("convex/values.ts", greeting("fourth"));
  await watched.until((value) => value === "fourth", 30_000);
});

Deno.test("commands for what the server cannot do yet say so, at once", async () => {
  await app.write("rows.jsonl", '{"text":"a"}\n');
  const commands: [string[], RegExp][] = [
    [["export", "--path", "snapshot.zip"], /This server cannot export data yet\./],
    [["import", "--table", "notes", "rows.jsonl"], /This server cannot import data yet\./],
  ];
  for (const [args, message] of commands) {
    const result = await app.cli(server, args);
    assert.equal(result.code, 1);
    assert.match(result.stderr, message);
    assert.doesNotMatch(result.stderr, /Retrying/);
  }
});

Deno.test("a wrong admin key is refused with a clear message", async () => {
  const result = await app.cli(server, ["run", "counters:secret"], {
    env: { CONVEX_SELF_HOSTED_ADMIN_KEY: `${server.adminKey}0` },
  });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /The provided admin key was invalid for this instance/);
});
