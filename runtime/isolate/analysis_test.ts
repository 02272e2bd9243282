import assert from "node:assert/strict";
import type { AnalyzeOutcome, PreparedModule } from "../frames.ts";
import { IMPORT_MS, LIBRARY, Stand, type TestIsolate } from "./testing/stand.ts";

const CONFIG = {
  serverVersion: "1.48.0",
  importPhaseRngSeed: btoa("seed".repeat(8)),
  importPhaseUnixTimestamp: IMPORT_MS,
};

function prepared(path: string, code: string): PreparedModule {
  const hash = `${path}-${code.length}`;
  const maps = { sourceMap: null, codeMap: null, reuseObstacle: null };
  return { path, environment: "isolate", hash, source: code, code, imports: [], ...maps };
}

async function withIsolate(body: (isolate: TestIsolate) => Promise<void>): Promise<void> {
  const stand = await Stand.open({});
  try {
    await body(await stand.isolate());
  } finally {
    await stand.close();
  }
}

async function load(
  isolate: TestIsolate,
  modules: Record<string, string>,
  env: Record<string, string> | null = {},
  componentDependencies?: Record<string, string>,
): Promise<void> {
  const list = Object.entries(modules).map(([path, code]) => prepared(path, code));
  const request = { kind: "load", modules: list, env, config: CONFIG } as const;
  const outcome = await isolate.analyze({ ...request, componentDependencies });
  assert.equal(outcome.ok, true);
}

function valueOf(outcome: AnalyzeOutcome) {
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.message);
  return JSON.parse(outcome.value);
}

Deno.test("analysis finds functions, routes and crons", () =>
  withIsolate(async (isolate) => {
    await load(isolate, {
      "a.js": LIBRARY + `
        const b = require("./_deps/b.js");
        exports.get = query(async () => b.x);
        exports.put = mutation(async () => 1);
        exports.hidden = Object.assign(query(async () => 1), { isInternal: true });
        delete exports.hidden.isPublic;
        exports.both = Object.assign(query(async () => 1), { isInternal: true });
        exports.constant = 1;
        exports.act = action(async () => 1);`,
      "_deps/b.js": "exports.x = 1;",
      "http.js":
        `exports.default = { isRouter: true, getRoutes: () => [["/a/*", "GET", () => {}]] };`,
      "crons.js":
        `exports.default = { isCrons: true, export: () => '{"c":{"name":"a:put","args":[{}],"schedule":{"type":"interval","seconds":1}}}' };`,
    });
    const analysis = valueOf(await isolate.analyze({ kind: "module", path: "a.js" }));
    assert.deepEqual(
      analysis.functions.map((each: Record<string, unknown>) => [
        each.name,
        each.udfType,
        (each.visibility as { kind: string }).kind,
      ]),
      [
        ["get", "Query", "public"],
        ["put", "Mutation", "public"],
        ["hidden", "Query", "internal"],
        ["act", "Action", "public"],
      ],
    );
    assert.equal(analysis.httpRoutes, null);
    const http = valueOf(await isolate.analyze({ kind: "module", path: "http.js" }));
    assert.deepEqual(http.httpRoutes, [{ route: { path: "/a/*", method: "GET" }, pos: null }]);
    const crons = valueOf(await isolate.analyze({ kind: "module", path: "crons.js" }));
    assert.equal(crons.cronSpecs[0].identifier, "c");
    assert.equal(crons.cronSpecs[0].spec.name, "a:put");
  }));

Deno.test("analysis shows what module code throws, with its log", () =>
  withIsolate(async (isolate) => {
    await load(isolate, {
      "a.js": 'console.log("before"); throw new RangeError("boom");',
      "b.js": 'require("./missing.js");',
      "c.js": 'Convex.syscall("1.0/queryStream", "{}");',
      "d.js": 'fetch("http://localhost");setTimeout(() => {}, 1);',
      "http.js": "exports.default = 1;",
      "crons.js": "exports.x = 1;",
    });
    const messages = [];
    for (const path of ["a.js", "b.js", "c.js", "d.js", "http.js", "crons.js"]) {
      const outcome = await isolate.analyze({ kind: "module", path });
      messages.push(outcome.ok ? "ok" : `${outcome.code}: ${outcome.message}`);
    }
    assert.deepEqual(messages, [
      "null: Uncaught RangeError: boom\n\n[LOG] 'before'",
      "null: convex:/b.js:1:9: Couldn't find JavaScript module 'missing.js'. " +
      "Did you forget to run `npx convex dev`?\n",
      "null: Uncaught Error: Syscall 1.0/queryStream unsupported at import time\n",
      "null: Uncaught Error: setTimeout unsupported at import time\n",
      "InvalidModules: The default export of `convex/http.js` is not a Router.",
      "InvalidModules: `convex/crons.js` must have a default export of a Crons object.",
    ]);
  }));

Deno.test("schema, auth config and definitions have their own rules", () =>
  withIsolate(async (isolate) => {
    await load(isolate, {
      "schema.js": `exports.default = { export: () => '{"tables":[],"schemaValidation":true}' };`,
      "env.js": "process.env.X;",
      "auth.config.js": "exports.default = { providers: [{ domain: process.env.SET }] };",
      "unset.js": "exports.default = { providers: [process.env.UNSET ?? 'd'] };",
      "random.js": "exports.default = Math.random();",
    }, { SET: "value" });
    const schema = await isolate.analyze({ kind: "schema", path: "schema.js" });
    assert.deepEqual(valueOf(schema), { tables: [], schemaValidation: true });
    assert.deepEqual(await isolate.analyze({ kind: "schema", path: "env.js" }), {
      ok: false,
      code: null,
      message: "Uncaught Error: Environment variables unsupported when evaluating schema\n",
    });
    const auth = await isolate.analyze({ kind: "authConfig", path: "auth.config.js" });
    assert.deepEqual(valueOf(auth), { providers: [{ domain: "value" }] });
    assert.deepEqual(await isolate.analyze({ kind: "authConfig", path: "unset.js" }), {
      ok: false,
      code: "AuthConfigMissingEnvironmentVariable",
      message: "Environment variable UNSET is used in auth config file but its value was not set",
    });
    const random = await isolate.analyze({ kind: "authConfig", path: "random.js" });
    assert.equal(random.ok ? null : random.code, "InvalidAuthConfig");
    const dependencies = {
      "./_componentDeps/eA": '{"componentDefinitionPath":"x","defaultName":"y","metadata":{}}',
    };
    await load(
      isolate,
      {
        "convex.config.js": `const dep = require("./_componentDeps/eA").default;
        exports.default = { export: () => ({ uses: dep.componentDefinitionPath }) };`,
      },
      {},
      dependencies,
    );
    const definition = await isolate.analyze({
      kind: "definition",
      path: "convex.config.js",
      definitionPath: "",
    });
    assert.deepEqual(valueOf(definition), { uses: "x" });
  }));
