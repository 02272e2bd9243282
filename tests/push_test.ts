// Pushes that fail, and what they leave behind: nothing. Every mistake of the developer is answered
// with the text that the CLI shows, never with a server error.
import assert from "node:assert/strict";
import { App, type CliResult, PUSH_ARGS } from "./harness/app.ts";
import { httpClient, mutation, query } from "./harness/clients.ts";
import { Server } from "./harness/server.ts";

let server: Server;
let app: App;
const GOOD_MODULE = `
  import { queryGeneric as query } from "convex/server";
  export const answer = query({ args: {}, handler: () => 42 });`;

Deno.test.beforeAll(async () => {
  server = await Server.start();
  app = await App.create({ "convex/good.ts": GOOD_MODULE });
  await app.push(server);
});
Deno.test.afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Pushes with one more file that is wrong; checks that the running version still answers. */
async function pushWith(path: string, source: string): Promise<CliResult> {
  // The CLI takes a file for a module only if a line begins with an import or export.
  await app.write(path, `${source}\nexport {};`);
  try {
    return await app.cli(server, PUSH_ARGS);
  } finally {
    await app.remove(path);
    assert.equal(await httpClient(server).query(query("good:answer"), {}), 42);
  }
}

const failures: [name: string, path: string, source: string, message: RegExp][] = [
  [
    "a module that throws at import",
    "convex/bad.ts",
    `throw new Error("at import");\nexport {};`,
    /Failed to analyze bad\.js: Uncaught Error: at import\n\s+at <anonymous> \(\.\.\/convex\/bad\.ts:1:\d+\)/,
  ],
  [
    "a module that never ends",
    "convex/bad.ts",
    `for (;;);\nexport {};`,
    /Failed to analyze bad\.js: /,
  ],
  [
    "a module that allocates without bound",
    "convex/bad.ts",
    `const kept: number[][] = []; for (;;) kept.push(new Array(100_000).fill(1));\nexport {};`,
    /Failed to analyze bad\.js: /,
  ],
  [
    "a module that looks for Deno",
    "convex/bad.ts",
    `declare const Deno: { readTextFileSync(path: string): string };
     Deno.readTextFileSync("/etc/passwd");\nexport {};`,
    /ReferenceError: Deno is not defined/,
  ],
  [
    "a module that fetches at import",
    "convex/bad.ts",
    `await fetch("http://127.0.0.1:9/");\nexport {};`,
    /Failed to analyze bad\.js: /,
  ],
  [
    "random bytes at import",
    "convex/bad.ts",
    `await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"]);\nexport {};`,
    /Failed to analyze bad\.js: /,
  ],
  [
    "a file of the system imported by name",
    "convex/bad.ts",
    `const name = "node:" + "fs";\nexport const fs = await import(name);`,
    /Failed to analyze bad\.js: /,
  ],
  [
    "a reserved table name",
    "convex/schema.ts",
    `import { defineSchema, defineTable } from "convex/server";
     export default defineSchema({ _secret: defineTable({}) });`,
    /TableNameReserved: Hit an error while pushing:\nHit an error while evaluating your schema:\n_secret is a reserved table name\.\n/,
  ],
  [
    "an index on a field that does not exist",
    "convex/schema.ts",
    `import { defineSchema, defineTable } from "convex/server";
     import { v } from "convex/values";
     const table = defineTable({ a: v.string() }) as any;
     export default defineSchema({ t: table.index("by_b", ["b"]) });`,
    /In table "t" the index "by_b" is invalid because it references the field b that does not exist\./,
  ],
  [
    "a schema without a default export",
    "convex/schema.ts",
    `export const nothing = 1;`,
    /400 Bad Request: MissingSchemaExportError: Hit an error while pushing:\nHit an error while evaluating your schema:\nSchema file missing default export\. To learn more, see the schema documentation/,
  ],
  [
    "an auth config without providers",
    "convex/auth.config.ts",
    `export default { nonsense: true };`,
    /auth config/i,
  ],
  [
    "an auth config that reads a variable that is not set",
    "convex/auth.config.ts",
    `export default { providers: [{ domain: process.env.NO_SUCH_DOMAIN, applicationID: "x" }] };
     declare const process: { env: Record<string, string> };`,
    /Environment variable .*NO_SUCH_DOMAIN.* is used in auth config file but its value was not set/,
  ],
  [
    "a cron job of a function that does not exist",
    "convex/crons.ts",
    `import { cronJobs, makeFunctionReference } from "convex/server";
     const crons = cronJobs();
     crons.interval("tick", { minutes: 1 }, makeFunctionReference<"mutation">("good:nothing"));
     export default crons;`,
    /The cron job 'tick' schedules a function that does not exist: good(\.js)?:nothing/,
  ],
  [
    "a cron job of a query",
    "convex/crons.ts",
    `import { cronJobs, makeFunctionReference } from "convex/server";
     const crons = cronJobs();
     crons.interval("tick", { minutes: 1 }, makeFunctionReference<"mutation">("good:answer"));
     export default crons;`,
    /The cron job 'tick' schedules a query function, only actions and mutations can be scheduled/,
  ],
  [
    "an http.ts that exports no router",
    "convex/http.ts",
    `export default { not: "a router" };`,
    /The default export of `convex\/http\.js` is not a Router\./,
  ],
];

for (const [name, path, source, message] of failures) {
  Deno.test(`push error: ${name}`, async () => {
    const result = await pushWith(path, source);
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, message);
  });
}

Deno.test("data that does not match a new schema fails the push, and nothing changes", async () => {
  await using server = await Server.start();
  const notes = `
    import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
    export const add = mutation((ctx, args: { text?: unknown }) => ctx.db.insert("notes", args));
    export const list = query((ctx) => ctx.db.query("notes").collect());`;
  const schema = (type: string) => `
    import { defineSchema, defineTable } from "convex/server";
    import { v } from "convex/values";
    export default defineSchema({ notes: defineTable({ text: ${type} }) });`;
  await using app = await App.create({ "convex/notes.ts": notes });
  await app.push(server);
  const client = httpClient(server);
  const id = await client.mutation(mutation("notes:add"), { text: 5 });

  await app.write("convex/schema.ts", schema("v.string()"));
  const refused = await app.cli(server, PUSH_ARGS);
  assert.equal(refused.code, 1);
  const text = `Schema validation failed.
Document with ID "${id}" in table "notes" does not match the schema: Value does not match validator.
Path: .text
Value: 5.0
Validator: v.string()
`;
  assert.ok(refused.stderr.includes(text), refused.stderr);
  await client.mutation(mutation("notes:add"), { text: 6 });

  await app.write("convex/schema.ts", schema("v.number()"));
  await app.push(server);
  assert.equal((await client.query(query("notes:list"), {})).length, 2);
  await assert.rejects(
    () => client.mutation(mutation("notes:add"), { text: "seven" }),
    /Failed to insert or update a document in table "notes" because it does not match the schema/,
  );
});

Deno.test("an index is built over the documents that exist, and can be used when it is enabled", async () => {
  await using server = await Server.start();
  const schema = (index: string) => `
    import { defineSchema, defineTable } from "convex/server";
    import { v } from "convex/values";
    export default defineSchema({
      points: defineTable({ x: v.number(), group: v.string() })${index},
    });`;
  const points = `
    import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
    export const fill = mutation(async (ctx, args: { count: number }) => {
      for (let x = 0; x < args.count; x++) await ctx.db.insert("points", { x, group: "g" + x % 3 });
    });
    export const group = query(async (ctx, args: { group: string }) => {
      const rows = await ctx.db.query("points")
        .withIndex("by_group", (q) => q.eq("group", args.group)).collect();
      return rows.map((row) => row.x);
    });`;
  await using app = await App.create({
    "convex/schema.ts": schema(""),
    "convex/points.ts": points,
  });
  await app.push(server);
  const client = httpClient(server);
  await client.mutation(mutation("points:fill"), { count: 3000 });
  await assert.rejects(() => client.query(query("points:group"), { group: "g1" }), /by_group/);

  const staged = '.index("by_group", { fields: ["group", "x"], staged: true })';
  await app.write("convex/schema.ts", schema(staged));
  await app.push(server);
  await assert.rejects(
    () => client.query(query("points:group"), { group: "g1" }),
    /Index points\.by_group is currently staged and not available to query until it is enabled\./,
  );
  await app.write("convex/schema.ts", schema('.index("by_group", ["group", "x"])'));
  await app.push(server);
  const rows = await client.query(query("points:group"), { group: "g1" });
  assert.deepEqual(rows, Array.from({ length: 1000 }, (_, i) => 3 * i + 1));

  await app.write("convex/schema.ts", schema(""));
  await app.push(server);
  await assert.rejects(() => client.query(query("points:group"), { group: "g1" }), /by_group/);
});

Deno.test("a function that is gone from the code is gone from the server", async () => {
  await using server = await Server.start();
  await using app = await App.create({ "convex/a.ts": GOOD_MODULE, "convex/b.ts": GOOD_MODULE });
  await app.push(server);
  await app.remove("convex/b.ts");
  await app.push(server);
  const client = httpClient(server);
  assert.equal(await client.query(query("a:answer"), {}), 42);
  await assert.rejects(
    () => client.query(query("b:answer"), {}),
    /Could not find public function for 'b:answer'/,
  );
});
