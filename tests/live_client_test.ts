// Live queries over the WebSocket, through `ConvexClient`.
import assert from "node:assert/strict";
import { ConvexError } from "convex/values";
import { action, httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/features");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

Deno.test("a write by one client is seen by another", async () => {
  await using alice = new LiveClient(server);
  await using bob = new LiveClient(server);
  const watched = bob.watch("counters:get", { name: "live" });
  await watched.until((value) => value === 0);
  await alice.mutation(mutation("counters:add"), { name: "live", amount: 5 });
  await watched.until((value) => value === 5);
  await httpClient(server).mutation(mutation("counters:add"), { name: "live", amount: 1 });
  await watched.until((value) => value === 6);
  assert.deepEqual(watched.results, [0, 5, 6]);
});

Deno.test("when a mutation resolves, the client's own queries already show it", async () => {
  await using client = new LiveClient(server);
  const watched = client.watch("counters:get", { name: "own" });
  await watched.until(() => true);
  for (let i = 1; i <= 20; i++) {
    await client.mutation(mutation("counters:add"), { name: "own", amount: 1 });
    assert.equal(watched.results.at(-1), i);
  }
});

Deno.test("mutations of one client run in the order in which they were made", async () => {
  await using client = new LiveClient(server);
  const results = await Promise.all(
    Array.from(
      { length: 50 },
      () => client.mutation(mutation("counters:add"), { name: "order", amount: 1 }),
    ),
  );
  assert.deepEqual(results, Array.from({ length: 50 }, (_, i) => i + 1));
});

Deno.test("they do so while others write the same document", async () => {
  await using client = new LiveClient(server);
  const add = { name: "contended order", amount: 1 };
  const made = Array.from({ length: 300 }, () => client.mutation(mutation("counters:add"), add));
  const rivals = Array.from(
    { length: 8 },
    async () => {
      const rival = httpClient(server);
      for (let i = 0; i < 20; i++) await rival.mutation(mutation("counters:add"), add);
    },
  );
  const results = await Promise.all(made) as number[];
  await Promise.all(rivals);
  assert.deepEqual(results, results.toSorted((a, b) => a - b));
  assert.equal(new Set(results).size, 300);
  const total = await httpClient(server).query(query("counters:get"), { name: add.name });
  assert.equal(total, 300 + 8 * 20);
});

Deno.test("what they create stands in that order", async () => {
  await using client = new LiveClient(server);
  const others = Array.from({ length: 4 }, async (_, other) => {
    await using rival = new LiveClient(server);
    await Promise.all(
      Array.from(
        { length: 50 },
        (_, position) =>
          rival.mutation(mutation("notes:add"), { list: `made by ${other}`, position, text: "" }),
      ),
    );
  });
  const positions = Array.from({ length: 200 }, (_, i) => i);
  await Promise.all(
    positions.map((position) =>
      client.mutation(mutation("notes:add"), { list: "made", position, text: "" })
    ),
  );
  await Promise.all(others);
  const made = (list: string) => httpClient(server).query(query("notes:asMade"), { list });
  assert.deepEqual(await made("made"), positions);
  for (let other = 0; other < 4; other++) {
    assert.deepEqual(await made(`made by ${other}`), positions.slice(0, 50));
  }
});

Deno.test("the queries of one client always show one moment", async () => {
  await using client = new LiveClient(server);
  const byName = client.watch("counters:get", { name: "moment" });
  const byValue = client.watch("counters:total", {});
  await Promise.all([byName.until(() => true), byValue.until(() => true)]);
  const offset = (byValue.results.at(-1) as number) - (byName.results.at(-1) as number);
  const differences = new Set<number>();
  // The client tells its listeners about all changed queries of a transition in one go, so after
  // each of them (in a microtask) the two must agree.
  const stop = client.onUpdate(query("counters:get"), { name: "moment" }, () => {
    queueMicrotask(() =>
      differences.add((byValue.results.at(-1) as number) - (byName.results.at(-1) as number))
    );
  });
  const add = () =>
    httpClient(server).mutation(mutation("counters:add"), { name: "moment", amount: 1 });
  await Promise.all(Array.from({ length: 20 }, add));
  await byName.until((value) => value === 20);
  stop();
  assert.deepEqual([...differences], [offset]);
});

Deno.test("an error is a result; the query goes on and recovers", async () => {
  await using client = new LiveClient(server);
  const watched = client.watch("errors:needsNotes", { list: "recovering" });
  const error = await watched.until((result) => result instanceof Error);
  assert.ok(error instanceof ConvexError);
  assert.equal(error.data, "empty");
  await client.mutation(mutation("notes:add"), { list: "recovering", position: 0, text: "here" });
  await watched.until((value) => value === "here");
});

Deno.test("a failed mutation rejects at once and changes nothing", async () => {
  await using client = new LiveClient(server);
  const watched = client.watch("counters:get", { name: "rejected" });
  await watched.until(() => true);
  await assert.rejects(
    () => client.mutation(mutation("counters:addAndFail"), { name: "rejected" }),
    /changed my mind/,
  );
  assert.deepEqual(watched.results, [0]);
});

Deno.test("actions run beside the subscriptions", async () => {
  await using client = new LiveClient(server);
  const watched = client.watch("counters:get", { name: "acted" });
  const slow = client.action(action("actions:sleep"), { ms: 300 });
  assert.deepEqual(await client.action(action("actions:addTwice"), { name: "acted" }), [0, 2]);
  await watched.until((value) => value === 2);
  assert.ok(await slow >= 299);
});

Deno.test("a client comes back by itself after the server was killed", async () => {
  await using ownServer = await serverWithApp("tests/apps/features");
  await using client = new LiveClient(ownServer);
  const watched = client.watch("counters:get", { name: "restarted" });
  await client.mutation(mutation("counters:add"), { name: "restarted", amount: 1 });
  await watched.until((value) => value === 1);
  await ownServer.kill();
  // Sent while the server is away: the client keeps it and sends it again.
  const pending = client.mutation(mutation("counters:add"), { name: "restarted", amount: 1 });
  await ownServer.restart();
  assert.equal(await pending, 2);
  await watched.until((value) => value === 2);
  assert.equal(await httpClient(ownServer).query(query("counters:get"), { name: "restarted" }), 2);
});

Deno.test("a server that stops says goodbye with a close code", async () => {
  await using ownServer = await serverWithApp("tests/apps/features");
  const socket = new WebSocket(`${ownServer.url.replace("http", "ws")}/api/1.48.0/sync`);
  await new Promise((resolve) => socket.onopen = resolve);
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  const code = await ownServer.stop("SIGINT");
  assert.equal((await closed).code, 1001);
  assert.equal(code, 0);
});

const CONNECT = { type: "Connect", sessionId: crypto.randomUUID(), connectionCount: 0 };
const ADD = { type: "Add", queryId: 0, udfPath: "counters:total", args: [{}] };
const MUTATION = { type: "Mutation", requestId: 0, udfPath: "counters:total", args: [{}] };
const modify = (baseVersion: number, newVersion: number, ...modifications: unknown[]) => ({
  type: "ModifyQuerySet",
  baseVersion,
  newVersion,
  modifications,
});
const authenticate = (fields: Record<string, unknown>) => ({
  type: "Authenticate",
  tokenType: "Admin",
  value: "other|key",
  baseVersion: 0,
  ...fields,
});
const INVALID = "Received Invalid JSON on websocket: ";
const LATER = btoa(String.fromCharCode(0, 0, 0, 0, 0, 0, 0, 0x70));

/** What ends a connection: the last message's text (none: null) and the close frame. */
const endings: [
  what: string,
  frame: unknown,
  type: "FatalError" | "AuthError" | null,
  text: string | null,
  code?: number,
][] = [
  ["no JSON", "not json", "FatalError", INVALID],
  ["no object", "[]", "FatalError", INVALID],
  ["no type", "{}", "FatalError", INVALID],
  ["unknown type", { type: "Nonsense" }, "FatalError", INVALID],
  ["deep nesting", "[".repeat(100_000), "FatalError", INVALID],
  ["a field is missing", { type: "Connect" }, "FatalError", INVALID],
  ["no UUID", { ...CONNECT, sessionId: "x" }, "FatalError", INVALID],
  ["a fraction", { ...CONNECT, connectionCount: 0.5 }, "FatalError", INVALID],
  ["beyond 32 bits", modify(0, 2 ** 32), "FatalError", INVALID],
  [
    "a short timestamp",
    { ...CONNECT, maxObservedTimestamp: "AAA=" },
    "FatalError",
    `${INVALID}u64 must be 8 bytes`,
  ],
  ["no args", { ...MUTATION, args: undefined }, "FatalError", `${INVALID}Mutation lacks args`],
  [
    "no args of an action",
    { ...MUTATION, type: "Action", args: undefined },
    "FatalError",
    `${INVALID}Action lacks args`,
  ],
  [
    "no modifications",
    { type: "ModifyQuerySet", baseVersion: 0, newVersion: 1 },
    "FatalError",
    `${INVALID}ModifyQuerySet lacks modifications`,
  ],
  ["no path", modify(0, 1, { ...ADD, udfPath: "a b:c" }), "FatalError", INVALID],
  [
    "another base version",
    modify(5, 6),
    "FatalError",
    "Base version 5 passed up doesn't match the current version 0",
  ],
  [
    "nobody to act as",
    authenticate({ impersonating: {} }),
    "FatalError",
    `${INVALID}Either "tokenIdentifier" or "issuer" and "subject" must be set`,
  ],
  [
    "no component path",
    modify(0, 1, { ...ADD, componentPath: "a//b" }),
    "FatalError",
    "Invalid component path",
  ],
  [
    "another admin key",
    authenticate({}),
    "AuthError",
    "The provided admin key was invalid for this instance",
  ],
  ["no JWT", authenticate({ tokenType: "User" }), "AuthError", "Could not parse JWT payload."],
  ["a binary frame", new Uint8Array([1, 2, 3]), null, null, 1011],
  ["no newer version", modify(0, 0), null, null, 1011],
  ["a query twice", modify(0, 1, ADD, ADD), null, null, 1011],
  ["no such query", modify(0, 1, { type: "Remove", queryId: 9 }), null, null, 1011],
  [
    "another identity version",
    authenticate({ tokenType: "None", baseVersion: 3 }),
    null,
    null,
    1011,
  ],
  ["a later time", { ...CONNECT, maxObservedTimestamp: LATER }, null, null, 1011],
  ["somebody's component", { ...MUTATION, componentPath: "child" }, null, null, 1011],
];

Deno.test("what breaks the protocol ends its own connection only, as documented", async () => {
  await using client = new LiveClient(server);
  const watched = client.watch("counters:get", { name: "robust" });
  await watched.until(() => true);
  await Promise.all(endings.map(async ([what, frame, type, text, code = 1005]) => {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/api/1.48.0/sync`);
    const received: { type: string; error?: string; authUpdateAttempted?: boolean }[] = [];
    socket.onmessage = ({ data }) => received.push(JSON.parse(data));
    const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
    await new Promise((resolve) => socket.onopen = resolve);
    const isRaw = typeof frame === "string" || frame instanceof Uint8Array;
    socket.send(isRaw ? frame as string | Uint8Array<ArrayBuffer> : JSON.stringify(frame));
    const { code: actual, reason } = await closed;
    assert.deepEqual([actual, reason], [code, code === 1005 ? "" : "InternalServerError"], what);
    assert.deepEqual(received.map((message) => message.type), type === null ? [] : [type], what);
    if (text !== null) {
      assert.ok(received[0]!.error!.startsWith(text), `${what}: ${received[0]!.error}`);
    }
    if (type === "AuthError") assert.equal(received[0]!.authUpdateAttempted, true);
  }));
  await client.mutation(mutation("counters:add"), { name: "robust", amount: 1 });
  assert.equal(watched.results.at(-1), 1);
});
