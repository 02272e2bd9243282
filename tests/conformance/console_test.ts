// The console of pushed functions (spec function-runtime 4.1): how values look, timers, traces, limits,
// whose lines go where, and what redaction leaves.
import assert from "node:assert/strict";
import { httpClient, LiveClient, mutation, post, query } from "../harness/clients.ts";
import { logEntries } from "../harness/function_log.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

const APP = "tests/apps/conformance";
let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp(APP);
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

/** The log lines that a client gets with the result. */
async function linesOf(
  path: string,
  args: Record<string, unknown> = {},
  kind: "query" | "mutation" | "action" = "query",
): Promise<string[]> {
  const { json } = await post(`${server.url}/api/${kind}`, { path, args });
  return json.logLines ?? [];
}

Deno.test("console: every kind of value in its form", async () => {
  assert.deepEqual(await linesOf("logging:formats"), [
    "[LOG] 'hello' 1 -0 1.5 10n null undefined true Symbol(s)",
    "[LOG] [ 1, 2 ] [] {} [ 'a', [ 'b' ] ]",
    "[LOG] {\n  a: 1,\n  b: 'x'\n}",
    "[LOG] {\n  a: {\n    b: {\n      c: {\n        d: {\n          e: [Object]\n        }\n" +
    "      }\n    }\n  }\n}",
    "[LOG] [Error: msg] Map (1) {\n  'a' => 1\n} Set (1) {\n  1\n} " +
    "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time) /a+/g",
    "[LOG] [Function: named] [Function: Named] {\n  name: 'me',\n  self: [Circular]\n} Point!",
    "[LOG] '%s is not substituted' 'text'",
    "[LOG] 'it\\'s' 'say \"hi\"' 'a\\nb'",
    "[LOG] ",
    "[DEBUG] 'd'",
    "[INFO] 'i'",
    "[WARN] 'w'",
    "[ERROR] 'e'",
  ]);
});

Deno.test("console: a value that throws when it is looked at fails nothing", async () => {
  const { json } = await post(`${server.url}/api/query`, { path: "logging:unprintable", args: {} });
  assert.equal(json.value, "went on");
  assert.match(json.logLines[0], /^\[LOG\] 'before' .*not you/);
});

Deno.test("console: timers", async () => {
  const lines = (await linesOf("logging:timers")).map((line) => line.replace(/\d+ms/, "0ms"));
  assert.deepEqual(lines, [
    "[WARN] Timer 'a' already exists",
    "[INFO] a: 0ms 'more' {\n  b: 1\n}",
    "[INFO] a: 0ms",
    "[WARN] Timer 'a' does not exist",
    "[WARN] Timer 'missing' does not exist",
    "[INFO] default: 0ms",
  ]);
});

Deno.test("console: trace ends with where it was called", async () => {
  const [line] = await linesOf("logging:traces");
  assert.match(line!, /^\[LOG\] 'where' 1 {5}at handler \(\.\.\/convex\/logging\.ts:\d+:\d+\)/);
});

Deno.test("console: a long line is cut at a character", async () => {
  // 'first' takes 7 bytes, the space 1, the quote 1: room for 16379 characters of two bytes.
  assert.deepEqual(await linesOf("logging:long", { length: 10 }), [
    `[LOG] 'first' '${"é".repeat(10)}' 'never'`,
  ]);
  const [cut] = await linesOf("logging:long", { length: 16_380 });
  assert.equal(cut, `[LOG] 'first' '${"é".repeat(16_379)} (truncated due to length)`);
});

Deno.test("console: the 256th line says that there are no more", async () => {
  const full = await linesOf("logging:many", { count: 255 });
  assert.equal(full.at(-1), "[LOG] 255");
  const overflow = await linesOf("logging:many", { count: 400 });
  assert.equal(overflow.length, 256);
  assert.equal(overflow[254], "[LOG] 255");
  assert.equal(
    overflow[255],
    "[ERROR] Log overflow (maximum 256). Remaining log lines omitted.",
  );
});

Deno.test("console: lines of nested calls stand where the call finished, those of others do not", async () => {
  assert.deepEqual(await linesOf("logging:outer", {}, "mutation"), [
    "[LOG] 'before'",
    "[LOG] 'inner' 'one'",
    "[LOG] 'after'",
  ]);
  assert.deepEqual(await linesOf("logging:fromAction", {}, "action"), [
    "[LOG] 'action before'",
    "[LOG] 'action after'",
  ]);
  const entries = await logEntries(server);
  const own = entries.filter((entry) => entry.identifier === "logging:inner");
  assert.equal(own.length, 1, "the mutation of the action has an execution of its own");
  assert.deepEqual(own[0]!.logLines.map((line) => line.messages), [["'inner'", "'two'"]]);
  const outer = entries.find((entry) => entry.identifier === "logging:outer")!;
  assert.deepEqual(
    outer.logLines.map(({ udfPath }) => udfPath ?? null),
    [null, "logging.js:inner", null],
  );
  const ofAction = entries.filter((entry) => entry.identifier === "logging:fromAction");
  assert.ok(
    ofAction.every((entry) => entry.requestId === own[0]!.requestId),
    "one request, one tree",
  );
  assert.equal(own[0]!.parentExecutionId, ofAction[0]!.executionId);
  assert.equal(outer.parentExecutionId, null);
});

Deno.test("console: the lines of a failed function come with its error", async () => {
  const { json } = await post(`${server.url}/api/query`, { path: "logging:failing", args: {} });
  assert.equal(json.status, "error");
  assert.deepEqual(json.logLines, ["[LOG] 'before the error'"]);
});

Deno.test("console: with redaction clients see no lines, and of errors only the request", async () => {
  await using redacted = await serverWithApp(APP, { flags: ["--redact-errors"] });
  const call = (path: string) => post(`${redacted.url}/api/query`, { path, args: {} });
  assert.deepEqual((await call("logging:formats")).json.logLines ?? [], []);
  const failed = (await call("logging:failing")).json;
  assert.match(failed.errorMessage, /^\[Request ID: [0-9a-f]{16}\] Server Error$/);
  assert.deepEqual(failed.logLines ?? [], []);
  await assert.rejects(
    () => httpClient(redacted).query(query("logging:failing"), {}),
    /^Error: \[Request ID: [0-9a-f]{16}\] Server Error$/,
  );
  await using live = new LiveClient(redacted);
  await assert.rejects(
    () => live.mutation(mutation("failures:plainInMutation"), {}),
    (error: Error) => /Server Error\s*(Called by client)?$/.test(error.message),
  );
  const entries = await logEntries(redacted);
  const seenByOperator = entries.find((entry) => entry.identifier === "logging:failing")!;
  assert.match(seenByOperator.error!, /with a line/);
});
