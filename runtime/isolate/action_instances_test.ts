// Which modules actions share.

import assert from "node:assert/strict";
import { instrumentModule } from "../instrumentation/instrument.ts";
import { DEFAULT_RUNTIME_LIMITS } from "../limits.ts";
import { ActionInstances } from "./action_instances.ts";
import { type ComponentCode, ImportedModules } from "./imported_modules.ts";
import { rememberIntrinsics } from "./intrinsics.ts";
import { ReadyInstances } from "./ready_instances.ts";

rememberIntrinsics(globalThis);

function codeOf(source: string): ComponentCode {
  const { code, obstacle } = instrumentModule(source);
  const text = { hash: source, source, sourceMap: null, code, codeMap: null };
  return {
    provider: {
      find: () => ({ hash: source }),
      source: () => ({ ...text, reuseObstacle: obstacle }),
    },
    config: null,
    environmentVariable: () => undefined,
  };
}

function isShared(source: string): boolean {
  const instances = new ActionInstances(DEFAULT_RUNTIME_LIMITS);
  const code = codeOf(source);
  const [first, second] = [instances.take("", "m.js", code), instances.take("", "m.js", code)];
  return first.exports === second.exports;
}

Deno.test("actions share modules that hold no state and change nothing but their own", () => {
  assert.ok(isShared(
    "const K = [1]; const e = new TextEncoder(); exports.run = () => { const o = {}; o.a = K; return e; };",
  ));
  assert.ok(isShared(
    "class Router { exactRoutes = new Map([['/a', new Map([['GET', () => 1]])]]); } exports.default = new Router();",
  ));
});

Deno.test("actions do not share modules that might change one of their objects", () => {
  assert.ok(!isShared("const s = {}; exports.run = () => { s.n = 1; };"));
  assert.ok(!isShared("const m = new Map(); exports.run = () => m;"));
  assert.ok(
    !isShared(
      "class Router { exactRoutes = new Map(); } const r = new Router(); const m = r.exactRoutes; exports.default = r; exports.m = m;",
    ),
  );
});

/** Its instances are new for each run. */
const STATEFUL = "let n = 0; exports.run = () => ++n; Error.stackTraceLimit = 9; " +
  "globalThis.evaluations = (globalThis.evaluations ?? 0) + 1;";
const counter = globalThis as { evaluations?: number };

Deno.test("instances for single use are made in advance, and given out once", () => {
  const instances = new ActionInstances(DEFAULT_RUNTIME_LIMITS);
  const code = codeOf(STATEFUL);
  const first = instances.take("", "m.js", code);
  assert.equal(first.modules.realm, null, "to set the trace limit needs no realm of one's own");
  assert.ok(instances.wantsTime);
  instances.prepareOne(() => code);
  assert.ok(!instances.wantsTime);
  assert.equal(counter.evaluations, 2);
  const second = instances.take("", "m.js", code);
  assert.equal(counter.evaluations, 2);
  const third = instances.take("", "m.js", code);
  assert.equal(counter.evaluations, 3);
  assert.equal(new Set([first.exports, second.exports, third.exports]).size, 3);
});

Deno.test("instances made in advance are dropped when the code has changed", () => {
  const instances = new ActionInstances(DEFAULT_RUNTIME_LIMITS);
  const [old, changed] = [codeOf(STATEFUL), codeOf(`${STATEFUL} exports.isNew = true;`)];
  instances.take("", "m.js", old);
  instances.prepareOne(() => old);
  assert.equal(instances.take("", "m.js", changed).exports.isNew, true);
});

Deno.test("the code behind instances made in advance is bounded", () => {
  const ready = new ReadyInstances();
  const large = codeOf(`let n = 0; exports.run = () => ++n; // ${"x".repeat(1024 * 1024)}`);
  const entries = Array.from({ length: 12 }, (_, i) => `m${i}.js`);
  const load = (path: string) => {
    const modules = new ImportedModules(large, DEFAULT_RUNTIME_LIMITS);
    return { modules, exports: modules.load(path) };
  };
  for (const path of entries) {
    ready.want(path, "", path);
    ready.prepareOne((_key, _component, path) => load(path));
  }
  const kept = entries.filter((path) => ready.take(path, large) !== null);
  assert.deepEqual(kept, entries.slice(-7));
});
