import assert from "node:assert/strict";
import { errorOf, LIBRARY, Stand, type TestIsolate, valueOf } from "./testing/stand.ts";

/** Attempts to leave the realm or to disturb the runtime; each must fail or have no effect. */
const ATTEMPTS: Readonly<Record<string, string>> = {
  deno: "return typeof Deno",
  denoOnGlobal: "return typeof globalThis.Deno",
  processExit: "return typeof process.exit",
  processBinding: "return Object.keys(process)",
  require: "return typeof require('node:fs')",
  importFs: "return await import('node:fs')",
  importData: "return await import('data:text/javascript,export default 1')",
  eval: "return (0, eval)('1 + 1')",
  functionConstructor: "return new Function('return this')()",
  asyncFunctionConstructor: "return new (async function () {}).constructor('return 1')()",
  generatorConstructor: "return (function* () {}).constructor('return 1')()",
  worker: "return typeof Worker",
  webSocket: "return typeof WebSocket",
  localStorage: "return typeof localStorage",
  navigator: "return typeof navigator",
  names: `return [typeof Buffer, typeof global, typeof window, typeof caches, typeof queueMicrotask,
    typeof setImmediate, typeof BroadcastChannel, typeof Temporal, typeof addEventListener,
    typeof nodeBootstrap, typeof close, typeof prompt]`,
  globalOfListener: `
    let seen; const target = new EventTarget();
    target.addEventListener.call(undefined, "x", (event) => { seen = event.currentTarget; });
    target.dispatchEvent.call(undefined, new Event("x"));
    return typeof seen?.Deno + typeof seen?.process?.exit`,
  replaceMap: "Map.prototype.get = () => 'stolen'; return 1",
  replacePush: "Array.prototype.push = function () { throw new Error('broken') }; return 1",
  arraySetter: "Object.defineProperty(Array.prototype, '0', { set() {} }); return 1",
  pollute: "Object.prototype.value = 1; return 1",
  replaceThen: "Promise.prototype.then = () => {}; return 1",
  replaceJson: "JSON.parse = () => ({}); return 1",
  replaceEncode: "TextEncoder.prototype.encodeInto = () => ({ written: 0 }); return 1",
  replaceGlobalMap: "globalThis.Map = class {}; return new Map() instanceof globalThis.Map",
  stackHook: `
    let sites = null; Error.prepareStackTrace = (_e, s) => { sites = s; return 'x'; };
    const stack = new Error('x').stack; return [sites, typeof stack]`,
  stackLimit: "Error.stackTraceLimit = Infinity; return new Error('x').stack.includes('file:')",
  frameOnStdout: "console.log('x'.repeat(100)); return 1",
  fetch: "return await fetch('http://127.0.0.1:1')",
  timer: "setTimeout(() => {}, 1); return 1",
  interval: "return setInterval(() => {}, 1)",
  abortTimeout: "return AbortSignal.timeout(1)",
  atomicsWait: "return Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 1000)",
  generateKey:
    "return await crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt'])",
  listenerThrows: `
    const target = new EventTarget(); target.addEventListener("x", () => { throw new Error("listener"); });
    target.dispatchEvent(new Event("x")); return 1`,
  thenable: "return { then() { throw new Error('thenable'); } }",
  hostileError: "throw { get message() { throw 1; }, get name() { throw 2; } }",
  hostileProxy: "throw new Proxy(new Error('x'), { get() { throw 1; } })",
  hostileLog:
    "console.log(new Proxy({}, { ownKeys() { throw 1; }, getPrototypeOf() { throw 2; } })); return 1",
  syscallGarbage: "return await Convex.asyncSyscall('1.0/get', '{{{')",
  syscallObject: "return await Convex.asyncSyscall({}, null)",
  unknownSyscall: "return await Convex.asyncSyscall('1.0/nothing', '{}')",
  writeInQuery: "return await call('insert', { table: 't', value: {} })",
  systemTable: "return await call('get', { id: 'g423j7v14d1b68y1mwn455s9m58jpaqd' })",
  symbolOnGlobal: `const key = Symbol.for("leak");
    Object.defineProperty(globalThis, key, { value: 1 });
    return [globalThis[key], key in globalThis]`,
  symbolAfterwards:
    'const key = Symbol.for("leak"); return [typeof globalThis[key], key in globalThis]',
  deleteGlobals: `delete globalThis.fetch; delete globalThis.console; delete globalThis.Map;
    return [typeof fetch, "console" in globalThis, typeof globalThis.Map,
      Object.getOwnPropertyNames(globalThis).includes("fetch")]`,
  afterDeletion: 'return [typeof fetch, "console" in globalThis, typeof globalThis.Map]',
  inheritFromGlobal: `const heir = Object.create(globalThis); heir.leak = 1;
    return [heir.leak, "leak" in globalThis]`,
  globalGetter:
    `let self; Object.defineProperty(globalThis, "probe", { get() { self = this; return 1; } });
    return [self === undefined || self === globalThis, globalThis.probe]`,
  overrideMethods: `const items = (function* () { yield 1; })(); items.return = () => "mine";
    const response = new Response("x"); response.text = () => "own";
    const stream = new ReadableStream(); stream[Symbol.asyncIterator] = () => "words";
    return [items.return(), response.text(), await new Response("y").text(),
      stream[Symbol.asyncIterator](), typeof new ReadableStream()[Symbol.asyncIterator]().next]`,
  patchStream: "ReadableStream.prototype[Symbol.asyncIterator] = () => 'stolen'; return 1",
  patchResponse: "Response.prototype.text = () => 'stolen'; return 1",
  patchGenerator:
    `Object.getPrototypeOf(function* () {}.prototype).next = () => ({ done: true }); return 1`,
  arrayToJson: "Array.prototype.toJSON = () => 'stolen'; return [1]",
  protoLiteral: `const value = JSON.parse('{"__proto__": {"polluted": 1}}');
    Object.assign({}, value); return ({}).polluted === undefined`,
  prototypeOfPrototype: "Object.setPrototypeOf(Array.prototype, { stolen: 1 }); return 1",
  promiseSpecies:
    `Object.defineProperty(Promise, Symbol.species, { get: () => class {} }); return 1`,
  regexpExec: "RegExp.prototype.exec = () => null; return 1",
  iteratorHook: "Array.prototype[Symbol.iterator] = function* () { yield 'stolen'; }; return 1",
  dateHook: "Date.now = () => 0; return 1",
  mathHook: "Math.random = () => 0; return 1",
  wasmMemory:
    `const memory = new WebAssembly.Memory({ initial: 1 }); memory.grow(100_000); return 1`,
  wasmImports: `return WebAssembly.Module.imports(new WebAssembly.Module(
    new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])))`,
  longString: "return 'x'.repeat(2 ** 30).length",
  longArray: "return new Array(2 ** 32).length",
  deepJson: "return JSON.parse('['.repeat(200_000) + ']'.repeat(200_000)).length",
  callerOfHandler: "return (function () { return typeof arguments.callee; })()",
  importMeta: "return typeof Deno + typeof process.argv + typeof process.mainModule",
  allVariables: "return [Object.keys(process.env), process.env.HOME, process.env.DENO_DIR]",
  asyncHooks: "return typeof AsyncResource.prototype.asyncId + typeof async_hooks",
  ownPropertiesOfGlobal: `return Object.getOwnPropertyNames(globalThis)
    .filter((name) => /deno|core|boot|internal|ext:/i.test(name))`,
  patchConvex: "Convex.asyncSyscall = () => {}; return 1",
};

const EXPECTED: Readonly<Record<string, unknown>> = {
  deno: "undefined",
  denoOnGlobal: "undefined",
  processExit: "undefined",
  processBinding: ["env"],
  require: "! convex:/hostile.js:1:1: Couldn't find JavaScript module 'node:fs'.",
  importFs: "! Uncaught TypeError: dynamic module import unsupported",
  importData: "! Uncaught TypeError: dynamic module import unsupported",
  eval: "! Uncaught EvalError",
  functionConstructor: "! Uncaught EvalError",
  asyncFunctionConstructor: "! Uncaught EvalError",
  generatorConstructor: "! Uncaught EvalError",
  worker: "undefined",
  webSocket: "undefined",
  localStorage: "undefined",
  navigator: "undefined",
  names: Array(12).fill("undefined"),
  globalOfListener: "! Uncaught TypeError: Illegal invocation",
  replaceMap: 1,
  replacePush: 1,
  arraySetter: 1,
  pollute: 1,
  replaceThen: "! Returned promise will never resolve",
  replaceJson: 1,
  replaceEncode: 1,
  replaceGlobalMap: true,
  stackHook: [null, "string"],
  stackLimit: false,
  frameOnStdout: 1,
  fetch: "! Uncaught Error: Can't use fetch() in queries and mutations.",
  timer: "! Uncaught Error: Can't use setTimeout in queries and mutations.",
  interval: "! Uncaught Error: Can't use setInterval in queries and mutations.",
  abortTimeout: "! Uncaught Error: Can't use setTimeout in queries and mutations.",
  atomicsWait: "! Uncaught TypeError: Atomics.wait cannot be called in this context",
  generateKey: "! Uncaught Error: Can't use cryptographic randomness in queries and mutations.",
  listenerThrows: "! Uncaught Error: listener",
  thenable: "! Uncaught Error: thenable",
  hostileError: "! Uncaught #<Object>",
  hostileProxy: "! Uncaught #<Object>",
  hostileLog: 1,
  syscallGarbage: "! Uncaught Error: Received invalid json",
  syscallObject: "! Uncaught Error: Unknown async operation [object Object]",
  unknownSyscall: "! Uncaught Error: Unknown async operation 1.0/nothing",
  writeInQuery: "! Uncaught Error",
  systemTable: null,
  symbolOnGlobal: [1, true],
  symbolAfterwards: ["undefined", false],
  deleteGlobals: ["undefined", false, "undefined", false],
  afterDeletion: ["function", true, "function"],
  inheritFromGlobal: [1, false],
  globalGetter: [true, 1],
  overrideMethods: ["mine", "own", "y", "words", "function"],
  patchStream: 1,
  patchResponse: 1,
  patchGenerator: 1,
  arrayToJson: "stolen",
  protoLiteral: true,
  prototypeOfPrototype: 1,
  promiseSpecies: "! Uncaught TypeError",
  regexpExec: 1,
  iteratorHook: 1,
  dateHook: 1,
  mathHook: 1,
  wasmMemory: "! Uncaught RangeError",
  wasmImports: [],
  longString: "! Uncaught RangeError",
  longArray: "! Uncaught RangeError",
  deepJson: 1,
  callerOfHandler: "! Uncaught TypeError",
  importMeta: "undefinedundefinedundefined",
  allVariables: [[], null, null],
  asyncHooks: "undefinedundefined",
  ownPropertiesOfGlobal: [],
  patchConvex: 1,
};

async function outcome(isolate: TestIsolate, name: string): Promise<unknown> {
  const result = await isolate.run("query", `${name}:run`);
  if (result.result.ok) return valueOf(result);
  return `! ${errorOf(result).split("\n")[0]!.replace(`${name}.js`, "hostile.js")}`;
}

/** Where the attempts are made → the head of the module that makes them. */
const REALMS: Readonly<Record<string, string>> = {
  shared: "",
  private: "Array.prototype.isChanged = true;\n",
};

for (const [realm, head] of Object.entries(REALMS)) {
  Deno.test(`hostile code gets errors in a ${realm} realm, the runs after it are undisturbed`, async (t) => {
    const names = Object.keys(ATTEMPTS);
    const module = (code: string) => ({
      code: `${head}${LIBRARY}exports.run = query(async (call) => { ${code} });`,
      functions: { run: { udfType: "Query" as const } },
    });
    const stand = await Stand.open({
      ...Object.fromEntries(names.map((name) => [`${name}.js`, module(ATTEMPTS[name]!)])),
      "plain.js": {
        code: `${LIBRARY}exports.run = query(async () => {
          const m = new Map([[1, 2]]); return [m.get(1), [].isChanged === undefined]; });`,
        functions: { run: { udfType: "Query" } },
      },
    });
    try {
      const isolate = await stand.isolate();
      for (const name of names) {
        await t.step(name, async () => {
          const actual = await outcome(isolate, name);
          const expected = EXPECTED[name];
          if (typeof expected === "string" && expected.startsWith("! ")) {
            assert.ok(String(actual).startsWith(expected), `${actual}`);
          } else assert.deepEqual(actual, expected);
          assert.deepEqual(await outcome(isolate, "plain"), [2, true]);
        });
      }
      assert.equal(isolate.exit, null);
    } finally {
      await stand.close();
    }
  });
}

Deno.test("nothing on globalThis passes from one run to the next", async () => {
  const stand = await Stand.open({
    "g.js": {
      code: LIBRARY + `
        exports.set = query(async () => {
          globalThis.leak = 1; globalThis.fetch = () => "mine"; console.extra = 2; process.version = "x";
          return [leak, fetch(), console.extra, process.version, "leak" in globalThis, globalThis.leak];
        });
        exports.get = query(async () => [
          typeof leak, typeof globalThis.leak, "leak" in globalThis, fetch.name, typeof console.extra,
          typeof process.version, Object.keys(globalThis),
        ]);
        exports.self = query(async () => [
          self === globalThis, globalThis.globalThis === globalThis, globalThis.Map === Map,
          Object.getOwnPropertyNames(globalThis).includes("Array"), typeof globalThis.window,
          globalThis.console === console, Date === globalThis.Date,
        ]);`,
      functions: {
        set: { udfType: "Query" },
        get: { udfType: "Query" },
        self: { udfType: "Query" },
      },
    },
  });
  try {
    const isolate = await stand.isolate();
    const set = await isolate.run("query", "g:set");
    assert.deepEqual(valueOf(set), [1, "mine", 2, "x", true, 1]);
    assert.deepEqual(valueOf(await isolate.run("query", "g:get")), [
      "undefined",
      "undefined",
      false,
      "fetch",
      "undefined",
      "undefined",
      [],
    ]);
    assert.deepEqual(valueOf(await isolate.run("query", "g:self")), [
      true,
      true,
      true,
      true,
      "undefined",
      true,
      true,
    ]);
  } finally {
    await stand.close();
  }
});
