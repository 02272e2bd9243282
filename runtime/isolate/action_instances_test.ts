// Which modules actions share.

import assert from "node:assert/strict";
import { instrumentModule } from "../instrumentation/instrument.ts";
import { DEFAULT_RUNTIME_LIMITS } from "../limits.ts";
import { ActionInstances } from "./action_instances.ts";
import type { ComponentCode } from "./imported_modules.ts";
import { rememberIntrinsics } from "./intrinsics.ts";

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
