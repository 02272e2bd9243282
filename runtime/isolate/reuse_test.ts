// Reuse of module instances, seen through whole runs: no run may see what another one left, and no
// run may notice that it got an instance that others use.

import assert from "node:assert/strict";
import { LIBRARY, Stand, type TestIsolate, valueOf } from "./testing/stand.ts";

async function withModule(
  code: string,
  body: (isolate: TestIsolate, stand: Stand) => Promise<void>,
): Promise<void> {
  const stand = await Stand.open({
    "m.js": {
      code: LIBRARY + code,
      functions: { run: { udfType: "Query" }, other: { udfType: "Query" } },
      isInstrumented: true,
    },
  });
  try {
    await body(await stand.isolate(), stand);
  } finally {
    await stand.close();
  }
}

async function runTwice(isolate: TestIsolate): Promise<unknown[]> {
  const values = [];
  for (let i = 0; i < 2; i++) values.push(valueOf(await isolate.run("query", "m:run")));
  return values;
}

/** Name → module whose `run` must answer the same in every run. */
const MODULES: Record<string, string> = {
  "a counter": "let n = 0; exports.run = query(() => ++n);",
  "an object": "const s = { n: 0 }; exports.run = query(() => ++s.n);",
  "an object, the error swallowed":
    "const s = { n: 0 }; exports.run = query(() => { try { s.n++ } catch {} return s.n; });",
  "an object, the rejection swallowed":
    "const s = { n: 0 }; const inc = async () => { s.n++ }; exports.run = query(async () => { await inc().catch(() => {}); return s.n; });",
  "an object, settled":
    "const s = { n: 0 }; const inc = async () => { s.n++ }; exports.run = query(async () => { await Promise.allSettled([inc()]); return s.n; });",
  "an array": "const a = []; exports.run = query(() => { a.push(1); return a.length; });",
  "a Map":
    "const m = new Map(); exports.run = query(() => { m.set('n', (m.get('n') ?? 0) + 1); return m.get('n'); });",
  "globalThis": "exports.run = query(() => { globalThis.n = (globalThis.n ?? 0) + 1; return n; });",
  "globalThis, set at the top level":
    "globalThis.box = { n: 0 }; exports.run = query(() => ++globalThis.box.n);",
  "console": "exports.run = query(() => { console.n = (console.n ?? 0) + 1; return console.n; });",
  "console, taken at the top level":
    "const c = console; exports.run = query(() => { c.n = (c.n ?? 0) + 1; return c.n; });",
  "the handler itself": "exports.run = query(function h() { h.n = (h.n ?? 0) + 1; return h.n; });",
};

for (const [name, code] of Object.entries(MODULES)) {
  Deno.test(`reuse: state in ${name} starts anew in every run`, () =>
    withModule(code, async (isolate) => {
      assert.deepEqual(await runTwice(isolate), [1, 1]);
    }));
}

Deno.test("reuse: module level code without state runs once", () =>
  withModule(
    "console.log('top level'); const K = [1, 2]; exports.run = query(() => K.map((x) => x * 2));",
    async (isolate) => {
      const first = await isolate.run("query", "m:run");
      const second = await isolate.run("query", "m:run");
      // Its lines belong to every execution all the same.
      assert.deepEqual(second.logLines.map((line) => line.messages), [["'top level'"]]);
      assert.deepEqual(valueOf(first), valueOf(second));
    },
  ));

Deno.test("reuse: a changed variable that the top level read makes new instances", () =>
  withModule(
    "const mode = process.env.MODE; exports.run = query(() => mode ?? null);",
    async (isolate, stand) => {
      assert.equal(valueOf(await isolate.run("query", "m:run")), null);
      await stand.setVariable("MODE", "fast");
      assert.equal(valueOf(await isolate.run("query", "m:run")), "fast");
    },
  ));
