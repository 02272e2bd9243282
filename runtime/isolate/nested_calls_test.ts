import assert from "node:assert/strict";
import { errorOf, LIBRARY, Stand, type TestFunction, type TestIsolate } from "./testing/stand.ts";
import { valueOf } from "./testing/stand.ts";
import type { NestedCallName, NestedFrame } from "../nested_overruns.ts";

const CODE = LIBRARY + `
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
let counter = 0;
const insert = (call, text) => call("insert", { table: "notes", value: { text } });
const run = (call, udfType, name, args = {}) => call("runUdf", { udfType, name: "m:" + name, args });

exports.list = query(texts);
exports.add = mutation(async (call, { text }) => { console.log("add", text); await insert(call, text); return ++counter; });
exports.addAndFail = mutation(async (call, { text }) => { await insert(call, text); throw new Error("inner"); });
exports.addBadly = mutation(async (call, { text }) => { await insert(call, text); return 1; });
exports.both = mutation(async (call) => {
  await insert(call, "mine");
  const first = await run(call, "mutation", "add", { text: "nested" });
  const second = await run(call, "mutation", "add", { text: "again" });
  return [first, second, await run(call, "query", "list"), await run(call, "snapshotQuery", "list")];
});
exports.caught = mutation(async (call) => {
  let message;
  try { await run(call, "mutation", "addAndFail", { text: "lost" }); } catch (e) { message = e.message; }
  return [message, await run(call, "query", "list")];
});
exports.badReturn = mutation(async (call) => {
  try { await run(call, "mutation", "addBadly", { text: "kept" }); } catch (e) { return [e.message.split("\\n")[0], await texts(call)]; }
});
exports.leaveRejection = mutation(async (call) => { Promise.reject(new Error("left behind")); return 1; });
exports.rejectionCaught = mutation(async (call) => {
  try { return await run(call, "mutation", "leaveRejection"); } catch (e) { return e.message; }
});
exports.uncaught = mutation(async (call) => run(call, "mutation", "addAndFail", { text: "x" }));
exports.fromQuery = query(async (call) => run(call, "mutation", "add", { text: "x" }));
exports.deep = query(async (call, { n }) => { try { return await run(call, "query", "deep", { n: n + 1 }); } catch (e) { return n === 0 ? e.message : Promise.reject(e); } });
exports.unknown = query(async (call) => run(call, "query", "none"));
exports.wrongKind = query(async (call) => run(call, "query", "add"));
exports.parallel = mutation(async (call) => {
  await Promise.all(["a", "b", "c"].map((text) => run(call, "mutation", "add", { text })));
  return texts(call);
});
exports.limited = mutation(async (call) => {
  const address = { udfType: "mutation", name: "m:add", args: { text: "x" } };
  try { await call("runUdf", { ...address, transactionLimits: { documentsWritten: 0 } }); }
  catch (e) { return [e.message, await call("runUdf", address)]; }
});
exports.metrics = mutation(async (call) => {
  await run(call, "mutation", "add", { text: "x" });
  return (await call("getTransactionMetrics", {})).documentsWritten.used;
});
exports.stampWith = mutation(async (call, { at }) => {
  await call("insert", { table: "stamps", value: { at } });
  return { at };
});
exports.stamped = mutation((call) => run(call, "mutation", "stampWith", { at: { $commitTs: null } }));
exports.queryStamp = query(async () => ({ $commitTs: null }));
exports.addTwice = mutation(async (call) => {
  const caught = [];
  for (const text of ["first", "second"]) {
    await run(call, "mutation", "addBoth", { text }).catch((e) => caught.push(e.message));
  }
  return [caught, await run(call, "query", "list")];
});
exports.addBoth = mutation(async (call, { text }) => {
  await run(call, "mutation", "add", { text });
  await run(call, "mutation", "add", { text: text + " again" });
});
exports.child = query(async (call) => call("runUdf", { udfType: "query", reference: "_reference/childComponent/c/m/f", args: {} }));
exports.noAddress = query(async (call) => call("runUdf", { udfType: "query", args: {} }));
`;

const MUTATIONS = [
  "add",
  "addBoth",
  "addTwice",
  "addAndFail",
  "addBadly",
  "both",
  "caught",
  "badReturn",
  "leaveRejection",
  "rejectionCaught",
  "uncaught",
  "parallel",
  "limited",
  "metrics",
  "stampWith",
  "stamped",
];
const QUERIES = [
  "list",
  "fromQuery",
  "deep",
  "unknown",
  "wrongKind",
  "child",
  "noAddress",
  "queryStamp",
];

async function withIsolate(body: (isolate: TestIsolate) => Promise<void>): Promise<void> {
  const functions: Record<string, TestFunction> = {};
  for (const name of MUTATIONS) functions[name] = { udfType: "Mutation" };
  for (const name of QUERIES) functions[name] = { udfType: "Query" };
  functions.addBadly = { udfType: "Mutation", returns: '{"type":"string"}' };
  const stand = await Stand.open({ "m.js": { code: CODE, functions } });
  try {
    await body(await stand.isolate());
  } finally {
    await stand.close();
  }
}

Deno.test("nested calls share the transaction and have modules of their own", () =>
  withIsolate(async (isolate) => {
    const both = await isolate.run("mutation", "m:both");
    assert.deepEqual(valueOf(both), [1, 1, ["mine", "nested", "again"], []]);
    assert.deepEqual(
      both.logLines.map(({ messages, udfPath }) => [...messages, udfPath]),
      [["'add'", "'nested'", "m.js:add"], ["'add'", "'again'", "m.js:add"]],
    );
    assert.deepEqual(valueOf(await isolate.run("mutation", "m:metrics")), 1);
  }));

Deno.test("a failed nested mutation leaves nothing behind, unless only its result was wrong", () =>
  withIsolate(async (isolate) => {
    assert.deepEqual(valueOf(await isolate.run("mutation", "m:caught")), [
      "Uncaught Error: inner\n",
      [],
    ]);
    assert.deepEqual(valueOf(await isolate.run("mutation", "m:badReturn")), [
      "ReturnsValidationError: Value does not match validator.",
      ["kept"],
    ]);
  }));

Deno.test("a promise that a nested call leaves rejected fails that call", () =>
  withIsolate(async (isolate) => {
    assert.equal(
      valueOf(await isolate.run("mutation", "m:rejectionCaught")),
      "Uncaught Error: left behind\n",
    );
  }));

Deno.test("the commit's timestamp goes into and out of nested calls, and out of no query", () =>
  withIsolate(async (isolate) => {
    const token = { $commitTs: null };
    const refused = await isolate.run("mutation", "m:stampWith", { arguments: [{ at: token }] });
    assert.match(errorOf(refused), /^Invalid arguments for m\.js:stampWith: /);
    assert.deepEqual(valueOf(await isolate.run("mutation", "m:stamped")), { at: token });
    assert.equal(
      errorOf(await isolate.run("query", "m:queryStamp")),
      "Function m.js:queryStamp return value invalid: queries cannot return an unresolved commit " +
        "timestamp\n",
    );
  }));

Deno.test("calls in parallel run in order; limits can be narrowed for one call", () =>
  withIsolate(async (isolate) => {
    assert.deepEqual(valueOf(await isolate.run("mutation", "m:parallel")), ["a", "b", "c"]);
  }));

Deno.test("limits narrowed for a call hold for that call alone", () =>
  withIsolate(async (isolate) => {
    const limited = valueOf(await isolate.run("mutation", "m:limited"));
    assert.deepEqual(limited, [
      "Uncaught Error: Too many writes in a single function execution (limit: 0)\n",
      1,
    ]);
  }));

Deno.test("refused nested calls have the platform's texts", () =>
  withIsolate(async (isolate) => {
    const error = async (kind: "query" | "mutation", name: string, args = {}) =>
      errorOf(await isolate.run(kind, name, { arguments: [args] }));
    assert.equal(
      await error("mutation", "m:uncaught"),
      "Uncaught Error: Uncaught Error: inner\n\n",
    );
    assert.equal(
      await error("query", "m:fromQuery"),
      "Uncaught Error: Cannot call a Mutation function from a Query function\n",
    );
    assert.equal(
      await error("query", "m:unknown"),
      "Uncaught Error: Could not find public function for 'm:none'.\n\n",
    );
    assert.equal(
      await error("query", "m:wrongKind"),
      "Uncaught Error: Trying to execute m.js:add as Query, but it is defined as Mutation.\n\n",
    );
    assert.equal(
      await error("query", "m:child"),
      "Uncaught Error: Child component c not found\n",
    );
    assert.equal(
      await error("query", "m:noAddress"),
      "Uncaught Error: Invalid arguments for `runUdf`: Missing required argument 'name'\n",
    );
    const deep = await isolate.run("query", "m:deep", { arguments: [{ n: 0 }] });
    assert.match(String(valueOf(deep)), /Cross component call depth limit exceeded\./);
  }));

Deno.test("a traced run says where it is; a stopped call fails where it stands, if it is the same", () =>
  withIsolate(async (isolate) => {
    const text = "Function execution timed out (maximum duration: 1s)\n";
    const traced = async (names: NestedCallName[]) => {
      const stopped = names.map((name) => ({ ...name, message: text.trimEnd() }));
      isolate.frames.length = 0;
      // What runs before it wrote is no longer there.
      isolate.send({ type: "reset", epoch: ++isolate.epoch, upTo: 0 });
      const result = await isolate.run("mutation", "m:addTwice", { nested: { stopped } });
      const places = isolate.frames.flatMap((frame) => frame.type === "nested" ? [frame] : []);
      return { result, value: valueOf(result), places };
    };
    const first = await traced([]);
    const texts = ["first", "first again", "second", "second again"];
    assert.deepEqual(first.value, [[], texts]);
    const positions = (places: readonly NestedFrame[]) =>
      places.map(({ running }) => running?.position ?? "");
    assert.deepEqual(positions(first.places), [
      ...["0", "0.0", "0", "0.1", "0", ""],
      ...["1", "1.0", "1", "1.1", "1", ""],
      ...["2", ""],
    ]);
    const inner = first.places[3]!.running!;
    assert.deepEqual([inner.position, inner.path.name], ["0.1", "add"]);
    const second = await traced([inner]);
    assert.deepEqual(second.value, [[`Uncaught Error: ${text}\n`], texts.slice(2)]);
    assert.ok(second.result.observedTime);
    // The same place with other arguments, and the same call elsewhere, run.
    const others = [{ ...inner, args: "other" }, { ...inner, position: "2.1" }];
    assert.deepEqual((await traced(others)).value, first.value);
    const outer = await traced([first.places[0]!.running!, first.places[6]!.running!]);
    assert.deepEqual(outer.value, [[text, text], []]);
  }));
