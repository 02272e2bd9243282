// Tries to carry state from one run to the next through a sealed module instance. Each module below
// offers `exports.run()`; it must either be refused for reuse, or throw when it writes.

import assert from "node:assert/strict";
import { instrumentModule } from "../instrumentation/instrument.ts";
import { collectIntrinsics, ScopeReports, seal } from "./instance_seal.ts";

const intrinsics = collectIntrinsics(globalThis);

interface Instance {
  readonly run: () => unknown;
  readonly obstacle: string | null;
  /** Errors that the module's code swallowed. */
  readonly swallowed: unknown[];
}

function instantiate(source: string): Instance {
  const instrumented = instrumentModule(source);
  const reports = new ScopeReports();
  const swallowed: unknown[] = [];
  let stopReporting = () => {};
  const wrapper = new Function(
    "exports",
    "__scope",
    "__off",
    "__caught",
    `"use strict";__off(()=>{__scope=null});${instrumented.code}`,
  );
  const exports: { run?: () => unknown } = {};
  wrapper(
    exports,
    reports.report,
    (off: () => void) => stopReporting = off,
    (error: unknown) => swallowed.push(error),
  );
  stopReporting();
  const obstacle = instrumented.obstacle ?? reports.obstacle ??
    seal([exports, ...reports.values()], (value) => intrinsics.has(value));
  return { run: exports.run!, obstacle, swallowed };
}

const STATEFUL: Record<string, string> = {
  "a module-level counter": "let n = 0; exports.run = () => ++n;",
  "a destructuring assignment": "let n; exports.run = () => { [n] = [(n ?? 0) + 1]; return n; };",
  "a loop variable of the module":
    "let k; exports.run = () => { const was = k; for (k of [1]); return was; };",
  "a closure's counter": "exports.run = (() => { let n = 0; return () => ++n; })();",
  "a block's counter": "{ let n = 0; exports.run = () => ++n; }",
  "a loop's counter": "for (let n = 0; n < 1; n++) exports.run = () => ++n;",
  "a catch parameter": "try { throw 0 } catch (n) { exports.run = () => ++n; }",
  "a switch's counter": "switch (1) { case 1: let n = 0; exports.run = () => ++n; }",
  "a parameter": "const make = (n) => () => ++n; exports.run = make(0);",
  "a default parameter": "const make = (n = 0) => () => ++n; exports.run = make();",
  "a static block": "class A { static { let n = 0; exports.run = () => ++n; } }",
  "a Map": "const m = new Map(); exports.run = () => m.set(m.size, 1).size;",
  "a hidden Set":
    "exports.run = (() => { const s = new Set(); return () => s.add(s.size).size; })();",
  "a WeakMap":
    "const w = new WeakMap(); const k = {}; exports.run = () => { const was = w.get(k); w.set(k, 1); return was; };",
  "a Date": "const d = new Date(0); exports.run = () => d.setTime(d.getTime() + 1);",
  "a typed array": "const a = new Uint8Array(1); exports.run = () => ++a[0];",
  "a sticky expression": "const r = /a/g; exports.run = () => r.exec('aa').index;",
  "a suspended generator":
    "const g = (function* () { let n = 0; while (true) yield n++; })(); exports.run = () => g.next().value;",
  "a private field":
    "class A { #n = 0; run() { return ++this.#n; } } const a = new A(); exports.run = () => a.run();",
  "a bound function":
    "const o = { n: 0 }; exports.run = (function () { return ++this.n; }).bind(o);",
  "a class that extends Map":
    "class M extends Map {} const m = new M(); exports.run = () => m.set(m.size, 1).size;",
  "a host object": "const u = new URL('http://a/'); exports.run = () => u.pathname += 'x';",
};

const FROZEN: Record<string, string> = {
  "an object": "const s = { n: 0 }; exports.run = () => ++s.n;",
  "an array": "const a = []; exports.run = () => a.push(1);",
  "a function's property": "function f() {} exports.run = () => f.n = (f.n ?? 0) + 1;",
  "a prototype": "class A {} exports.run = () => A.prototype.n = (A.prototype.n ?? 0) + 1;",
  "a closure's object": "exports.run = (() => { const s = { n: 0 }; return () => ++s.n; })();",
  "an object two closures deep":
    "const a = (() => { const s = { n: 0 }; return () => () => ++s.n; })(); exports.run = () => a()();",
  "a captured this":
    "class A { constructor() { this.n = 0; this.run = () => ++this.n; } } exports.run = new A().run;",
  "a field initializer's this":
    "class A { n = 0; run = () => ++this.n; } exports.run = new A().run;",
  "captured arguments": "exports.run = (function () { return () => ++arguments[0].n; })({ n: 0 });",
  "a proxy's handler":
    "const p = new Proxy({}, { n: 0, get() { return ++this.n; } }); exports.run = () => p.x;",
  "a proxy's target": "const p = new Proxy({ n: 0 }, {}); exports.run = () => ++p.n;",
  "a getter's closure":
    "const o = (() => { const s = { n: 0 }; return { get x() { return ++s.n; } }; })(); exports.run = () => o.x;",
  "a symbol property":
    "const k = Symbol(); const s = { [k]: { n: 0 } }; exports.run = () => ++s[k].n;",
  "Object.assign": "const s = {}; exports.run = () => Object.assign(s, { n: 1 });",
  "delete": "const s = { n: 0 }; exports.run = () => delete s.n;",
};

const SWALLOWING: Record<string, string> = {
  "catch": "const s = { n: 0 }; exports.run = () => { try { ++s.n } catch {} return s.n; };",
  "catch with a pattern":
    "const s = { n: 0 }; exports.run = () => { try { ++s.n } catch ({ message }) { return message } };",
};

const REFUSED: Record<string, string> = {
  "isFrozen": "const s = {}; exports.run = () => Object.isFrozen(s);",
  "a computed property of Object": "const s = {}; exports.run = (k) => Object[k](s);",
  "Object by another name": "const O = Object; const s = {}; exports.run = (k) => O[k](s);",
  "Object through constructor": "const s = {}; exports.run = (k) => s.constructor[k](s);",
  "Reflect": "const s = {}; exports.run = () => Reflect.set(s, 'n', 1);",
  "finally with return":
    "const s = {}; exports.run = () => { try { s.n = 1 } finally { return 1 } };",
};

const REUSABLE: Record<string, string> = {
  "constants and functions": "const K = { a: [1, 2] }; exports.run = () => K.a.map((x) => x + 1);",
  "local state":
    "exports.run = () => { let n = 0; const s = { n: 0 }; [1].forEach(() => { n++; s.n++; }); return n + s.n; };",
  "classes used locally":
    "class A { n = 0; inc() { return ++this.n; } } exports.run = () => new A().inc();",
  "named by esbuild":
    'var d = Object.defineProperty; var n = (e, t) => d(e, "name", { value: t, configurable: !0 }); function a() { return 1 } n(a, "load"); exports.run = () => a() + a.name;',
};

for (const [name, source] of Object.entries(STATEFUL)) {
  Deno.test(`seal: ${name} stands in the way of reuse`, () => {
    assert.notEqual(instantiate(source).obstacle, null);
  });
}

for (const [name, source] of Object.entries(FROZEN)) {
  Deno.test(`seal: a write to ${name} throws`, () => {
    const { run, obstacle } = instantiate(source);
    if (obstacle === null) assert.throws(run, TypeError);
  });
}

for (const [name, source] of Object.entries(SWALLOWING)) {
  Deno.test(`seal: a write error swallowed by ${name} is seen`, () => {
    const { run, obstacle, swallowed } = instantiate(source);
    assert.equal(obstacle, null);
    run();
    assert.ok(swallowed[0] instanceof TypeError);
  });
}

for (const [name, source] of Object.entries(REFUSED)) {
  Deno.test(`seal: ${name} is refused`, () => {
    assert.notEqual(instantiate(source).obstacle, null);
  });
}

for (const [name, source] of Object.entries(REUSABLE)) {
  Deno.test(`seal: ${name} may be reused`, () => {
    const { run, obstacle } = instantiate(source);
    assert.equal(obstacle, null);
    assert.deepEqual(run(), run());
  });
}

Deno.test("seal: names that esbuild keeps survive the rewriting", () => {
  assert.equal(instantiate(REUSABLE["named by esbuild"]!).run(), "1load");
});
