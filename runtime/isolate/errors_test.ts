import assert from "node:assert/strict";
import { errorOf, LIBRARY, Stand, type TestFunction, valueOf } from "./testing/stand.ts";

const BODY = `
const helper = async () => { await null; throw new RangeError("boom"); };
class Thing { constructor() { throw new Error("made"); } }
exports.fail = query(async function handler() {
  await helper();
});
exports.make = query(async () => {
  new Thing();
});
exports.stack = query(async () => {
  return new Error("x").stack;
});
exports.trace = query(async () => {
  console.trace("here");
});
`;
const LINES_BEFORE = LIBRARY.split("\n").length - 1;

/** Maps each line of the code to the same line of a file, column by column to the line's start. */
function lineMap(code: string): string {
  const lines = code.split("\n").length;
  const mappings = ["AAAA", ...Array(lines - 1).fill("AACA")].join(";");
  return JSON.stringify({ version: 3, sources: ["../convex/m.ts"], names: [], mappings });
}

Deno.test("frames are mapped to the developer's files", async () => {
  const code = LIBRARY + BODY;
  const functions: Record<string, TestFunction> = {
    fail: { udfType: "Query" },
    make: { udfType: "Query" },
    stack: { udfType: "Query" },
    trace: { udfType: "Query" },
  };
  const stand = await Stand.open({ "m.js": { code, sourceMap: lineMap(code), functions } });
  const at = (line: number) => `../convex/m.ts:${LINES_BEFORE + line}:1`;
  try {
    const isolate = await stand.isolate();
    const fail = errorOf(await isolate.run("query", "m:fail")).split("\n");
    assert.deepEqual(fail.slice(0, 3), [
      "Uncaught RangeError: boom",
      `    at helper (${at(2)})`,
      `    at async handler (${at(5)})`,
    ]);
    assert.equal(fail.at(-1), "");
    const make = errorOf(await isolate.run("query", "m:make")).split("\n");
    assert.deepEqual(make.slice(0, 3), [
      "Uncaught Error: made",
      `    at new Thing (${at(3)})`,
      `    at <anonymous> (${at(8)})`,
    ]);
    const stack = String(valueOf(await isolate.run("query", "m:stack"))).split("\n");
    assert.equal(stack[0], `    at <anonymous> (${at(11)})`);
    const { messages } = (await isolate.run("query", "m:trace")).logLines[0]!;
    assert.equal(messages[0], "'here'");
    assert.match(messages[1]!, new RegExp(`^    at .*m\\.ts:${LINES_BEFORE + 14}:1`));
  } finally {
    await stand.close();
  }
});

Deno.test("an error is shown from a module whose source map would fill the heap if it were decoded", async () => {
  const code = LIBRARY + BODY;
  const { mappings, ...map } = JSON.parse(lineMap(code));
  // Code that is left of everything, in the developer's first line too.
  const segments = "AAAA,".repeat(1_500_000);
  const sourceMap = JSON.stringify({ ...map, mappings: segments + mappings });
  const functions: Record<string, TestFunction> = { make: { udfType: "Query" } };
  const stand = await Stand.open({ "m.js": { code, sourceMap, functions } });
  try {
    const isolate = await stand.isolate();
    const make = errorOf(await isolate.run("query", "m:make")).split("\n");
    assert.deepEqual(make.slice(0, 2), [
      "Uncaught Error: made",
      `    at new Thing (../convex/m.ts:${LINES_BEFORE + 3}:1)`,
    ]);
  } finally {
    await stand.close();
  }
});

Deno.test("frames without a source map are dropped", async () => {
  const functions: Record<string, TestFunction> = { fail: { udfType: "Query" } };
  const stand = await Stand.open({ "m.js": { code: LIBRARY + BODY, functions } });
  try {
    const isolate = await stand.isolate();
    assert.equal(errorOf(await isolate.run("query", "m:fail")), "Uncaught RangeError: boom\n");
  } finally {
    await stand.close();
  }
});
