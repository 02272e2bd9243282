// Calls into components in one transaction: what is found, what is shared and what is not.

import assert from "node:assert/strict";
import type { ComponentId } from "../../engine/types.ts";
import type { Json } from "../../engine/values/value.ts";
import {
  errorOf,
  IMPORT_MS,
  LIBRARY,
  Stand,
  type TestFunction,
  type TestIsolate,
  type TestModule,
  valueOf,
} from "./testing/stand.ts";

/** Functions that every component of the test has; what they find tells the components apart. */
const CODE = LIBRARY + `
globalThis.loaded = (globalThis.loaded ?? 0) + 1;
const importedAt = Date.now();
const importedRandom = Math.random();
let counter = 0;
const texts = async (call) => {
  const source = { type: "FullTableScan", tableName: "notes", order: null };
  const { queryId } = callSync("queryStream", { query: { source, operators: [] } });
  const found = [];
  for (;;) {
    const { value, done } = await call("queryStreamNext", { queryId });
    if (done) return found;
    found.push(value.text);
  }
};
const insert = async (call, text) => (await call("insert", { table: "notes", value: { text } }))._id;
const address = (target) =>
  target.startsWith("function://") ? { functionHandle: target }
    : target.startsWith("_reference/") ? { reference: target }
    : target.includes("/") ? { reference: "_reference/childComponent/" + target } : { name: target };
const run = (call, udfType, target, args = {}) => call("runUdf", { udfType, ...address(target), args });

exports.list = query(texts);
exports.secret = query(texts);
exports.add = mutation(async (call, { text }) => { console.log("add", text); counter++; await insert(call, text); return counter; });
exports.fail = mutation(async (call, { text }) => { await insert(call, text); throw new Error("no " + text); });
exports.relay = mutation((call, { kind = "mutation", target, args }) => run(call, kind, target, args));
exports.ask = query((call, { target, args }) => run(call, "query", target, args));
exports.attempt = mutation(async (call, { target, args }) => {
  try { return await run(call, "mutation", target, args); } catch (error) { return error.message; }
});
exports.where = query(async (call) => ({
  ...(await call("getFunctionMetadata", {})),
  site: process.env.CONVEX_SITE_URL, cloud: process.env.CONVEX_CLOUD_URL,
  own: process.env.OWN ?? null, shared: process.env.SHARED ?? null, app: process.env.APP_ONLY ?? null,
  importedAt, importedRandom, loaded: globalThis.loaded, now: Date.now(),
}));
exports.handle = query((call, { target }) => call("createFunctionHandle", address(target)));
exports.insertOne = mutation((call) => insert(call, "one"));
exports.read = query((call, { id, isSystem }) => call("get", { id, isSystem, version: "1.48.0" }));
exports.typed = query(() => null);
exports.schedule = mutation((call, { target }) => call("schedule", { ...address(target), ts: Date.now() / 1000 + 60, args: {} }));
exports.cancel = mutation((call, { id }) => call("cancel_job", { id }));
exports.identity = query((call) => call("getUserIdentity", {}));
exports.paginate = query((call) => call("queryPage", {
  query: { source: { type: "FullTableScan", tableName: "notes", order: null }, operators: [] },
  cursor: null, endCursor: null, pageSize: 10, version: "1.48.0",
}));
exports.narrow = mutation(async (call, { target, transactionLimits }) => {
  try {
    await call("runUdf", { udfType: "mutation", ...address(target), args: { text: "x" }, transactionLimits });
  } catch (error) { return error.message; }
});
`;

const MUTATIONS = ["add", "fail", "relay", "attempt", "insertOne", "schedule", "cancel", "narrow"];
const QUERIES = ["list", "ask", "where", "handle", "read", "identity", "paginate"];

function functions(): Record<string, TestFunction> {
  return {
    ...Object.fromEntries(MUTATIONS.map((name) => [name, { udfType: "Mutation" }])),
    ...Object.fromEntries(QUERIES.map((name) => [name, { udfType: "Query" }])),
    secret: { udfType: "Query", visibility: { kind: "internal" } },
    typed: {
      udfType: "Query",
      args: JSON.stringify({
        type: "object",
        value: { id: { fieldType: { type: "id", tableName: "notes" }, optional: false } },
      }),
    },
  };
}

const MODULE: TestModule = { code: CODE, functions: functions() };

interface Family {
  readonly stand: Stand;
  readonly isolate: TestIsolate;
  readonly ids: { readonly a: ComponentId; readonly b: ComponentId; readonly deep: ComponentId };
  run(kind: "query" | "mutation", name: string, args?: Json): Promise<Json>;
  error(kind: "query" | "mutation", name: string, args?: Json): Promise<string>;
}

/** The app, its children `a` and `b` of one definition, and `a/inner/inner`, three levels down. */
async function withFamily(
  body: (family: Family) => Promise<void>,
  isInstrumented = true,
): Promise<void> {
  const modules = { "m.js": { ...MODULE, isInstrumented } };
  const stand = await Stand.open(modules);
  try {
    const a = await stand.install({
      name: "a",
      httpPrefix: "/a/",
      env: { OWN: { type: "value", value: "of a" }, SHARED: { type: "envVar", name: "APP_KEY" } },
    }, modules);
    const b = await stand.install({
      name: "b",
      env: { CONVEX_CLOUD_URL: { type: "value", value: "bound" } },
    }, modules);
    const inner = await stand.install({ parent: a, name: "inner", path: "a/inner" }, modules);
    const deep = await stand.install({
      parent: inner,
      name: "inner",
      path: "a/inner/inner",
    }, modules);
    const isolate = await stand.isolate();
    let calls = 0;
    const call = (kind: "query" | "mutation", name: string, args: Json = {}) => {
      // Equal seeds would give equal ids.
      const seed = (++calls).toString(16).padStart(32, "0");
      return isolate.run(kind, `m:${name}`, { arguments: [args], seed });
    };
    await body({
      stand,
      isolate,
      ids: { a, b, deep },
      run: async (kind, name, args) => valueOf(await call(kind, name, args)),
      error: async (kind, name, args) => errorOf(await call(kind, name, args)),
    });
  } finally {
    await stand.close();
  }
}

/** Arguments with which `relay` calls `target` through the children on the way. */
function through(children: string[], target: string, args: Json, kind = "mutation"): Json {
  return children.reduceRight<Json>(
    (inner, child) => ({ kind: "mutation", target: `${child}/m/relay`, args: inner }),
    { kind, target, args },
  );
}

Deno.test("a call goes into a child, and through children three levels down", () =>
  withFamily(async ({ run, isolate }) => {
    assert.equal(await run("mutation", "relay", { target: "a/m/add", args: { text: "x" } }), 1);
    const deep = through(["a", "inner"], "inner/m/add", { text: "deep" });
    const result = await isolate.run("mutation", "m:relay", { arguments: [deep] });
    assert.equal(valueOf(result), 1);
    assert.deepEqual(
      result.logLines.map(({ messages, componentPath, udfPath }) => [
        ...messages,
        componentPath,
        udfPath,
      ]),
      [["'add'", "'deep'", "a/inner/inner", "m.js:add"]],
    );
  }));

Deno.test("components of one definition have tables of their own", () =>
  withFamily(async ({ run }) => {
    const add = (target: string, text: string) =>
      run("mutation", "relay", { target, args: { text } });
    const list = (target: string) => run("mutation", "relay", { kind: "query", target, args: {} });
    await add("m:add", "of the app");
    await add("a/m/add", "of a");
    await run("mutation", "relay", through(["a"], "inner/m/add", { text: "of inner" }));
    assert.deepEqual(await list("m:list"), ["of the app"]);
    assert.deepEqual(await list("a/m/list"), ["of a"]);
    assert.deepEqual(await list("b/m/list"), []);
    assert.deepEqual(await run("mutation", "relay", through(["a"], "inner/m/list", {}, "query")), [
      "of inner",
    ]);
  }));

Deno.test("a component sees its own address, variables and modules, and the app's import time", () =>
  withFamily(async ({ stand, run }) => {
    await stand.setVariable("APP_KEY", "first");
    await stand.setVariable("APP_ONLY", "hidden");
    const app = await run("query", "where") as Record<string, Json>;
    const a = await run("query", "ask", { target: "a/m/where", args: {} }) as Record<string, Json>;
    const b = await run("query", "ask", { target: "b/m/where", args: {} }) as Record<string, Json>;
    assert.deepEqual([app.componentPath, a.componentPath, b.componentPath], ["", "a", "b"]);
    assert.equal(a.name, "m:where");
    assert.deepEqual([a.own, a.shared, a.app], ["of a", "first", null]);
    assert.deepEqual([b.own, b.shared, b.app], [null, null, null]);
    assert.deepEqual([app.own, app.app], [null, "hidden"]);
    assert.deepEqual([app.site, a.site, b.site], [
      "http://site.test",
      "http://site.test/a",
      "http://site.test",
    ]);
    assert.deepEqual([a.cloud, b.cloud], ["http://cloud.test", "bound"]);
    for (const each of [app, a, b]) {
      assert.deepEqual([each.loaded, each.importedAt], [1, IMPORT_MS]);
      assert.equal(each.importedRandom, app.importedRandom);
    }
    await stand.setVariable("APP_KEY", "second");
    const later = await run("query", "ask", { target: "a/m/where", args: {} });
    assert.equal((later as Record<string, Json>).shared, "second");
  }));

Deno.test("what a failed child wrote is gone, the rest of the mutation stays", () =>
  withFamily(async ({ run, error }) => {
    await run("mutation", "relay", { target: "a/m/add", args: { text: "before" } });
    const attempt = { target: "inner/m/fail", args: { text: "lost" } };
    const message = await run("mutation", "relay", { target: "a/m/attempt", args: attempt });
    assert.match(String(message), /^Uncaught Error: no lost\n/);
    // `relay` of `a` fails with its child, and so does what it would have kept.
    assert.match(
      await error("mutation", "relay", through(["a"], "inner/m/fail", { text: "lost" })),
      /^Uncaught Error: Uncaught Error: Uncaught Error: no lost\n/,
    );
    const list = { kind: "query", target: "a/m/list", args: {} };
    assert.deepEqual(await run("mutation", "relay", list), ["before"]);
    assert.deepEqual(
      await run("mutation", "relay", through(["a"], "inner/m/list", {}, "query")),
      [],
    );
  }));

Deno.test("references name public functions of one's children and nothing else", () =>
  withFamily(async ({ run }) => {
    const attempt = async (target: string, inside: string[] = []) =>
      await run("mutation", "relay", through(inside, "m:attempt", { target, args: {} }));
    const refused: [string, string, string[]?][] = [
      ["none/m/list", "Child component none not found"],
      ["a/m/secret", "Child component a does not export m.secret"],
      ["a/m/none", "Child component a does not export m.none"],
      ["a/x/y/none", "Child component a does not export x.y.none"],
      ["a/inner/m/list", "Child component a does not export inner.m.list"],
      ["a/../m/add", "Child component a does not export ...m.add"],
      // A sibling and the parent, seen from a child.
      ["b/m/add", "Child component b not found", ["a"]],
      ["a/m/add", "Child component a not found", ["a"]],
      ["/m/add", "Child component  not found", ["a"]],
      [
        "_reference/currentSystemUdfInComponent/x",
        "Invalid reference _reference/currentSystemUdfInComponent/x",
      ],
      ["m:none", "Could not find public function for 'm:none' in 'a'.\n", ["a"]],
      ["m:list", "Trying to execute m.js:list in 'a' as Mutation, but it is defined as Query.\n", [
        "a",
      ]],
      ["function://", "Function handle not found", ["a"]],
      ["function://nonsense#m:add", "Function handle not found", ["a"]],
    ];
    for (const [target, message, inside] of refused) {
      assert.equal(await attempt(target, inside), message, target);
    }
    // Its own internal functions a component may call.
    const own = through(["a"], "m:secret", {}, "query");
    assert.deepEqual(await run("mutation", "relay", own), []);
  }));

Deno.test("a handle leads anywhere, is the same at each push, and dies with its function", () =>
  withFamily(async ({ stand, run, error, ids }) => {
    const handle = await run("query", "handle", { target: "a/m/add" });
    assert.match(String(handle), /^function:\/\/[a-z0-9]+#m:add$/);
    assert.equal(await run("query", "handle", { target: "a/m/add" }), handle);
    assert.equal(await run("query", "handle", { target: handle! }), handle);
    const secret = await run("mutation", "relay", {
      kind: "query",
      target: "b/m/handle",
      args: { target: "m:secret" },
    });
    // `a` calls an internal function of its sibling, and one of its parent's child: itself.
    const call = (target: Json, kind: string) =>
      run("mutation", "relay", through(["a"], String(target), { text: "by handle" }, kind));
    assert.deepEqual(await call(secret, "query"), []);
    assert.equal(await call(handle, "mutation"), 1);
    const [bare] = String(handle).split("#");
    assert.equal(await call(`${bare}#other:name`, "mutation"), 1);
    assert.equal(
      await error("query", "handle", { target: "a/m/secret" }),
      "Uncaught Error: Child component a does not export m.secret\n",
    );

    const setDeleted = (deletedTs: number | null) =>
      stand.engine.transact((tx) => {
        const handles = tx.table("functionHandles");
        handles.patch(handles.first("by_path", [ids.a, "m.js:add"])!._id, { deletedTs });
      });
    await setDeleted(1);
    await assert.rejects(call(handle, "mutation"), /Function handle not found/);
    await setDeleted(null);
    assert.equal(await call(handle, "mutation"), 1);
  }));

Deno.test("ids of another component are nobody's", () =>
  withFamily(async ({ run }) => {
    const relay = (target: string, args: Json, kind = "mutation") =>
      run("mutation", "relay", { kind, target, args });
    const own = String(await relay("m:insertOne", {}));
    const foreign = String(await relay("a/m/insertOne", {}));
    assert.equal(
      (await relay("a/m/read", { id: foreign }, "query") as { text: string }).text,
      "one",
    );
    // The tables carry the same number, so both are ids of `notes`; the documents are not there.
    assert.equal(await relay("m:read", { id: foreign }, "query"), null);
    assert.equal(await relay("a/m/read", { id: own }, "query"), null);
    assert.equal(await relay("b/m/read", { id: own }, "query"), null);
    // `v.id("notes")` means the callee's table: `b` has none.
    assert.equal(await relay("a/m/typed", { id: own }, "query"), null);
    await assert.rejects(relay("b/m/typed", { id: own }, "query"), /ArgumentValidationError/);
  }));

Deno.test("a scheduled mutation that cancels itself: a warning, an error from package 1.50 on", () =>
  withFamily(async ({ stand, isolate, run }) => {
    const target = await run("query", "handle", { target: "m:add" });
    const id = String(await run("mutation", "schedule", { target: target! }));
    const cancel = () =>
      isolate.run("mutation", "m:cancel", {
        arguments: [{ id }],
        job: { component: "", id },
        seed: "f".repeat(32),
      });
    const warned = await cancel();
    assert.equal(valueOf(warned), null);
    assert.match(warned.logLines[0]!.messages[0]!, /A scheduled mutation canceling itself is/);
    const read = { kind: "query", target: "m:read", args: { id, isSystem: true } };
    const { state } = await run("mutation", "relay", read) as { state: Json };
    assert.deepEqual(state, { kind: "pending" });
    await stand.engine.transact((tx) => {
      const config = tx.table("udfConfig");
      config.patch(config.first("by_component", [""])!._id, { serverVersion: "1.50.0" });
    });
    assert.match(errorOf(await cancel()), /^Uncaught Error: A mutation cannot cancel itself\n/);
  }));

Deno.test("a job belongs to the component that scheduled it", () =>
  withFamily(async ({ stand, run, ids }) => {
    const relay = (target: string, args: Json, kind = "mutation") =>
      run("mutation", "relay", { kind, target, args });
    const target = await run("query", "handle", { target: "m:add" });
    const job = String(await relay("a/m/schedule", { target: target! }));
    const read = (by: string) => relay(by, { id: job, isSystem: true }, "query");
    assert.equal((await read("a/m/read") as { name: string }).name, "m.js:add");
    assert.equal(await read("b/m/read"), null);
    assert.equal(await read("m:read"), null);
    await relay("b/m/cancel", { id: job });
    await relay("m:cancel", { id: job });
    const state = async () => (await read("a/m/read") as { state: Json }).state;
    assert.deepEqual(await state(), { kind: "pending" });
    await relay("a/m/cancel", { id: job });
    assert.deepEqual(await state(), { kind: "canceled" });
    await assert.rejects(
      relay("a/m/schedule", { target: "gone:fn" }),
      /Attempted to schedule function at nonexistent path: a gone\.js\n/,
    );
    await assert.rejects(
      relay("a/m/schedule", { target: "m:gone" }),
      /no exported function gone found in the file: m\.js in 'a'\. Did you forget to export it\?/,
    );
    assert.notEqual(stand.engine.catalog.tableByName(ids.a, "_scheduled_jobs"), null);
  }));

Deno.test("a child sees who calls, may not paginate, and pays into the caller's limits", () =>
  withFamily(async ({ isolate, run, error }) => {
    const identity = {
      kind: "user",
      attributes: { tokenIdentifier: "t", issuer: "i", subject: "s" },
      token: "",
      expiresAtMs: 0,
    } as const;
    const asked = await isolate.run("query", "m:ask", {
      arguments: [{ target: "a/m/identity", args: {} }],
      identity,
    });
    assert.deepEqual(valueOf(asked), identity.attributes);
    assert.equal(asked.observedIdentity, true);
    assert.match(
      await error("query", "ask", { target: "a/m/paginate", args: {} }),
      /paginate\(\) is only supported in the app\. Learn more at https:\/\/docs\.convex\.dev\/components\/authoring#pagination/,
    );
    const narrow = { target: "a/m/add", transactionLimits: { documentsWritten: 0 } };
    assert.match(String(await run("mutation", "narrow", narrow)), /Too many writes/);
  }));

Deno.test("an unmounted child is not there", () =>
  withFamily(async ({ stand, error, ids }) => {
    await stand.engine.transact((tx) =>
      tx.table("components").patch(ids.a, { state: "unmounted" })
    );
    assert.equal(
      await error("mutation", "relay", { target: "a/m/add", args: { text: "x" } }),
      "Uncaught Error: Child component a not found\n",
    );
  }));
