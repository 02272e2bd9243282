// The functions API over HTTP, through `ConvexHttpClient` and raw requests.
import assert from "node:assert/strict";
import { ConvexError, type Value } from "convex/values";
import { action, httpClient, mutation, post, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/features");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

Deno.test("ConvexHttpClient runs queries, mutations and actions", async () => {
  const client = httpClient(server);
  assert.equal(await client.query(query("counters:get"), { name: "http" }), 0);
  assert.equal(await client.mutation(mutation("counters:add"), { name: "http", amount: 2 }), 2);
  assert.equal(await client.query(query("counters:get"), { name: "http" }), 2);
  assert.deepEqual(await client.action(action("actions:addTwice"), { name: "http" }), [2, 4]);
  assert.equal(await client.query(query("counters:get"), { name: "http" }), 4);
});

Deno.test("consistentQuery reads all queries at one timestamp", async () => {
  const client = httpClient(server);
  await client.mutation(mutation("counters:add"), { name: "consistent", amount: 1 });
  const first = await client.consistentQuery(query("counters:get"), { name: "consistent" });
  await client.mutation(mutation("counters:add"), { name: "consistent", amount: 1 });
  const second = await client.consistentQuery(query("counters:get"), { name: "consistent" });
  assert.deepEqual([first, second], [1, 1], "the client keeps the timestamp of its first query");
});

Deno.test("every value comes back as it went in", async () => {
  const client = httpClient(server);
  const values: Value[] = [
    null,
    true,
    "",
    "héllo \u{1f600} \u0000",
    0,
    -0,
    1.5,
    NaN,
    Infinity,
    -Infinity,
    5e-324,
    0n,
    -(2n ** 63n),
    2n ** 63n - 1n,
    new Uint8Array([0, 1, 255]).buffer,
    [],
    [1, [2n, [null]]],
    {},
    { a: 1, _b: { c: [new ArrayBuffer(0)] } },
  ];
  for (const value of values) {
    assert.deepEqual(await client.query(query("values:echo"), { value }), value);
    assert.deepEqual(await client.mutation(mutation("values:store"), { value }), value);
  }
});

Deno.test("an error carries the request id, the message and the mapped stack", async () => {
  const client = httpClient(server);
  await assert.rejects(
    () => client.query(query("errors:plain"), {}),
    (error: Error) => {
      assert.match(
        error.message,
        /^\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Error: boom\n {4}at handler \(\.\.\/convex\/errors\.ts:8:\d+\)\n/,
      );
      return true;
    },
  );
});

Deno.test("a ConvexError brings its data, with the types of its values", async () => {
  await assert.rejects(
    () => httpClient(server).mutation(mutation("errors:withData"), {}),
    (error: Error) => {
      assert.ok(error instanceof ConvexError);
      assert.deepEqual(error.data, { code: "TooMuch", limit: 3n });
      return true;
    },
  );
});

Deno.test("arguments and return values are checked", async () => {
  const client = httpClient(server);
  assert.equal(await client.query(query("errors:validated"), { amount: 1 }), "positive");
  await assert.rejects(
    () => client.query(query("errors:validated"), { amount: "1" }),
    /ArgumentValidationError: Value does not match validator\.\nPath: \.amount\nValue: "1"\nValidator: v\.float64\(\)/,
  );
  await assert.rejects(
    () => client.query(query("errors:validated"), { amount: -1 }),
    /ReturnsValidationError/,
  );
});

Deno.test("a failed mutation leaves nothing", async () => {
  const client = httpClient(server);
  await assert.rejects(
    () => client.mutation(mutation("counters:addAndFail"), { name: "failed" }),
    /changed my mind/,
  );
  assert.equal(await client.query(query("counters:get"), { name: "failed" }), 0);
});

Deno.test("an action may catch what a function that it called threw", async () => {
  const client = httpClient(server);
  const message = await client.action(action("actions:survivesFailure"), { name: "caught" });
  assert.match(message, /changed my mind/);
  assert.equal(await client.query(query("counters:get"), { name: "caught" }), 0);
});

Deno.test("actions have the network and real time", async () => {
  const client = httpClient(server);
  const version = await (await fetch(`${server.url}/version`)).text();
  const args = { url: `${server.url}/version` };
  assert.equal(await client.action(action("actions:fetchText"), args), version);
  const slept = await client.action(action("actions:sleep"), { ms: 30 });
  assert.ok(slept >= 29 && slept < 5_000, `slept ${slept} ms`);
});

Deno.test("queries have neither", async () => {
  await assert.rejects(
    () => httpClient(server).query(query("errors:fetches"), {}),
    /Can't use fetch\(\) in queries and mutations\. Please consider using an action\./,
  );
});

Deno.test("internal functions are out of reach, and look like missing ones", async () => {
  for (const path of ["counters:secret", "counters:missing"]) {
    const { status, json } = await post(`${server.url}/api/query`, { path, args: {} });
    assert.equal(status, 200);
    assert.equal(json.status, "error");
    assert.ok(json.errorMessage.includes(`Could not find public function for '${path}'`));
  }
  const asAdmin = { authorization: `Convex ${server.adminKey}` };
  const body = { path: "counters:secret", args: {} };
  const { json } = await post(`${server.url}/api/query`, body, asAdmin);
  assert.deepEqual(json, { status: "success", value: "internal" });
});

Deno.test("calling a function as what it is not says so", async () => {
  const { json } = await post(`${server.url}/api/query`, {
    path: "counters:add",
    args: { name: "x", amount: 1 },
  });
  assert.ok(
    json.errorMessage.includes(
      "Trying to execute counters.js:add as Query, but it is defined as Mutation.",
    ),
    json.errorMessage,
  );
});

Deno.test("log lines come with the result", async () => {
  const { json } = await post(`${server.url}/api/query`, { path: "runtime:logs", args: {} });
  assert.deepEqual(json, {
    status: "success",
    value: null,
    logLines: ["[LOG] 'hello' {\n  a: 1\n}", "[WARN] 'careful'"],
  });
});

Deno.test("a query has frozen time and fresh modules", async () => {
  const client = httpClient(server);
  for (let i = 0; i < 5; i++) {
    assert.equal(await client.query(query("runtime:countCalls"), {}), 1);
  }
  const { elapsed, now } = await client.query(query("runtime:frozenTime"), {});
  assert.equal(elapsed, 0);
  assert.ok(Math.abs(Date.now() - now) < 60_000);
});

Deno.test("the three forms of output", async () => {
  const value = { big: { $integer: "AQAAAAAAAAA=" }, float: 2 };
  const call = (format?: string) =>
    post(`${server.url}/api/query`, { path: "values:echo", args: { value }, format });
  assert.deepEqual((await call()).json.value, { big: "1", float: 2 });
  assert.deepEqual((await call("json")).json.value, { big: "1", float: 2 });
  assert.deepEqual((await call("convex_encoded_json")).json.value, value);
  assert.match((await call("export_json")).text, /"big":\s*1,\s*"float":\s*2\.0/);
  const bad = await call("xml");
  assert.equal(bad.status, 400);
  assert.deepEqual(bad.json, {
    code: "BadFormat",
    message: "format param must be one of [`json`]. Got xml",
  });
});

Deno.test("/api/run, /api/function and GET /api/query", async () => {
  const args = { value: 7 };
  const run = await post(`${server.url}/api/run/values/echo`, { args });
  assert.equal(run.json.value, 7);
  const asAdmin = { authorization: `Convex ${server.adminKey}` };
  const body = { path: "values:echo", args };
  const anyFunction = await post(`${server.url}/api/function`, body, asAdmin);
  assert.equal(anyFunction.json.value, 7);
  const refused = await post(`${server.url}/api/function`, body);
  assert.deepEqual([refused.status, refused.json.code], [403, "BadDeployKey"]);
  const parameters = new URLSearchParams({ path: "values:echo", args: JSON.stringify(args) });
  const get = await fetch(`${server.url}/api/query?${parameters}`);
  assert.equal((await get.json()).value, 7);
});

Deno.test("broken requests are answered with a code and a message", async () => {
  const cases: [unknown, Record<string, string>, string][] = [
    ["{", {}, "BadJsonBody"],
    [{ args: {} }, {}, "BadJsonBody"],
    [{ path: "a b:c", args: {} }, {}, "BadConvexFunctionIdentifier"],
    [{ path: "values:echo", args: {} }, { "convex-client": "nonsense" }, "InvalidClientVersion"],
    [
      { path: "values:echo", args: {} },
      { "convex-client": "npm-0.1.0" },
      "ClientVersionUnsupported",
    ],
    [{ path: "values:echo", args: {} }, { authorization: "x" }, "InvalidHeaderFailure"],
  ];
  for (const [body, headers, code] of cases) {
    const response = await post(`${server.url}/api/query`, body, headers);
    assert.deepEqual([response.status, response.json?.code], [400, code], JSON.stringify(body));
    assert.equal(typeof response.json.message, "string");
  }
  const wrongKey = await post(`${server.url}/api/query`, { path: "values:count", args: {} }, {
    authorization: "Convex nobody|00",
  });
  assert.deepEqual([wrongKey.status, wrongKey.json.code], [401, "BadAdminKey"]);
});

Deno.test("browsers of every origin may call the API", async () => {
  const origin = "https://app.example";
  const preflight = await fetch(`${server.url}/api/mutation`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-headers": "content-type,convex-client" },
  });
  await preflight.body?.cancel();
  assert.equal(preflight.status, 200);
  assert.equal(preflight.headers.get("access-control-allow-origin"), origin);
  assert.equal(
    preflight.headers.get("access-control-allow-headers"),
    "content-type,convex-client",
  );
  const answer = await post(`${server.url}/api/query`, { path: "values:count", args: {} }, {
    origin,
  });
  assert.equal(answer.headers.get("access-control-allow-origin"), origin);
});

Deno.test("meta routes", async () => {
  const text = async (path: string) => await (await fetch(server.url + path)).text();
  assert.match(await text("/version"), /^\S+$/);
  assert.match(await text("/instance_name"), /^[\w-]+$/);
  const missing = await fetch(`${server.url}/api/no_such_thing`);
  assert.deepEqual([missing.status, await missing.text()], [404, ""]);
  const wrongMethod = await fetch(`${server.url}/api/mutation`);
  assert.deepEqual([wrongMethod.status, await wrongMethod.text()], [405, ""]);
});
