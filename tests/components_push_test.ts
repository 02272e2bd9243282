// Components through pushes of the official CLI: installed, nested, used twice, unmounted and
// remounted, renamed, exchanged for others, deleted; and reached by administrators only.
import assert from "node:assert/strict";
import { App, type CliResult, PUSH_ARGS } from "./harness/app.ts";
import { httpClient, mutation, query } from "./harness/clients.ts";
import { fromRepository, Server } from "./harness/server.ts";

const SCHEMA = (fields: string) => `
  import { defineSchema, defineTable } from "convex/server";
  import { v } from "convex/values";
  export default defineSchema({
    counts: defineTable({ ${fields} }).index("by_name", ["name"]),
  });`;
const COUNTER = {
  "counter/convex.config.ts": `
    import { defineComponent } from "convex/server";
    export default defineComponent("counter");`,
  "counter/schema.ts": SCHEMA("name: v.string(), n: v.number()"),
  "counter/lib.ts": `
    import { v } from "convex/values";
    import { internalQuery, mutation, query } from "./_generated/server.js";
    export const add = mutation({
      args: { name: v.string(), n: v.number() },
      returns: v.number(),
      handler: async (ctx, { name, n }) => {
        const row = await ctx.db.query("counts")
          .withIndex("by_name", (q) => q.eq("name", name)).unique();
        if (row === null) await ctx.db.insert("counts", { name, n });
        else await ctx.db.patch(row._id, { n: row.n + n });
        console.log("added", n);
        return (row?.n ?? 0) + n;
      },
    });
    export const total = query({
      args: {},
      returns: v.number(),
      handler: async (ctx) =>
        (await ctx.db.query("counts").collect()).reduce((sum, { n }) => sum + n, 0),
    });
    export const secret = internalQuery({ args: {}, handler: () => "internal" });`,
};

/** How the app and the components, which lie beside it, import a component. */
function definition(name: string): string {
  return `../${name}/convex.config`;
}

/** The app's config; `uses` are its statements. */
function appConfig(...uses: string[]): string {
  return `
    import { defineApp } from "convex/server";
    import counter from "${definition("counter")}";
    import outer from "${definition("outer")}";
    const app = defineApp();
    ${uses.join("\n")}
    void [counter, outer];
    export default app;`;
}

function nesting(name: string, childName: string, childPath: string): Record<string, string> {
  return {
    [`${name}/convex.config.ts`]: `
      import { defineComponent } from "convex/server";
      import child from "${childPath}";
      const component = defineComponent("${name}");
      component.use(child, { name: "${childName}" });
      export default component;`,
    [`${name}/pass.ts`]: `
      import { v } from "convex/values";
      import { components } from "./_generated/api.js";
      import { mutation } from "./_generated/server.js";
      export const add = mutation({
        args: { name: v.string(), n: v.number() },
        returns: v.number(),
        handler: async (ctx, args): Promise<number> =>
          await ctx.runMutation(components.${childName}.${
      name === "outer" ? "pass" : "lib"
    }.add, args),
      });`,
  };
}

const FILES = {
  ...COUNTER,
  ...nesting("middle", "inner", definition("counter")),
  ...nesting("outer", "mid", definition("middle")),
  "convex/convex.config.ts": appConfig(
    "app.use(counter);",
    'app.use(counter, { name: "second" });',
    "app.use(outer);",
  ),
  "convex/main.ts": `
    import { v } from "convex/values";
    import { components } from "./_generated/api.js";
    import { mutation } from "./_generated/server.js";
    const args = { name: v.string(), n: v.number() };
    export const add = mutation({
      args,
      handler: async (ctx, args): Promise<number> =>
        await ctx.runMutation(components.counter.lib.add, args),
    });
    export const addDeep = mutation({
      args,
      handler: async (ctx, args): Promise<number> =>
        await ctx.runMutation(components.outer.pass.add, args),
    });`,
};

let server: Server;
let app: App;
let first: CliResult;
Deno.test.beforeAll(async () => {
  server = await Server.start();
  app = await App.create(FILES);
  await Deno.copyFile(
    fromRepository("examples/chat/convex/tsconfig.json"),
    `${app.dir}/convex/tsconfig.json`,
  );
  first = await app.cli(server, [
    ...["dev", "--once", "--typecheck", "enable", "--tail-logs", "disable"],
    ...["--run", "lib:add", "--run-component", "outer/mid/inner"],
  ]);
});
Deno.test.afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Calls a function of a component as an administrator. */
async function call(componentPath: string, path: string, args: unknown = {}) {
  const response = await post("/api/function", { componentPath, path, args });
  return { status: response.status, ...await response.json() };
}

async function post(path: string, body: unknown, isAdmin = true): Promise<Response> {
  return await fetch(server.url + path, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...isAdmin && { authorization: `Convex ${server.adminKey}` },
    },
    body: JSON.stringify(body),
  });
}

async function total(componentPath: string): Promise<number> {
  return (await call(componentPath, "lib:total")).value;
}

/** Pushes with another app config. */
async function pushWith(...uses: string[]): Promise<CliResult> {
  await app.write("convex/convex.config.ts", appConfig(...uses));
  return await app.cli(server, PUSH_ARGS);
}

const COUNTER_USE = "app.use(counter);";
const SECOND_USE = 'app.use(counter, { name: "second" });';

Deno.test("a push installs components, nested ones too, and generates code that compiles", () => {
  for (const path of ["counter", "second", "outer", "outer/mid", "outer/mid/inner"]) {
    assert.ok(first.stderr.includes(`Installed component ${path}.`), first.stderr);
  }
  assert.match(first.stderr, /Convex functions ready!/);
  // The function that --run names ran in the component, and complained about its arguments there.
  assert.match(first.stderr, /ArgumentValidationError[\s\S]*name/);
});

Deno.test("instances of one definition have their own data, three levels deep", async () => {
  const client = httpClient(server);
  assert.equal(await client.mutation(mutation("main:add"), { name: "a", n: 2 }), 2);
  assert.equal(await client.mutation(mutation("main:addDeep"), { name: "a", n: 40 }), 40);
  await call("second", "lib:add", { name: "a", n: 7 });
  assert.deepEqual(
    await Promise.all(["counter", "second", "outer/mid/inner"].map(total)),
    [2, 7, 40],
  );
});

Deno.test("administrators reach components with run, data and inline queries", async () => {
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await app.cli(server, args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  assert.match(await cli("run", "--component", "second", "lib:secret"), /internal/);
  assert.match(await cli("data", "--component", "outer/mid/inner"), /counts/);
  assert.match(await cli("data", "counts", "--component", "outer/mid/inner"), /\| 40/);
  const inline = 'return (await ctx.db.query("counts").collect()).map(({ n }) => n)';
  assert.match(
    await cli("run", "--inline-query", inline, "--component", "second"),
    /\[\s*7\s*\]/,
  );
  assert.deepEqual(
    [(await call("nobody", "lib:total")).code, (await call("a/-", "lib:total")).code],
    ["ComponentPathNotFound", "InvalidComponentPath"],
  );
});

Deno.test("ordinary clients do not reach the functions of components", async () => {
  const body = { componentPath: "counter", path: "lib:total", args: {} };
  assert.equal((await post("/api/function", body, false)).status, 403);
  // Where no component can be named, the path means the app.
  const asQuery = await (await post("/api/query", body, false)).json();
  assert.equal(asQuery.status, "error");
  await assert.rejects(httpClient(server).query(query("counter/lib:total"), {}));
});

Deno.test("the log names the component of a function", async () => {
  await call("second", "lib:add", { name: "log", n: 0 });
  const response = await fetch(`${server.url}/api/stream_function_logs?cursor=0`, {
    headers: { authorization: `Convex ${server.adminKey}` },
  });
  const { entries } = await response.json();
  const paths = entries.filter(({ identifier }: { identifier: string }) => identifier === "lib:add")
    .map(({ componentPath }: { componentPath: string }) => componentPath);
  assert.ok(paths.includes("second"), JSON.stringify(paths));
});

Deno.test("an unmounted component keeps its data and comes back with it", async () => {
  const gone = await pushWith(COUNTER_USE);
  assert.equal(gone.code, 0, gone.stderr);
  for (const path of ["second", "outer", "outer/mid", "outer/mid/inner"]) {
    assert.ok(gone.stderr.includes(`Unmounted component ${path}.`), gone.stderr);
  }
  assert.match((await call("second", "lib:total")).errorMessage, /Could not find .*'lib:total'/);
  const data = await app.cli(server, ["data", "counts", "--component", "second"]);
  assert.match(data.stdout, /\| 7/);

  const back = await pushWith(COUNTER_USE, SECOND_USE, "app.use(outer);");
  assert.match(back.stderr, /Remounted component second\./);
  assert.match(back.stderr, /Remounted component outer\/mid\/inner\./);
  assert.deepEqual([await total("second"), await total("outer/mid/inner")], [7, 40]);
});

Deno.test("a component with another name is a new one, and the old one can be deleted", async () => {
  const renamed = await pushWith(COUNTER_USE, 'app.use(counter, { name: "third" });');
  assert.match(renamed.stderr, /Installed component third\./);
  assert.match(renamed.stderr, /Unmounted component second\./);
  assert.equal(await total("third"), 0);

  const list = await (await post("/api/query", {
    path: "_system/frontend/components:list",
    args: {},
  })).json();
  const idOf = (path: string) =>
    list.value.find((component: { path: string }) => component.path === path).id;
  const remove = (componentId: string) => post("/api/delete_component", { componentId });
  assert.equal((await (await remove(idOf("third"))).json()).code, "ComponentMustBeUnmounted");
  assert.equal((await remove("nobody")).status, 404);
  assert.equal((await remove(idOf("second"))).status, 200);
  const audit = await (await fetch(`${server.url}/api/v1/list_audit_log_events?limit=100`, {
    headers: { authorization: `Convex ${server.adminKey}` },
  })).json();
  const { action, metadata } = audit.items.at(-1);
  assert.deepEqual([action, metadata], [
    "delete_component",
    { component_id: idOf("second"), component: "second" },
  ]);
  assert.equal((await call("second", "lib:total")).code, "ComponentPathNotFound");
  const again = await pushWith(COUNTER_USE, SECOND_USE);
  assert.match(again.stderr, /Installed component second\./);
  assert.equal(await total("second"), 0);
});

Deno.test("data must match the schema of the definition that takes a component over", async () => {
  await call("counter", "lib:add", { name: "kept", n: 1 });
  const before = await total("counter");
  await app.write("other/convex.config.ts", COUNTER["counter/convex.config.ts"]);
  await app.write("other/lib.ts", COUNTER["counter/lib.ts"]);
  await app.write("other/schema.ts", SCHEMA("name: v.string(), n: v.string()"));
  const use = `import other from "${definition("other")}";\napp.use(other, { name: "counter" });`;
  const refused = await pushWith(use);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /Schema validation failed/);
  assert.match(refused.stderr, /in table "counts" does not match the schema/);
  assert.equal(await total("counter"), before);

  await app.write(
    "other/schema.ts",
    SCHEMA("name: v.string(), n: v.number(), note: v.optional(v.string())"),
  );
  const taken = await pushWith(use);
  assert.equal(taken.code, 0, taken.stderr);
  assert.equal(await total("counter"), before);
});

const mistakes: [name: string, files: Record<string, string>, message: RegExp][] = [
  [
    "two children of one name",
    { "convex/convex.config.ts": appConfig(COUNTER_USE, COUNTER_USE) },
    /has multiple child components with the same name: counter/,
  ],
  [
    "an exception in a component's config",
    {
      "convex/convex.config.ts": appConfig(COUNTER_USE),
      "counter/convex.config.ts": `
        import { defineComponent } from "convex/server";
        const component = defineComponent("counter");
        if (process.env.SOMETHING === undefined) throw new Error("never");
        export default component;`,
    },
    /InvalidConvexConfig[\s\S]*Environment variables are only supported in the app's convex\.config/,
  ],
  [
    "a module that throws in a component",
    {
      "convex/convex.config.ts": appConfig(COUNTER_USE),
      "counter/bad.ts": 'export const x = 1;\nthrow new Error("at import");',
    },
    /Failed to analyze bad\.js: Uncaught Error: at import/,
  ],
];
for (const [name, files, message] of mistakes) {
  Deno.test(`${name} stops the push and changes nothing`, async () => {
    await using own = await App.create({ ...FILES, ...files });
    const result = await own.cli(server, PUSH_ARGS);
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, message);
    assert.equal(typeof await total("counter"), "number");
  });
}
