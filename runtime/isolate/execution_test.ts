import assert from "node:assert/strict";
import type { RunResult } from "../frames.ts";
import { errorOf, IMPORT_MS, LIBRARY, Stand, type TestFunction, valueOf } from "./testing/stand.ts";

type Handlers = Readonly<Record<string, string>>;

/** A module whose functions are given as source texts `kind(async (call, args) => …)`. */
function moduleOf(handlers: Handlers, prelude = "") {
  const kinds: Record<string, TestFunction> = {};
  let code = LIBRARY + prelude;
  for (const [name, handler] of Object.entries(handlers)) {
    code += `\nexports.${name} = ${handler};`;
    kinds[name] = { udfType: handler.startsWith("mutation") ? "Mutation" : "Query" };
  }
  return { code, functions: kinds };
}

async function withStand(
  modules: Parameters<typeof Stand.open>[0],
  body: (stand: Stand) => Promise<void>,
): Promise<void> {
  const stand = await Stand.open(modules);
  try {
    await body(stand);
  } finally {
    await stand.close();
  }
}

/** Commits what a mutation wrote, as the host would. */
async function commit(stand: Stand, result: RunResult): Promise<void> {
  const { begin, readSet, writes, chainSeq } = result;
  const chain = { isolate: 1, seq: chainSeq };
  const { kind } = await stand.engine.committer.commit({
    begin,
    readSet,
    writes,
    source: null,
    chain,
  });
  assert.equal(kind, "committed");
}

const LIST = `query(async (call) => {
  const source = { type: "FullTableScan", tableName: "notes", order: null };
  const { queryId } = callSync("queryStream", { query: { source, operators: [] } });
  const texts = [];
  for (;;) {
    const { value, done } = await call("queryStreamNext", { queryId });
    if (done) return texts;
    texts.push(value.text);
  }
})`;
const ADD = `mutation(async (call, { text }) =>
  (await call("insert", { table: "notes", value: { text } }))._id)`;

Deno.test("a mutation's writes are seen by queries after the commit", () =>
  withStand({ "notes.js": moduleOf({ add: ADD, list: LIST }) }, async (stand) => {
    const isolate = await stand.isolate();
    const added = await isolate.run("mutation", "notes:add", { arguments: [{ text: "a" }] });
    assert.equal(added.chainSeq, 1);
    assert.deepEqual(valueOf(await isolate.run("query", "notes:list")), []);
    await commit(stand, added);
    assert.deepEqual(valueOf(await isolate.run("query", "notes:list")), ["a"]);
  }));

Deno.test("mutations see the unconfirmed ones before them, until a reset", async () => {
  const count = `mutation(async (call) => {
    const page = await call("queryPage", {
      query: { source: { type: "FullTableScan", tableName: "notes", order: null }, operators: [] },
      cursor: null, endCursor: null, pageSize: 100 });
    return page.page.length; })`;
  await withStand({ "notes.js": moduleOf({ add: ADD, count }) }, async (stand) => {
    const isolate = await stand.isolate();
    const text = { arguments: [{ text: "a" }] };
    const first = await isolate.run("mutation", "notes:add", text);
    const [second, counted] = await isolate.runBatch([
      isolate.call("mutation", "notes:add", text),
      isolate.call("mutation", "notes:count"),
    ]);
    assert.deepEqual([first.chainSeq, second!.chainSeq, counted!.chainSeq], [1, 2, 3]);
    assert.equal(valueOf(counted!), 2);
    // The table was created by the first member only.
    assert.equal(second!.writes.length, 1);
    await commit(stand, first);
    assert.equal(valueOf(await isolate.run("mutation", "notes:count")), 2);
    isolate.send({ type: "reset", epoch: 1, upTo: 1 });
    isolate.epoch = 1;
    const after = await isolate.run("mutation", "notes:count");
    assert.deepEqual([valueOf(after), after.epoch], [1, 1]);
  });
});

Deno.test("failures have the platform's texts", async (t) => {
  const handlers = {
    hang: "query(() => new Promise(() => {}))",
    fail: 'query(async () => { throw new TypeError("boom"); })',
    text: 'query(async () => { throw "text"; })',
    object: "query(async () => { throw {}; })",
    noMessage: "query(async () => { throw new RangeError(); })",
    unhandled: 'query(async () => { Promise.reject(new Error("nobody")); return 1; })',
    late: `query(async (call) => {
      const failing = call("get", { id: "bad" });
      await call("count", { table: "none" });
      try { await failing; } catch { return "caught too late"; } })`,
    convexError: `query(async () => {
      const error = new Error("shown");
      error.data = JSON.stringify({ code: 1 });
      error.ConvexErrorSymbol = Symbol.for("ConvexError");
      error[Symbol.for("ConvexError")] = true;
      throw error; })`,
    invalidResult: "query(async () => ({ $bad: 1 }))",
    unfinished: `mutation(async (call) => {
      call("insert", { table: "t", value: { a: 1 } }); return 1; })`,
    failsAfterWrite: `mutation(async (call) => {
      await call("insert", { table: "t", value: {} }); throw new Error("no"); })`,
    plain: "1",
  };
  const module = moduleOf(handlers);
  const functions: Record<string, TestFunction> = {
    ...module.functions,
    mutate: { udfType: "Mutation" },
    checked: { udfType: "Query", args: CHECKED_ARGS },
    returning: { udfType: "Query", returns: '{"type":"string"}' },
    secret: { udfType: "Query", visibility: { kind: "internal" } },
  };
  const code = module.code + `
    exports.checked = query(async (call, { a }) => a);
    exports.returning = query(async () => 1);
    exports.secret = query(async () => 1);`;
  await withStand({ "m.js": { code, functions } }, async (stand) => {
    const isolate = await stand.isolate();
    const cases: readonly (readonly ["query" | "mutation", string, string])[] = [
      ["query", "m:hang", "Returned promise will never resolve\n"],
      ["query", "m:fail", "Uncaught TypeError: boom\n"],
      ["query", "m:text", "Uncaught text\n"],
      ["query", "m:object", "Uncaught #<Object>\n"],
      ["query", "m:noMessage", "Uncaught RangeError\n"],
      ["query", "m:unhandled", "Uncaught Error: nobody\n"],
      [
        "query",
        "m:late",
        "Uncaught Error: Invalid argument `id` for `db.get`: Unable to decode ID: Invalid ID length 3\n",
      ],
      [
        "query",
        "m:invalidResult",
        "Function m.js:invalidResult return value invalid: Field name $bad starts with '$', " +
        "which is reserved.\n",
      ],
      ["mutation", "m:failsAfterWrite", "Uncaught Error: no\n"],
      ["query", "m:missing", "Could not find public function for 'm:missing'.\n"],
      ["query", "nowhere", "Could not find public function for 'nowhere'.\n"],
      ["query", "m:secret", "Could not find public function for 'm:secret'.\n"],
      [
        "mutation",
        "m:fail",
        "Trying to execute m.js:fail as Mutation, but it is defined as Query.\n",
      ],
      ["mutation", "m:mutate", 'Couldn\'t find "mutate" in module "m.js".\n'],
      [
        "query",
        "m:plain",
        "Function m.js:plain is neither a query or mutation. " +
        "Did you forget to wrap it with `query` or `mutation`?\n",
      ],
      [
        "query",
        "m:checked",
        "ArgumentValidationError: Object is missing the required field `a`. Consider wrapping the " +
        "field validator in `v.optional(...)` if this is expected.\n\nObject: {}\n" +
        "Validator: v.object({a: v.string()})\n\n",
      ],
      [
        "query",
        "m:returning",
        "ReturnsValidationError: Value does not match validator.\n\nValue: 1.0\n" +
        "Validator: v.string()\n",
      ],
    ];
    for (const [kind, name, text] of cases) {
      await t.step(name, async () => {
        const result = await isolate.run(kind, name);
        assert.equal(errorOf(result), text);
        assert.deepEqual(result.writes, []);
      });
    }
    const convexError = (await isolate.run("query", "m:convexError")).result;
    assert.deepEqual(convexError, {
      ok: false,
      error: { text: "Uncaught Error: shown\n", data: '{"code":1}' },
    });
    const unfinished = await isolate.run("mutation", "m:unfinished");
    assert.equal(unfinished.writes.some(({ json }) => json?.includes('"a":1')), true);
    const internal = await isolate.run("query", "m:secret", { visibility: "all" });
    assert.equal(valueOf(internal), 1);
  });
});

const CHECKED_ARGS =
  '{"type":"object","value":{"a":{"fieldType":{"type":"string"},"optional":false}}}';

Deno.test("time, random numbers and identity are the call's, and looks are noticed", () =>
  withStand({
    "m.js": moduleOf({
      random: "query(async () => [Math.random(), crypto.randomUUID(), at])",
      time: `query(async () => {
        const a = Date.now(); for (let i = 0; i < 1e5; i++); return [Date.now() - a, new Date() - a]; })`,
      identity: 'query(async (call) => call("getUserIdentity", {}))',
      nothing: "query(async () => 1)",
    }, "const at = [Date.now(), Math.random(), performance.now()];"),
  }, async (stand) => {
    const isolate = await stand.isolate();
    const first = valueOf(await isolate.run("query", "m:random")) as [number, string, number[]];
    assert.deepEqual(valueOf(await isolate.run("query", "m:random")), first);
    const other = await isolate.run("query", "m:random", { seed: "ff".repeat(16) });
    const [fraction, uuid, imported] = valueOf(other) as [number, string, number[]];
    assert.notEqual(fraction, first[0]);
    assert.notEqual(uuid, first[1]);
    assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(imported, first[2]);
    assert.deepEqual([imported[0], imported[2]], [IMPORT_MS, 0]);
    assert.equal(other.observedTime, false);
    const time = await isolate.run("query", "m:time");
    assert.deepEqual([valueOf(time), time.observedTime], [[0, 0], true]);
    const attributes = { tokenIdentifier: "i|s", issuer: "i", subject: "s" };
    const identity = { kind: "acting", attributes } as const;
    const who = await isolate.run("query", "m:identity", { identity });
    assert.deepEqual([valueOf(who), who.observedIdentity], [attributes, true]);
    assert.equal((await isolate.run("query", "m:nothing")).observedIdentity, false);
  }));

Deno.test("variables, code and configuration land in the read set", () =>
  withStand({
    "m.js": moduleOf(
      { env: "query(async () => [process.env.MODE ?? null, url])" },
      `
      const url = process.env.CONVEX_CLOUD_URL;`,
    ),
  }, async (stand) => {
    const isolate = await stand.isolate();
    const before = await isolate.run("query", "m:env");
    assert.deepEqual(valueOf(before), [null, "http://cloud.test"]);
    const { committer } = stand.engine;
    assert.equal(committer.firstChange(before.readSet, before.begin), null);
    await stand.setVariable("OTHER", "x");
    assert.equal(committer.firstChange(before.readSet, before.begin), null);
    await stand.setVariable("MODE", "on");
    assert.notEqual(committer.firstChange(before.readSet, before.begin), null);
    const after = await isolate.run("query", "m:env");
    assert.deepEqual(valueOf(after), ["on", "http://cloud.test"]);
    await stand.push({ "m.js": moduleOf({ env: "query(async () => 'new')" }) });
    assert.notEqual(committer.firstChange(after.readSet, after.begin), null);
    assert.equal(valueOf(await isolate.run("query", "m:env")), "new");
    const old = await isolate.run("query", "m:env", { at: after.begin });
    assert.deepEqual(valueOf(old), ["on", "http://cloud.test"]);
  }));

Deno.test("the event loop is awaited where the platform's globals need it", () =>
  withStand({
    "m.js": moduleOf({
      digest: `query(async () => {
        const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("a"));
        return [bytes.byteLength, await new Response("text").text(), await new Blob(["b"]).text()];
      })`,
    }),
  }, async (stand) => {
    const isolate = await stand.isolate();
    assert.deepEqual(valueOf(await isolate.run("query", "m:digest")), [32, "text", "b"]);
  }));

Deno.test("the log has the lines of the run, of its modules, and one when there are too many", () =>
  withStand({
    "m.js": moduleOf({
      log: `query(async () => {
        console.log("hello", 1, { a: [1] }); console.warn(10n); console.time(); console.timeEnd();
        console.timeEnd("x"); console.error("é".repeat(40000)); })`,
      many: "query(async () => { for (let i = 0; i < 300; i++) console.info(i); })",
    }, 'console.debug("top");'),
  }, async (stand) => {
    const isolate = await stand.isolate();
    const { logLines } = await isolate.run("query", "m:log");
    assert.deepEqual(logLines.slice(0, 3).map(({ level, messages }) => [level, ...messages]), [
      ["DEBUG", "'top'"],
      ["LOG", "'hello'", "1", "{\n  a: [ 1 ]\n}"],
      ["WARN", "10n"],
    ]);
    assert.match(logLines[3]!.messages[0]!, /^default: \d+ms$/);
    assert.deepEqual(logLines[4]!.messages, ["Timer 'x' does not exist"]);
    assert.equal(logLines[5]!.isTruncated, true);
    assert.ok(new TextEncoder().encode(logLines[5]!.messages[0]).length <= 32_768);
    const many = (await isolate.run("query", "m:many")).logLines;
    assert.equal(many.length, 256);
    assert.deepEqual(many.at(-1)!.messages, [
      "Log overflow (maximum 256). Remaining log lines omitted.",
    ]);
  }));
