// The globals of the default runtime (spec function-runtime 4), used in a pushed app.
import assert from "node:assert/strict";
import { action, httpClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/conformance");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

/** What each check of `globals.ts` finds, in queries, mutations and actions alike. */
const FOUND: Readonly<Record<string, unknown>> = {
  present: [],
  absent: [],
  base64: ["aOlsbG8=", "hi", "function"],
  urls: [
    "https://user@example.com:8080/b?x=1&y=%C3%A4+b#h",
    "example.com:8080",
    ["a", "1", "b", "2"],
    false,
  ],
  encoders: [[226, 130, 172], "ab", 2],
  fatalDecoder: "The encoded data is not valid",
  encoderStreams: "a€",
  transform: ["A", "B"],
  byob: [true, [1, 2], [3]],
  tee: ["twice", "twice"],
  blobs: ["bc", "x.txt", "text/plain", 5, true, 3],
  forms: [["1", "2"], "f.bin"],
  headers: ["1, 3", ["a=1", "b=2"], true],
  headerOrder: [
    [["b", "1"], ["a", "2"], ["b", "3"]],
    ["b", "a", "b"],
    ["1", "2", "3"],
    ["b=1", "a=2", "b=3"],
    [["b", "1"], ["a", "2"], ["b", "3"]],
    "1, 3",
  ],
  sharedMemory: ["DataCloneError", "DataCloneError"],
  responses: [201, true, "application/json", { a: 1 }, true, '{"a":1}', "https://example.com/"],
  requests: ["POST", "https://example.com/a", "b", "hi"],
  getWithBody: true,
  bodiless: [[204, null], [205, null], [304, null], ",,", true, true, "Own"],
  badStatus: "RangeError",
  events: ["x", "aborted", "AbortError", true],
  clones: [1, true, true, true],
  notCloneable: "DataCloneError",
  wasm: [5, 5],
  intl: [
    "1.234,50\u00a0€",
    "Jan 1, 1970",
    "UTC",
    "aäb",
    "1,234.5",
    "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
  ],
  localStorage: ["in", null],
  digests: ["a9993e36", "ba7816bf", "cb00753f", "ddaf35a1"],
  hmac: ["5031fe3d", true],
  aes: ["secret", "secret", "secret"],
  derived: ["120fb6cf", 32],
  ed25519: ["e5564300", true],
  codeFromStrings: true,
  weakReferences: 1,
  dateAsFunction: "string",
  processIsEnvOnly: [["env"], [], false],
  badVariable: 'The environment variable name "not-a-name" is invalid. Names start with a letter ' +
    "and contain only letters, digits and underscores.",
  consoleMethods: [
    "debug",
    "error",
    "info",
    "log",
    "time",
    "timeEnd",
    "timeLog",
    "trace",
    "warn",
  ],
  selfAndGlobal: [true, "object"],
};

Deno.test("every check has an expectation", async () => {
  const names = await httpClient(server).query(query("globals:names"), {});
  assert.deepEqual(names.toSorted(), Object.keys(FOUND).toSorted());
});

for (const [check, found] of Object.entries(FOUND)) {
  Deno.test(`globals: ${check}`, async () => {
    const client = httpClient(server);
    assert.deepEqual(await client.query(query("globals:inQuery"), { check }), found);
    assert.deepEqual(await client.mutation(mutation("globals:inMutation"), { check }), found);
    assert.deepEqual(await client.action(action("globals:inAction"), { check }), found);
  });
}

const refusal = (what: string) =>
  `Can't use ${what} in queries and mutations. Please consider using an action. ` +
  "See https://docs.convex.dev/functions/actions for more details.";

Deno.test("globals: what queries refuse can be caught", async () => {
  assert.deepEqual(await httpClient(server).query(query("globals:refusals"), {}), {
    fetch: refusal("fetch()"),
    generateKey: refusal("cryptographic randomness"),
    ecdsa: refusal("cryptographic randomness"),
    formData: refusal("formData()"),
  });
});

Deno.test("globals: a timer fails a query even when its caller catches everything", async () => {
  for (const name of ["setTimeout", "setInterval"]) {
    await assert.rejects(
      () => httpClient(server).query(query("globals:timerInQuery"), { name }),
      (error: Error) => error.message.includes(refusal(name)),
    );
  }
});

Deno.test("globals: a clone with transfer fails the function even when it is caught", async () => {
  const refused = /structuredClone with transfer not supported/;
  const client = httpClient(server);
  await assert.rejects(() => client.query(query("globals:transferInQuery"), {}), refused);
  await assert.rejects(() => client.action(action("globals:transferInAction"), {}), refused);
});

Deno.test("globals: actions have timers, entropy and forms", async () => {
  assert.deepEqual(await httpClient(server).action(action("globals:inActionOnly"), {}), {
    order: [1, 2, 3],
    key: 16,
    form: "1",
  });
});
