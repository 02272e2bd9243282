// How long the server takes to push an app with ten components, without the CLI's own work: the
// requests of one real push are recorded and sent to new servers, and a second time to each.
import { brotliCompressSync, brotliDecompressSync } from "node:zlib";
import { App } from "../../tests/harness/app.ts";
import { Server } from "../../tests/harness/server.ts";
import { median } from "../environment.ts";
import type { Row } from "../report.ts";

const COMPONENTS = 10;
const ROUNDS = 5;
const START_PUSH = "/api/deploy2/start_push";
const WAIT_MS_MAX = 10_000;

type Body = Record<string, unknown>;

export async function componentPush(): Promise<Row[]> {
  const request = await recordPush();
  const first: number[] = [];
  const again: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await using server = await Server.start();
    first.push(await push(server, request));
    again.push(await push(server, request));
  }
  const row = (name: string, times: number[]): Row => ({
    name,
    value: median(times),
    unit: "ms",
    floor: 5000,
    bound: "at most",
  });
  return [row("push_ten_components", first), row("push_ten_components_again", again)];
}

/** The body of the `start_push` that the CLI sends for the app. */
async function recordPush(): Promise<Body> {
  await using server = await Server.start();
  await using app = await App.create(appFiles());
  let recorded: Body | null = null;
  const proxy = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (pathname === START_PUSH) {
      recorded = JSON.parse(new TextDecoder().decode(brotliDecompressSync(bytes)));
    }
    return await fetch(`${server.url}${pathname}${search}`, {
      method: request.method,
      headers: request.headers,
      body: request.method === "GET" ? null : bytes,
    });
  });
  const url = `http://127.0.0.1:${proxy.addr.port}`;
  await app.push(server, { env: { CONVEX_SELF_HOSTED_URL: url } });
  await proxy.shutdown();
  if (recorded === null) throw new Error(`the CLI did not ask for ${START_PUSH}`);
  return recorded;
}

/** Pushes to a server; the milliseconds that it took. */
async function push(server: Server, request: Body): Promise<number> {
  const { adminKey } = server;
  const json = new TextEncoder().encode(JSON.stringify({ ...request, adminKey }));
  const body = new Uint8Array(brotliCompressSync(json));
  const startedAt = performance.now();
  const startPush = await post(server, START_PUSH, body, { "content-encoding": "br" });
  const { schemaChange } = startPush;
  let status: unknown = "inProgress";
  while (status === "inProgress") {
    const wait = JSON.stringify({ adminKey, schemaChange, timeoutMs: WAIT_MS_MAX, dryRun: false });
    status = (await post(server, "/api/deploy2/wait_for_schema", wait)).type;
  }
  const finish = JSON.stringify({ adminKey, startPush, dryRun: false, message: null });
  await post(server, "/api/deploy2/finish_push", finish);
  return performance.now() - startedAt;
}

async function post(
  server: Server,
  path: string,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<Body> {
  const response = await fetch(server.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return await response.json();
}

function appFiles(): Record<string, string> {
  const names = Array.from({ length: COMPONENTS }, (_, n) => `part${n}`);
  const config = [
    'import { defineApp } from "convex/server";',
    ...names.map((name) => `import ${name} from "./${name}/convex.config";`),
    "const app = defineApp();",
    ...names.map((name) => `app.use(${name});`),
    "export default app;",
  ];
  return Object.assign({
    "convex/convex.config.ts": config.join("\n"),
    "convex/main.ts": `
      import { queryGeneric as query } from "convex/server";
      export const answer = query({ args: {}, handler: () => 42 });`,
  }, ...names.map(componentFiles));
}

function componentFiles(name: string): Record<string, string> {
  return {
    [`convex/${name}/convex.config.ts`]: `
      import { defineComponent } from "convex/server";
      export default defineComponent("${name}");`,
    [`convex/${name}/schema.ts`]: `
      import { defineSchema, defineTable } from "convex/server";
      import { v } from "convex/values";
      export default defineSchema({
        items: defineTable({ owner: v.string(), n: v.number(), ${name}: v.optional(v.string()) })
          .index("by_owner", ["owner"]).index("by_n", ["n"]),
        events: defineTable({ at: v.number(), what: v.string() }).index("by_at", ["at"]),
      });`,
    [`convex/${name}/items.ts`]: `
      import { v } from "convex/values";
      import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
      export const add = mutation({
        args: { owner: v.string(), n: v.number() },
        handler: async (ctx, args) =>
          await ctx.db.insert("items", { ...args, ${name}: "${name}" }),
      });
      export const list = query({
        args: { owner: v.string() },
        handler: async (ctx, { owner }) => await ctx.db.query("items")
          .withIndex("by_owner", (q) => q.eq("owner", owner)).collect(),
      });`,
    [`convex/${name}/events.ts`]: `
      import { v } from "convex/values";
      import { mutationGeneric as mutation } from "convex/server";
      export const note = mutation({
        args: { at: v.number(), what: v.string() },
        handler: async (ctx, args) => {
          console.log("noted in ${name}");
          return await ctx.db.insert("events", args);
        },
      });`,
  };
}
