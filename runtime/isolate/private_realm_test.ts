// Code that changes built-in objects: it sees its changes, no other run does, and nothing else about
// the platform looks different to it.

import assert from "node:assert/strict";
import type { FromIsolate } from "../frames.ts";
import { errorOf, LIBRARY, Stand, type TestIsolate, valueOf } from "./testing/stand.ts";

/** Name → a change, and an expression that shows it. */
const CHANGES: Readonly<Record<string, readonly [change: string, look: string]>> = {
  "a new method of arrays": [
    "Array.prototype.last = function () { return this.at(-1); }",
    "[1, 2].last?.()",
  ],
  "a method of arrays": ["Array.prototype.at = () => 'mine'", "[1].at(0)"],
  "a method of arrays, defined": [
    "Object.defineProperty(Array.prototype, 'at', { value: () => 'mine' })",
    "[1].at(0)",
  ],
  "a method by Reflect": [
    "Reflect.defineProperty(Array.prototype, 'second', { get() { return this[1]; } })",
    "[1, 2].second",
  ],
  "a property of all objects": ["Object.prototype.tag = 'mine'", "({}).tag"],
  "toJSON of bigints": [
    "BigInt.prototype.toJSON = function () { return 'n' + this; }",
    "typeof (1n).toJSON",
  ],
  "a method of strings": [
    "String.prototype.shout = function () { return this + '!'; }",
    "'a'.shout?.()",
  ],
  "a method of dates": ["Date.prototype.year = () => 1", "new Date(0).year?.()"],
  "a static function": ["Promise.withResolvers = () => 'mine'", "typeof Promise.withResolvers() "],
  "Math.random": ["Math.random = () => 0.5", "Math.random() === 0.5"],
  "Date.now": ["Date.now = () => 7", "Date.now() === 7"],
  "Date, bare": ["Date = class MockDate {}", "Date.name"],
  "Date on globalThis": ["globalThis.Date = class MockDate {}", "Date.name"],
  "JSON.parse": ["JSON.parse = () => 'mine'", "JSON.parse('1')"],
  "a deleted method": ["delete Array.prototype.flat", "typeof [].flat"],
  "a deleted global": ["delete globalThis.Map", "typeof Map"],
  "a prototype's prototype": ["Object.setPrototypeOf(Array.prototype, { extra: 1 })", "[].extra"],
  "fetch, bare": ["fetch = function mine() {}", "fetch.name"],
  "fetch on globalThis": ["globalThis.fetch = function mine() {}", "fetch.name"],
  "process": ["globalThis.process = { env: { A: '1' } }", "process.env.A"],
  "crypto.randomUUID": ["crypto.randomUUID = () => 'mine'", "crypto.randomUUID() === 'mine'"],
  "performance.now": ["performance.now = () => -1", "performance.now() === -1"],
  "a method of responses": ["Response.prototype.hello = () => 1", "new Response('x').hello?.()"],
  "a static function of URL": ["URL.canParse = () => 'mine'", "URL.canParse('x')"],
  "a prototype by another name": ["const p = Array.prototype; p.third = 3", "[].third"],
  "several prototypes": ["for (const C of [Array, Map]) C.prototype.mine = 1", "[].mine"],
  "a prototype of a value": ["Object.getPrototypeOf([]).odd = 1", "[].odd"],
  "a caught failure": ["try { Array.prototype.first = 1 } catch {}", "[].first"],
};

const names = Object.keys(CHANGES);

function modulesOf(
  kind: "query" | "action",
): Record<string, Parameters<typeof Stand.open>[0][string]> {
  const functions = { run: { udfType: kind === "query" ? "Query" : "Action" } as const };
  const modules: ReturnType<typeof modulesOf> = {};
  names.forEach((name, i) => {
    const [change, look] = CHANGES[name]!;
    const pair = (code: string) => ({ code: LIBRARY + code, functions, isInstrumented: true });
    modules[`inside${i}.js`] = pair(`exports.run = ${kind}(() => { ${change}; return ${look}; });`);
    modules[`top${i}.js`] = pair(`${change}; exports.run = ${kind}(() => ${look});`);
    modules[`look${i}.js`] = pair(`exports.run = ${kind}(() => ${look});`);
  });
  return modules;
}

async function runAction(isolate: TestIsolate, name: string): Promise<unknown> {
  const call = isolate.call("action", name);
  isolate.send({ type: "action", callId: call.callId, call });
  const frame = await isolate.receive((each: FromIsolate) =>
    each.type === "actionResult" && each.callId === call.callId
  );
  const { result } = frame as FromIsolate & { type: "actionResult" };
  return result.ok ? JSON.parse(result.value) : result.error.text;
}

for (const kind of ["query", "action"] as const) {
  Deno.test(`changes of built-ins work in the ${kind} that makes them and end with it`, async (t) => {
    const stand = await Stand.open(modulesOf(kind));
    const isolate = await stand.isolate(kind === "query" ? "transactions" : "actions");
    const run = async (name: string) =>
      kind === "query" ? valueOf(await isolate.run("query", name)) : await runAction(isolate, name);
    try {
      for (const [i, name] of names.entries()) {
        await t.step(name, async () => {
          const untouched = await run(`look${i}:run`);
          const changed = await run(`inside${i}:run`);
          assert.notDeepEqual(changed, untouched);
          assert.deepEqual(await run(`top${i}:run`), changed);
          assert.deepEqual(await run(`look${i}:run`), untouched);
          assert.deepEqual(await run(`inside${i}:run`), changed);
          assert.deepEqual(await run(`top${i}:run`), changed);
          assert.deepEqual(await run(`look${i}:run`), untouched);
        });
      }
    } finally {
      await stand.close();
    }
  });
}

const NOTED = "call('actions/mutation', { name: 'x:y', args: {} })";

/** Actions that change objects of their own, after an effect that must not happen twice. */
const OVERRIDING = `
  exports.run = action(async (call) => {
    console.log("once");
    await ${NOTED};
    const list = [3, 1, 2];
    list.map = () => "mapped";
    list["sort"] = () => "sorted";
    const promise = Promise.resolve(1);
    promise.then = () => "then";
    Object.assign(promise, { catch: () => "caught" });
    const map = new Map();
    map.get = () => "got";
    const date = new Date(0);
    date.toISOString = () => "day";
    Reflect.set(date, "getTime", () => "time");
    class Own extends Set { constructor() { super(); this.has = () => "had"; } }
    return [list.map(), list.sort(), [...list], Object.keys(list), promise.then(), promise.catch(),
      map.get(), date.toISOString(), date.getTime(), new Own().has(), [1].map((x) => x + 1)];
  });
  exports.late = action(async (call) => {
    await ${NOTED};
    const shared = [].constructor.prototype;
    shared.late = 1;
    return [].late;
  });
`;

Deno.test("actions that had effects may still change objects of their own", async () => {
  const functions = { run: { udfType: "Action" }, late: { udfType: "Action" } } as const;
  const stand = await Stand.open({ "m.js": { code: LIBRARY + OVERRIDING, functions } });
  try {
    const isolate = await stand.isolate("actions");
    let noted = 0;
    const run = async (path: string) => {
      const call = isolate.call("action", path);
      const { callId } = call;
      isolate.send({ type: "action", callId, call });
      for (;;) {
        const frame = await isolate.receive(({ type }) =>
          type === "actionResult" || type === "syscall"
        );
        if (frame.type !== "syscall") return frame as FromIsolate & { type: "actionResult" };
        noted++;
        const result = { ok: true, value: "null" } as const;
        isolate.send({ type: "reply", callId, opId: frame.opId, result });
      }
    };
    const { result, logLines } = await run("m:run");
    assert.deepEqual(result.ok ? JSON.parse(result.value) : result.error.text, [
      ...["mapped", "sorted", [3, 1, 2], ["0", "1", "2", "map", "sort"], "then", "caught"],
      ...["got", "day", "time", "had", [2]],
    ]);
    assert.equal(logLines.length, 1);
    assert.equal(noted, 1);
    // Half-way it is too late for changes of what all share; the next run is prepared for them.
    const late = await run("m:late");
    assert.match(late.result.ok ? "" : late.result.error.text, /TypeError: Cannot (add|assign)/);
    const next = await run("m:late");
    assert.deepEqual(next.result, { ok: true, value: "1" });
    assert.equal(noted, 3);
  } finally {
    await stand.close();
  }
});

/** What code finds that changed something: the same platform as always. */
const PLATFORM = `
  Array.prototype.last = function () { return this.at(-1); };
  class Point { constructor() { this.x = 1; } }
  const attempt = async (body) => { try { return await body(); } catch (e) { return e; } };
  exports.run = query(async (call) => {
    console.log({ a: 1, b: [2, { c: 3n }] }, [1, 'x'], new Point(), new Map([['a', 1]]), new Error('e'), null);
    const notUrl = await attempt(() => new URL("no url"));
    const timer = await attempt(() => fetch("http://localhost"));
    const missing = await attempt(() => call("get", { id: "bad" }));
    const clone = structuredClone({ list: [1, 2], map: new Map([["k", { v: 1 }]]), date: new Date(5) });
    const digest = await crypto.subtle.digest("SHA-256", new Uint8Array([1]));
    const response = new Response('{"items":[1,2,3]}');
    const { items } = await response.json();
    return {
      errors: [notUrl instanceof TypeError, notUrl instanceof RangeError, timer.message, missing instanceof Error],
      clone: [clone.list.last(), clone instanceof Object, clone.map instanceof Map,
        Object.getPrototypeOf(clone.map.get("k")) === Object.prototype, clone.date instanceof Date],
      digest: [digest instanceof ArrayBuffer, digest.byteLength],
      body: [items.last(), items instanceof Array, response instanceof Response,
        response.headers instanceof Headers],
      promises: [crypto.subtle.digest("SHA-1", new Uint8Array()) instanceof Promise],
      dates: [Date.now() === new Date().getTime(), new Date() instanceof Date, typeof Date()],
      names: [typeof Deno, typeof queueMicrotask, typeof Temporal, typeof global, typeof WebAssembly,
        globalThis === self, Object.keys(process), typeof console.table],
      text: [new TextDecoder().decode(new TextEncoder().encode("é")), atob(btoa("x"))],
      events: await new Promise((resolve) => {
        const signal = new AbortController();
        signal.signal.addEventListener("abort", (event) => resolve(event instanceof Event));
        signal.abort();
      }),
      environment: process.env.MODE ?? null,
      code: (await attempt(() => new Function("return 1")())) instanceof EvalError,
      stack: new Error("x").stack.includes("file:"),
      random: Math.random() !== Math.random(),
      uuid: crypto.randomUUID().length,
    };
  });
  exports.fails = query(() => { throw new TypeError("mine"); });
  exports.rejects = query(async () => { Promise.reject(new Error("left alone")); await null; });
  exports.value = query(() => { throw { odd: 1 }; });
  exports.escape = query(async () => {
    const lead = (value) => { try { return value.constructor.constructor("return 1")(); } catch (e) { return e.name; } };
    const frozen = (value) => Object.isFrozen(Object.getPrototypeOf(Object.getPrototypeOf(value) ?? {}) ?? {});
    const caught = await attempt(() => Convex.syscall("x", "{}"));
    return [lead(fetch), lead(caught), lead(Convex.syscall), frozen(caught), lead(new Response().headers)];
  });
`;

Deno.test("a private realm offers the same platform as the shared one", async () => {
  const names = ["run", "fails", "rejects", "value", "escape"];
  const functions = Object.fromEntries(names.map((name) => [name, { udfType: "Query" as const }]));
  const stand = await Stand.open({
    "m.js": { code: LIBRARY + PLATFORM, functions, isInstrumented: true },
  });
  try {
    await stand.setVariable("MODE", "fast");
    const isolate = await stand.isolate();
    const ran = await isolate.run("query", "m:run");
    assert.deepEqual(valueOf(ran), {
      errors: [
        true,
        false,
        "Can't use fetch() in queries and mutations. Please consider using an action. " +
        "See https://docs.convex.dev/functions/actions for more details.",
        true,
      ],
      clone: [2, true, true, true, true],
      digest: [true, 32],
      body: [3, true, true, true],
      promises: [true],
      dates: [true, true, "string"],
      names: [
        ...["undefined", "undefined", "undefined", "undefined", "object"],
        ...[true, ["env"], "undefined"],
      ],
      text: ["é", "x"],
      events: true,
      environment: "fast",
      code: true,
      stack: false,
      random: true,
      uuid: 36,
    });
    assert.deepEqual(ran.logLines.map((line) => line.messages), [[
      "{\n  a: 1,\n  b: [\n    2,\n    {\n      c: 3n\n    }\n  ]\n}",
      "[ 1, 'x' ]",
      "Point {\n  x: 1\n}",
      "Map (1) {\n  'a' => 1\n}",
      "[Error: e]",
      "null",
    ]]);
    assert.match(errorOf(await isolate.run("query", "m:fails")), /^Uncaught TypeError: mine\n/);
    assert.match(errorOf(await isolate.run("query", "m:rejects")), /^Uncaught Error: left alone\n/);
    assert.match(errorOf(await isolate.run("query", "m:value")), /^Uncaught #<Object>\n/);
    assert.deepEqual(valueOf(await isolate.run("query", "m:escape")), [
      ...["EvalError", "EvalError", "EvalError", true, "EvalError"],
    ]);
  } finally {
    await stand.close();
  }
});

Deno.test("actions that run at the same time do not see each other's built-ins", async () => {
  const code = `exports.run = action(async (call, { tag }) => {
    Array.prototype.tag = tag;
    await new Promise((resolve) => setTimeout(resolve, tag === "a" ? 30 : 1));
    return [].tag;
  });`;
  const functions = { run: { udfType: "Action" } } as const;
  const stand = await Stand.open({ "m.js": { code: LIBRARY + code, functions } });
  try {
    const isolate = await stand.isolate("actions");
    const calls = ["a", "b"].map((tag) =>
      isolate.call("action", "m:run", { arguments: [{ tag }] })
    );
    for (const call of calls) isolate.send({ type: "action", callId: call.callId, call });
    for (const [i, { callId }] of calls.entries()) {
      const frame = await isolate.receive((each) =>
        each.type === "actionResult" && each.callId === callId
      );
      const { result } = frame as FromIsolate & { type: "actionResult" };
      assert.deepEqual(result, { ok: true, value: i === 0 ? '"a"' : '"b"' });
    }
  } finally {
    await stand.close();
  }
});

Deno.test("hundreds of runs in private realms stay within the heap", async () => {
  const code =
    "Array.prototype.last = () => 1; exports.run = query(() => new Array(10_000).fill(0).last());";
  const functions = { run: { udfType: "Query" } } as const;
  const stand = await Stand.open({ "m.js": { code: LIBRARY + code, functions } });
  try {
    const isolate = await stand.isolate();
    for (let i = 0; i < 30; i++) {
      const calls = Array.from({ length: 20 }, () => isolate.call("query", "m:run"));
      for (const result of await isolate.runBatch(calls)) assert.equal(valueOf(result), 1);
    }
  } finally {
    await stand.close();
  }
});
