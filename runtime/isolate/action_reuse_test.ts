// Reuse of module instances by actions, seen through whole runs: no action may see what another one
// left, and none may fail because its instance is shared, not even after it had effects.

import assert from "node:assert/strict";
import type { FromIsolate } from "../frames.ts";
import type { HttpRequestHead } from "../types.ts";
import { LIBRARY, Stand, type TestIsolate } from "./testing/stand.ts";

const RUNS = 3;

async function withModule(
  path: string,
  code: string,
  body: (isolate: TestIsolate, stand: Stand) => Promise<void>,
): Promise<void> {
  const functions = { run: { udfType: "Action" as const } };
  const stand = await Stand.open({
    [path]: { code: LIBRARY + code, functions, isInstrumented: true },
  });
  try {
    await body(await stand.isolate("actions"), stand);
  } finally {
    await stand.close();
  }
}

type ActionResult = FromIsolate & { readonly type: "actionResult" };

/** Runs the action once; every question to the host is answered with null. */
async function run(isolate: TestIsolate): Promise<unknown> {
  const call = isolate.call("action", "m:run");
  const { callId } = call;
  isolate.send({ type: "action", callId, call });
  for (;;) {
    const frame = await isolate.receive(({ type }) =>
      type === "actionResult" || type === "syscall"
    );
    if (frame.type === "syscall") {
      const { opId } = frame;
      isolate.send({ type: "reply", callId, opId, result: { ok: true, value: "null" } });
      continue;
    }
    const { result } = frame as ActionResult;
    assert.ok(result.ok, result.ok ? "" : result.error.text);
    return JSON.parse(result.value);
  }
}

const EFFECT = "await call('actions/mutation', { name: 'x:y', args: {} });";

/** Name → module whose `run` must answer 1 in every run. */
const MODULES: Record<string, string> = {
  "a counter": `let n = 0; exports.run = action(async () => { ${EFFECT} return ++n; });`,
  "an object": `const s = { n: 0 }; exports.run = action(async () => { ${EFFECT} return ++s.n; });`,
  "an object that another function changes":
    `const s = { n: 0 }; const bump = (o) => { o.n++; }; exports.run = action(async () => { ${EFFECT} bump(s); return s.n; });`,
  "an instance that changes itself":
    `class C { n = 0; next() { return ++this.n; } } const c = new C(); exports.run = action(async () => { ${EFFECT} return c.next(); });`,
  "an array":
    `const a = []; exports.run = action(async () => { ${EFFECT} a.push(1); return a.length; });`,
  "a Map":
    `const m = new Map(); exports.run = action(async () => { ${EFFECT} m.set('n', (m.get('n') ?? 0) + 1); return m.get('n'); });`,
  "globalThis":
    `exports.run = action(async () => { ${EFFECT} return globalThis.n = (globalThis.n ?? 0) + 1; });`,
  "globalThis, by assign":
    `exports.run = action(async () => { ${EFFECT} Object.assign(globalThis, { n: (globalThis.n ?? 0) + 1 }); return n; });`,
  "the handler itself":
    `exports.run = action(async function h() { ${EFFECT} h.n = (h.n ?? 0) + 1; return h.n; });`,
  "what each run makes for itself":
    `const K = [1]; exports.run = action(async () => { const o = { n: 0 }; ${EFFECT} o.n++; const l = []; l.push(...K); return o.n * l.length; });`,
};

for (const [name, code] of Object.entries(MODULES)) {
  Deno.test(`actions: state in ${name} starts anew in every run`, () =>
    withModule("m.js", code, async (isolate) => {
      for (let i = 0; i < RUNS; i++) assert.equal(await run(isolate), 1);
    }));
}

const ROUTER = `
class Router {
  isRouter = true;
  exactRoutes = new Map();
  prefixRoutes = new Map();
  route = (path, method, handler) => {
    const methods = this.exactRoutes.get(path) ?? new Map();
    methods.set(method, handler);
    this.exactRoutes.set(path, methods);
  };
  lookup = (path, method) => [this.exactRoutes.get(path).get(method), method, path];
  runRequest = async () => {
    const request = Convex.jsSyscall("requestFromConvexJson", {});
    const response = await this.exactRoutes.get("/a").get("GET")(request);
    return JSON.stringify(Convex.jsSyscall("convexJsonFromResponse", { response }));
  };
}
const http = new Router();
const encoder = new TextEncoder();
const headers = { "x-bytes": String(encoder.encode("abc").length) };
http.route("/a", "GET", async (request) => {
  await call("actions/mutation", { name: "x:y", args: {} });
  const before = [...http.exactRoutes.keys()].concat([...http.exactRoutes.get("/a").keys()]);
  http.route("/b", "GET", () => {});
  http.route("/a", "POST", () => {});
  const after = [];
  http.exactRoutes.forEach((methods, path) => { for (const [m] of methods) after.push(path + m); });
  return new Response(null, { headers: { ...headers, "x-routes": before + " " + after } });
});
exports.default = http;
`;

async function request(isolate: TestIsolate): Promise<Record<string, string>> {
  const call = isolate.call("httpAction", "http:default");
  const { callId } = call;
  const http: HttpRequestHead = {
    method: "GET",
    url: "http://site.test/a",
    path: "/a",
    headers: [],
    hasBody: false,
    authError: null,
  };
  isolate.send({ type: "action", callId, call, http });
  for (;;) {
    const frame = await isolate.receive((each) => "callId" in each && each.callId === callId);
    if (frame.type === "syscall") {
      const { opId } = frame;
      isolate.send({ type: "reply", callId, opId, result: { ok: true, value: "null" } });
    } else if (frame.type === "responseHead") {
      return Object.fromEntries(frame.head.headers);
    } else assert.fail(JSON.stringify(frame));
  }
}

Deno.test("HTTP actions: routes that a request adds are gone with it", () =>
  withModule("http.js", ROUTER, async (isolate) => {
    for (let i = 0; i < RUNS; i++) {
      assert.deepEqual(await request(isolate), {
        "x-bytes": "3",
        "x-routes": "/a,GET /aGET,/aPOST,/bGET",
      });
    }
    const all = await Promise.all(Array.from({ length: RUNS }, () => request(isolate)));
    assert.equal(new Set(all.map((headers) => JSON.stringify(headers))).size, 1);
  }));

Deno.test("actions: a changed variable that the top level read makes new instances", () =>
  withModule(
    "m.js",
    "const mode = process.env.MODE; exports.run = action(async () => mode ?? null);",
    async (isolate, stand) => {
      assert.equal(await run(isolate), null);
      assert.equal(await run(isolate), null);
      await stand.setVariable("MODE", "fast");
      assert.equal(await run(isolate), "fast");
    },
  ));
