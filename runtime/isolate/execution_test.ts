import assert from "node:assert/strict";
import { errorOf, LIBRARY, Stand, valueOf } from "./testing/stand.ts";

async function withStand(body: (stand: Stand) => Promise<void>): Promise<void> {
  const stand = await Stand.open({
    "notes.js": {
      code: LIBRARY + `
exports.add = mutation(async (call, { text }) => (await call("insert", { table: "notes", value: { text } }))._id);
exports.list = query(async (call) => {
  const { queryId } = callSync("queryStream", { query: { source: { type: "FullTableScan", tableName: "notes", order: null }, operators: [] } });
  const texts = [];
  for (;;) { const { value, done } = await call("queryStreamNext", { queryId }); if (done) return texts; texts.push(value.text); }
});
exports.hang = query(() => new Promise(() => {}));
exports.fail = query(async () => { throw new TypeError("boom"); });
exports.unhandled = query(async () => { Promise.reject(new Error("nobody")); return 1; });
exports.random = query(async () => [Math.random(), Math.random(), crypto.randomUUID(), Date.now() === new Date().getTime()]);
let n = 0;
exports.count = query(async () => ++n);
exports.logs = query(async () => { console.log("hello", 1, { a: [1] }); console.warn(new Error("x").message); });
`,
      functions: {
        add: { udfType: "Mutation" },
        list: { udfType: "Query" },
        hang: { udfType: "Query" },
        fail: { udfType: "Query" },
        unhandled: { udfType: "Query" },
        random: { udfType: "Query" },
        count: { udfType: "Query" },
        logs: { udfType: "Query" },
      },
    },
  });
  try {
    await body(stand);
  } finally {
    await stand.close();
  }
}

Deno.test("queries and mutations", () =>
  withStand(async (stand) => {
    const isolate = await stand.isolate();
    const added = await isolate.run("mutation", "notes:add", { arguments: [{ text: "a" }] });
    console.log(added);
    assert.equal(added.writes.length > 0, true);
    console.log(valueOf(await isolate.run("query", "notes:random")));
    for (const name of ["hang", "fail", "unhandled"]) {
      console.log(JSON.stringify(errorOf(await isolate.run("query", `notes:${name}`))));
    }
    console.log(
      valueOf(await isolate.run("query", "notes:count")),
      valueOf(await isolate.run("query", "notes:count")),
    );
    console.log((await isolate.run("query", "notes:logs")).logLines);
    console.log(valueOf(await isolate.run("query", "notes:list")));
  }));
