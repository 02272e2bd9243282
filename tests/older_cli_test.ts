// The CLI of apps that have not been updated: before 1.29 it pushes schema and code apart from each
// other (deployment/older_push.ts).
import assert from "node:assert/strict";
import { App, PUSH_ARGS } from "./harness/app.ts";
import { httpClient, mutation, query } from "./harness/clients.ts";
import { Server } from "./harness/server.ts";

let server: Server;
let app: App;
Deno.test.beforeAll(async () => {
  server = await Server.start();
  app = await App.copy("tests/apps/older_cli");
});
Deno.test.afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const schemaWith = (fields: string, indexes = "") =>
  `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ notes: defineTable({ ${fields} })${indexes} });
`;
const BODY = "body: v.string()";
const list = () => httpClient(server).query(query("notes:list"), {});

/** Pushes and returns what the CLI printed; it must fail. */
async function failedPush(): Promise<string> {
  const { code, stderr } = await app.cli(server, PUSH_ARGS);
  assert.equal(code, 1, stderr);
  return stderr;
}

Deno.test("an older CLI pushes an app, again and again", async () => {
  await app.push(server);
  await httpClient(server).mutation(mutation("notes:add"), { body: "first" });
  assert.deepEqual(await list(), ["first"]);
  const run = await app.cli(server, ["run", "notes:add", '{"body":"second"}']);
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(await list(), ["first", "second"]);
  await app.push(server);
  assert.deepEqual(await list(), ["first", "second"]);
});

Deno.test("an index is built before the code that uses it runs", async () => {
  await app.write("convex/schema.ts", schemaWith(BODY, '.index("by_body", ["body"])'));
  await app.write(
    "convex/sorted.ts",
    `import { queryGeneric as query } from "convex/server";
export const descending = query(async (ctx) =>
  (await ctx.db.query("notes").withIndex("by_body").order("desc").collect()).map((n) => n.body));
`,
  );
  const dry = await app.cli(server, ["deploy", "--dry-run", "--typecheck", "disable"]);
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stderr, /Would add table indexes:\s+\[\+\] notes\.by_body \["body"/);
  const pushed = await app.cli(server, PUSH_ARGS);
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.match(pushed.stderr, /Added table indexes:\s+\[\+\] notes\.by_body \["body"/);
  assert.deepEqual(await httpClient(server).query(query("sorted:descending"), {}), [
    "second",
    "first",
  ]);
});

Deno.test("what does not fit fails the push, and the running version stays", async () => {
  await app.write("convex/schema.ts", schemaWith(`${BODY}, stars: v.number()`));
  assert.match(await failedPush(), /Schema validation failed[\s\S]*Object is missing.*stars/);

  await app.write("convex/schema.ts", schemaWith(BODY, '.index("by_id", ["body"])'));
  assert.match(await failedPush(), /IndexNameReserved|by_id/);

  await app.write("convex/schema.ts", schemaWith(BODY, '.index("by_body", ["body"])'));
  await app.write("convex/broken.ts", `export {};\nthrow new Error("no module");\n`);
  assert.match(await failedPush(), /Unable to push deployment config[\s\S]*no module/);
  await app.remove("convex/broken.ts");
  assert.deepEqual(await httpClient(server).query(query("sorted:descending"), {}), [
    "second",
    "first",
  ]);
});

Deno.test("the code of an app without a schema is pushed alone, and its indexes go", async () => {
  await app.remove("convex/schema.ts");
  await app.remove("convex/sorted.ts");
  await app.push(server);
  assert.deepEqual(await list(), ["first", "second"]);
  const data = await app.cli(server, ["data", "notes"]);
  assert.match(data.stdout, /first/);
});

Deno.test("its requests are refused without a key, and with a schema that is gone", async () => {
  const post = async (path: string, body: object) => {
    const response = await fetch(`${server.url}/api/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return [response.status, (await response.json()).code];
  };
  const { adminKey } = server;
  assert.deepEqual(await post("prepare_schema", { bundle: {} }), [403, "BadDeployKey"]);
  assert.deepEqual(await post("push_config", { modules: [] }), [403, "BadDeployKey"]);
  assert.deepEqual(await post("prepare_schema", { adminKey }), [400, "InvalidConfig"]);
  assert.deepEqual(
    await post("push_config", {
      adminKey,
      modules: [],
      udfServerVersion: "1.27.5",
      schemaId: "k17gone",
    }),
    [400, "SchemaAlreadyOverwritten"],
  );
  const state = `${server.url}/api/schema_state/k17gone`;
  const refused = await fetch(state);
  assert.deepEqual([refused.status, (await refused.json()).code], [403, "BadDeployKey"]);
  const gone = await fetch(state, { headers: { authorization: `Convex ${adminKey}` } });
  assert.deepEqual((await gone.json()).schemaState, { state: "overwritten" });
  assert.deepEqual(await list(), ["first", "second"]);
});
