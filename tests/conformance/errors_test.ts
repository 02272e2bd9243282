// What a failed function looks like to its callers (spec function-runtime 5): the client, a function that
// called it, the scheduler, the web.
import assert from "node:assert/strict";
import { ConvexError } from "convex/values";
import { action, httpClient, LiveClient, mutation, post, query } from "../harness/clients.ts";
import { logEntries } from "../harness/function_log.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

const APP = "tests/apps/conformance";
let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp(APP);
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

const DATA = { code: "TooMuch", limit: 3n, bytes: new Uint8Array([1]).buffer };
const FAILURES = "\\(\\.\\./convex/failures\\.ts:\\d+:\\d+\\)\\n";

/** The text after `Server Error\n`, by way of failing. */
const TEXTS: Readonly<Record<string, RegExp>> = {
  plain: new RegExp(
    `^Uncaught Error: boom\\n    at plain ${FAILURES}    at fail ${FAILURES}$`,
  ),
  typed: /^Uncaught TypeError: wrong type\n {4}at typed \(/,
  own: /^Uncaught OwnError: mine\n {4}at own \(/,
  noMessage: /^Uncaught RangeError\n {4}at noMessage \(/,
  noName: /^Uncaught nameless\n {4}at noName \(/,
  text: /^Uncaught foo\n$/,
  number: /^Uncaught 5\n$/,
  nothing: /^Uncaught undefined\n$/,
  object: /^Uncaught #<Object>\n$/,
  longMessage: /^Uncaught Error: x{65520}\n {4}at longMessage \(/,
  imported: new RegExp(
    "^Uncaught Error: from afar\\n" +
      "    at deepThrow \\(\\.\\./\\.\\./convex/lib/deep\\.ts:4:\\d+\\)\\n" +
      "(    at deepThrow \\(\\.\\./\\.\\./convex/lib/deep\\.ts:6:\\d+\\)\\n){3}" +
      `    at imported ${FAILURES}`,
  ),
  afterAwait: new RegExp(
    `^Uncaught Error: later\\n    at (async )?afterAwait ${FAILURES}    at async fail ${FAILURES}$`,
  ),
  manyFrames: new RegExp(`^Uncaught Error: deep\\n(    at recurse ${FAILURES}){10}$`),
  constructed: new RegExp(`^Uncaught Error: in a constructor\\n    at new Failing ${FAILURES}`),
};

/** The message of the client's error, without what the live client puts around it. */
async function messageOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(() => assert.fail("it did not fail"), (error: Error) => error);
  return error.message;
}

for (const [how, text] of Object.entries(TEXTS)) {
  Deno.test(`errors: ${how}`, async () => {
    const client = httpClient(server);
    const calls = [
      client.query(query("failures:inQuery"), { how }),
      client.mutation(mutation("failures:inMutation"), { how }),
      client.action(action("failures:inAction"), { how }),
    ];
    for (const message of await Promise.all(calls.map(messageOf))) {
      const [head, ...rest] = message.split("\n");
      assert.match(head!, /^\[Request ID: [0-9a-f]{16}\] Server Error$/);
      assert.match(rest.join("\n"), text);
    }
  });
}

Deno.test("errors: a live client gets the same text", async () => {
  await using live = new LiveClient(server);
  const message = await messageOf(live.mutation(mutation("failures:inMutation"), { how: "plain" }));
  assert.match(
    message,
    /\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Error: boom\n {4}at plain/,
  );
  const watched = live.watch("failures:inQuery", { how: "typed" });
  const error = await watched.until((result) => result instanceof Error) as Error;
  assert.match(error.message, /Uncaught TypeError: wrong type\n {4}at typed/);
});

Deno.test("errors: the data of a ConvexError reaches clients of every kind", async () => {
  const client = httpClient(server);
  await using live = new LiveClient(server);
  const calls = [
    client.query(query("failures:inQuery"), { how: "data" }),
    client.mutation(mutation("failures:inMutation"), { how: "data" }),
    client.action(action("failures:inAction"), { how: "data" }),
    client.query(query("failures:passOnInQuery"), { how: "data" }),
    client.action(action("failures:passOnInAction"), { how: "data" }),
    live.mutation(mutation("failures:inMutation"), { how: "data" }),
    live.action(action("failures:inAction"), { how: "data" }),
    live.watch("failures:inQuery", { how: "data" }).until((result) => result instanceof Error)
      .then((error) => Promise.reject(error)),
  ];
  const errors = calls.map((call) => call.then(() => null, (error: unknown) => error));
  for (const error of await Promise.all(errors)) {
    assert.ok(error instanceof ConvexError, String(error));
    assert.deepEqual(error.data, DATA);
  }
});

Deno.test("errors: callers inside of the server catch text and data", async () => {
  const client = httpClient(server);
  const inMutation = (how: string) =>
    client.mutation(mutation("failures:catchInMutation"), { how });
  const inAction = (how: string) => client.action(action("failures:catchInAction"), { how });
  for (const all of [await inMutation("plain"), await inAction("plain")]) {
    for (const caught of all) {
      assert.match(
        caught.message,
        /^Uncaught Error: boom\n {4}at plain \(.*\n {4}at fail \(.*\n$/,
      );
      assert.deepEqual([caught.data, caught.isConvexError], [null, false]);
    }
  }
  for (const all of [await inMutation("data"), await inAction("data")]) {
    for (const caught of all) {
      assert.match(caught.message, /^Uncaught ConvexError: \{"code":"TooMuch"/);
      assert.deepEqual([caught.data, caught.isConvexError], [DATA, true]);
    }
  }
  const [fromText] = await inMutation("dataText");
  assert.deepEqual([fromText.data, fromText.isConvexError], ["just text", true]);
});

Deno.test("errors: uncaught twice, both stacks are shown", async () => {
  const message = await messageOf(
    httpClient(server).action(action("failures:passOnInAction"), { how: "plain" }),
  );
  assert.match(
    message,
    new RegExp(
      `Server Error\\nUncaught Error: Uncaught Error: boom\\n    at plain ${FAILURES}` +
        `    at fail ${FAILURES}\\n    at async handler ${FAILURES}$`,
    ),
  );
});

Deno.test("errors: a scheduled function that fails is marked so, and its error is in the log", async () => {
  const client = httpClient(server);
  await using live = new LiveClient(server);
  const id = await client.mutation(mutation("failures:scheduleFailure"), { how: "plain" });
  const state = await live.watch("failures:stateOf", { id })
    .until((state) => (state as { kind: string } | null)?.kind === "failed");
  assert.match((state as { error: string }).error, /Uncaught Error: boom/);
  const entries = await logEntries(server);
  const run = entries.findLast((entry) => entry.identifier === "failures:inMutation")!;
  assert.match(run.error!, /^Uncaught Error: boom\n {4}at plain/);
});

Deno.test("errors: HTTP actions answer 500 with code, trace and data", async () => {
  const fail = (body: unknown, to = server) => post(`${to.siteUrl}/fail`, body);
  const plain = await fail({ how: "plain" });
  assert.equal(plain.status, 500);
  assert.match(
    plain.json.code,
    /^\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught Error: boom$/,
  );
  assert.match(
    plain.json.trace,
    /^Uncaught Error: boom\n {4}at .*\(\.\.\/convex\/http\.ts:\d+:\d+\)\n/,
  );
  assert.equal("data" in plain.json, false);
  const data = await fail({ how: "data" });
  assert.deepEqual(data.json.data, { code: "TooMuch", limit: { $integer: "AwAAAAAAAAA=" } });
  const nested = await fail({ how: "data", through: "mutation" });
  assert.deepEqual(nested.json.data.code, "TooMuch");
  const notAResponse = await (await fetch(`${server.siteUrl}/notAResponse`)).json();
  assert.match(notAResponse.trace, /HTTP actions must return a Response/);
});

Deno.test("errors: an HTTP action that runs out of memory says how large its request was", async () => {
  const response = await fetch(`${server.siteUrl}/hungry`, { method: "POST", body: "five!" });
  assert.equal(response.status, 500);
  assert.equal(
    (await response.json()).trace,
    "JavaScript execution ran out of memory (maximum memory usage: 64 MB): " +
      "request stream size was 5 bytes\n",
  );
});

Deno.test("errors: with redaction only the data is left", async () => {
  await using redacted = await serverWithApp(APP, { flags: ["--redact-errors"] });
  const client = httpClient(redacted);
  for (const how of ["plain", "text", "imported"]) {
    const message = await messageOf(client.mutation(mutation("failures:inMutation"), { how }));
    assert.match(message, /^\[Request ID: [0-9a-f]{16}\] Server Error$/);
  }
  const error = await client.query(query("failures:inQuery"), { how: "data" })
    .then(() => null, (error: unknown) => error);
  assert.ok(error instanceof ConvexError);
  assert.deepEqual(error.data, DATA);
  const { status, json } = await post(`${redacted.siteUrl}/fail`, { how: "plain" });
  assert.equal(status, 500);
  assert.match(json.code, /^\[Request ID: [0-9a-f]{16}\] Server Error$/);
  assert.equal("trace" in json, false);
});

Deno.test("errors: user code sees frames without the message", async () => {
  const stack = await httpClient(server).query(query("failures:stackText"), {});
  assert.match(stack, /^ {4}at handler \(\.\.\/convex\/failures\.ts:\d+:\d+\)(\n|$)/);
});
