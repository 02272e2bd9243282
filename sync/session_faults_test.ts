// What a session does with bad input, failing functions and clients that do not read
// (sync protocol 5, 8 and 11).

import assert from "node:assert/strict";
import { PlatformError } from "../engine/errors.ts";
import { encodeTimestamp, type Timestamp } from "../engine/timestamp.ts";
import type { FakeClient } from "./testing/fake_client.ts";
import { FakeWorld, SESSION_A } from "./testing/fake_world.ts";

const NO_STATUS = { code: undefined, reason: undefined };
const INTERNAL = { code: 1011, reason: "InternalServerError" };

async function connected(world: FakeWorld): Promise<FakeClient> {
  const client = world.client();
  client.connect(SESSION_A);
  client.add(0, "get", { name: "x" });
  await world.settle();
  client.take();
  return client;
}

const MUTATION = { type: "Mutation", requestId: 0, udfPath: "app:set", args: [{}] };

Deno.test("unreadable messages get FatalError and a close without status", async () => {
  const cases: [unknown, string][] = [
    [{ ...MUTATION, args: undefined }, "Mutation lacks args"],
    [{ ...MUTATION, type: "Action", args: undefined }, "Action lacks args"],
    [
      { type: "ModifyQuerySet", baseVersion: 1, newVersion: 2 },
      "ModifyQuerySet lacks modifications",
    ],
    [
      {
        type: "Connect",
        sessionId: SESSION_A,
        connectionCount: 0,
        lastCloseReason: null,
        maxObservedTimestamp: "AAAA",
      },
      "u64 must be 8 bytes",
    ],
    [
      { type: "Authenticate", tokenType: "Admin", value: "k", baseVersion: 0, impersonating: {} },
      'Either "tokenIdentifier" or "issuer" and "subject" must be set',
    ],
  ];
  for (const [message, detail] of cases) {
    const world = new FakeWorld();
    const client = await connected(world);
    client.say(message);
    assert.deepEqual(client.take(), [
      { type: "FatalError", error: `Received Invalid JSON on websocket: ${detail}` },
    ]);
    assert.deepEqual(client.closed, NO_STATUS);
    assert.deepEqual(world.unexpected, []);
  }
});

Deno.test("a wrong baseVersion of the query set is fatal", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  client.say({ type: "ModifyQuerySet", baseVersion: 7, newVersion: 8, modifications: [] });
  assert.deepEqual(client.take(), [{
    type: "FatalError",
    error: "Base version 7 passed up doesn't match the current version 1",
  }]);
  assert.deepEqual(client.closed, NO_STATUS);
});

Deno.test("faults that the platform treats as internal close with 1011 and say nothing", async () => {
  const later = encodeTimestamp(2 ** 50 as Timestamp);
  const connect = { type: "Connect", sessionId: SESSION_A, connectionCount: 0 };
  const get = { type: "Add", queryId: 0, udfPath: "app:get", args: [{}] };
  const modify = { type: "ModifyQuerySet", baseVersion: 1, newVersion: 2 };
  const cases: ((client: FakeClient) => void)[] = [
    (client) => client.session.receive(new ArrayBuffer(2)),
    (client) => client.say({ ...connect, maxObservedTimestamp: later }),
    (client) => client.say({ ...modify, newVersion: 1, modifications: [] }),
    (client) => client.say({ ...modify, modifications: [get] }),
    (client) => client.say({ ...modify, modifications: [{ type: "Remove", queryId: 5 }] }),
    (client) => client.say({ type: "Authenticate", tokenType: "None", baseVersion: 1 }),
    (client) => client.say({ ...MUTATION, componentPath: "child" }),
    (client) => client.say({ ...MUTATION, type: "Action", componentPath: "child" }),
    (client) => client.add(1, "get", {}, { componentPath: "child" }),
  ];
  for (const fault of cases) {
    const world = new FakeWorld();
    const client = await connected(world);
    fault(client);
    await world.settle();
    assert.deepEqual(client.take(), [], String(fault));
    assert.deepEqual(client.closed, INTERNAL, String(fault));
    assert.deepEqual(world.unexpected, [], "a client's fault is not the server's");
  }
});

Deno.test("an invalid component path is fatal", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  client.say({ ...MUTATION, componentPath: "a//b" });
  assert.equal(client.take()[0].type, "FatalError");
  assert.deepEqual(client.closed, NO_STATUS);
});

Deno.test("refused calls are failed results", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  client.modify([
    { type: "Add", queryId: 1, udfPath: "_system/cli/tables", args: [{}] },
    { type: "Add", queryId: 2, udfPath: "app:get" },
    { type: "Add", queryId: 3, udfPath: "app:nothing", args: [{}] },
  ]);
  client.say({ ...MUTATION, requestId: 1, udfPath: "_system/x:y" });
  client.say({ ...MUTATION, requestId: 2, args: { a: 1 } });
  client.say({ ...MUTATION, type: "Action", requestId: 3, args: "x" });
  await world.settle();
  const pattern = (text: string) =>
    new RegExp(`^\\[Request ID: [0-9a-f]{16}\\] Server Error\n${text}\n$`);
  assert.match(client.told.get(1)!.error!, pattern("Operation query not permitted"));
  assert.equal(client.told.get(1)!.journal, null);
  assert.match(client.told.get(2)!.error!, pattern("Invalid arguments provided"));
  assert.match(
    client.told.get(3)!.error!,
    pattern("Uncaught Error: Could not find public function"),
  );
  const mutations = client.of("MutationResponse");
  assert.match(mutations[0].result, pattern("Operation mutation not permitted"));
  assert.match(mutations[1].result, pattern("Invalid arguments provided"));
  assert.match(client.of("ActionResponse")[0].result, pattern("Invalid arguments provided"));
  assert.equal(client.closed, null);
});

Deno.test("admins reach components and system functions, those who act as a user do not", async () => {
  const world = new FakeWorld();
  const attributes = { tokenIdentifier: "i|s", issuer: "i", subject: "s" };
  world.authenticate = (token) =>
    Promise.resolve(
      token.tokenType === "Admin" && token.impersonating !== null
        ? { kind: "acting", attributes }
        : { kind: "admin" },
    );
  const client = world.client();
  client.say({ type: "Authenticate", tokenType: "Admin", value: "k", baseVersion: 0 });
  client.modify([
    { type: "Add", queryId: 0, udfPath: "_system/cli:get", args: [{ name: "x" }] },
    { type: "Add", queryId: 1, udfPath: "m:get", args: [{ name: "x" }], componentPath: "child" },
    { type: "Add", queryId: 2, udfPath: "m:get", args: [{ name: "x" }], componentPath: "other" },
  ]);
  await world.settle();
  assert.equal(client.told.get(0)?.value, 0);
  assert.equal(client.told.get(1)?.value, 0);
  assert.match(client.told.get(2)!.error!, /Component path 'other' not found/);

  const acting = world.client();
  const impersonating = { issuer: "i", subject: "s" };
  acting.say({
    type: "Authenticate",
    tokenType: "Admin",
    value: "k",
    baseVersion: 0,
    impersonating,
  });
  acting.modify([
    { type: "Add", queryId: 0, udfPath: "_system/cli:get", args: [{ name: "x" }] },
  ]);
  await world.settle();
  assert.match(acting.told.get(0)!.error!, /Operation query not permitted/);
});

Deno.test("platform errors of mutations and actions close by class or become results", async () => {
  const cases = [
    [new PlatformError("occ", "OptimisticConcurrencyControlFailure", "x"), {
      code: 1013,
      reason: "OptimisticConcurrencyControlFailure",
    }],
    [new PlatformError("rateLimited", "TooManyConcurrentRequests", "x"), {
      code: 1013,
      reason: "TooManyConcurrentRequests",
    }],
    [new Error("bug"), INTERNAL],
  ] as const;
  for (const [error, closed] of cases) {
    for (const type of ["Mutation", "Action"]) {
      const world = new FakeWorld();
      const client = await connected(world);
      world.backend.runMutation = () => Promise.reject(error);
      world.backend.runAction = () => Promise.reject(error);
      client.say({ ...MUTATION, type });
      await world.settle();
      assert.deepEqual(client.take(), []);
      assert.deepEqual(client.closed, closed);
      assert.equal(world.unexpected.length, error instanceof PlatformError ? 0 : 1);
    }
  }
  const world = new FakeWorld();
  const client = await connected(world);
  const refused = new PlatformError("badRequest", "Code", "no such thing");
  world.backend.runMutation = () => Promise.reject(refused);
  world.backend.runAction = () => Promise.reject(refused);
  client.say(MUTATION);
  client.say({ ...MUTATION, type: "Action", requestId: 1 });
  await world.settle();
  assert.match(client.of("MutationResponse")[0].result, /no such thing/);
  assert.match(client.of("ActionResponse")[0].result, /no such thing/);
  assert.equal(client.closed, null);
});

Deno.test("a mutation may take 60 s of execution", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  let release = () => {};
  world.backend.beforeMutation = () => new Promise((resolve) => release = resolve);
  client.mutate(0, "set", { name: "x", value: 1 });
  client.mutate(1, "set", { name: "x", value: 2 });
  await world.clock.advance(59_000);
  release();
  await world.clock.advance(59_000);
  assert.equal(client.closed, null, "waiting in the queue does not count");
  await world.clock.advance(1_000);
  assert.deepEqual(client.closed, INTERNAL);
});

Deno.test("1000 mutations may wait and 1000 actions may run", async () => {
  for (const type of ["Mutation", "Action"]) {
    const world = new FakeWorld();
    const client = await connected(world);
    world.backend.beforeMutation = () => new Promise(() => {});
    world.backend.actions.set("set", () => new Promise(() => {}));
    for (let requestId = 0; requestId < 1000; requestId++) {
      client.say({ ...MUTATION, type, requestId });
    }
    assert.equal(client.closed, null);
    client.say({ ...MUTATION, type, requestId: 1000 });
    const reason = type === "Mutation"
      ? "TooManyConcurrentMutations"
      : "TooManyInflightActionsForSingleClient";
    assert.deepEqual(client.closed, { code: 1013, reason });
  }
});

Deno.test("an overloaded query is tried again, and the Transition waits for it", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  let failures = 2;
  world.backend.beforeQuery = () => {
    if (failures-- <= 0) return Promise.resolve();
    return Promise.reject(new PlatformError("overloaded", "TooManyConcurrentRequests", "busy"));
  };
  client.add(1, "get", { name: "y" });
  await world.settle();
  assert.deepEqual(client.take(), []);
  await world.clock.advance(250);
  assert.deepEqual(client.take(), []);
  await world.clock.advance(500);
  assert.equal(client.told.get(1)?.value, 0);
});

Deno.test("a query that cannot run yet is left out and tried again after 3 s", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  let failures = 1;
  world.backend.beforeQuery = (call) => {
    if (!call.args.includes("later") || failures-- <= 0) return Promise.resolve();
    return Promise.reject(new PlatformError("overloaded", "SearchIndexesUnavailable", "starting"));
  };
  client.modify([
    { type: "Add", queryId: 1, udfPath: "app:get", args: [{ name: "later" }] },
    { type: "Add", queryId: 2, udfPath: "app:get", args: [{ name: "y" }] },
  ]);
  await world.settle();
  assert.equal(client.told.has(1), false);
  assert.equal(client.told.get(2)?.value, 0);
  await world.clock.advance(3000);
  assert.equal(client.told.get(1)?.value, 0);
});

Deno.test("a snapshot out of retention is replaced by a later one for all queries", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  let failures = 1;
  world.backend.beforeQuery = (call) => {
    if (!call.args.includes("b") || failures-- <= 0) return Promise.resolve();
    world.backend.commit({ a: 5, b: 5 });
    return Promise.reject(new PlatformError("outOfRetention", "SnapshotTooOld", "old"));
  };
  client.modify([
    { type: "Add", queryId: 1, udfPath: "app:get", args: [{ name: "a" }] },
    { type: "Add", queryId: 2, udfPath: "app:get", args: [{ name: "b" }] },
  ]);
  await world.clock.advance(3000);
  const [transition] = client.take();
  assert.deepEqual(transition.modifications.map((m: { value: number }) => m.value), [5, 5]);
});

Deno.test("an internal error of a query closes the connection", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  world.backend.beforeQuery = () => Promise.reject(new Error("bug"));
  world.backend.commit({ x: 1 });
  await world.settle();
  assert.deepEqual(client.closed, INTERNAL);
  assert.equal(world.unexpected.length, 1);
  assert.equal(world.subscriptions.size, 0);
});

Deno.test("a failed query keeps its read set", async () => {
  const world = new FakeWorld();
  const client = world.client();
  world.backend.commit({ n: 1 });
  client.connect(SESSION_A);
  client.add(0, "failIfOdd", { name: "n", data: null });
  await world.settle();
  const told = client.told.get(0)!;
  assert.match(told.error!, /^\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Error: odd\n$/);
  assert.deepEqual(told.logLines, ["[LOG] 'value' 1"]);
  assert.equal(told.data, null, "the data of a ConvexError may be null");
  world.backend.commit({ n: 2 });
  await world.settle();
  assert.equal(client.told.get(0)!.value, 2);
});

Deno.test("redaction hides texts and log lines, not the data of a ConvexError", async () => {
  const world = new FakeWorld({ redact: true });
  const client = world.client();
  world.backend.commit({ n: 1 });
  client.connect(SESSION_A);
  client.add(0, "failIfOdd", { name: "n", data: { a: 1 } });
  client.mutate(0, "fail");
  await world.settle();
  const told = client.told.get(0)!;
  assert.match(told.error!, /^\[Request ID: [0-9a-f]{16}\] Server Error$/);
  assert.deepEqual([told.logLines, told.data], [[], { a: 1 }]);
  assert.match(
    client.of("MutationResponse")[0].result,
    /^\[Request ID: [0-9a-f]{16}\] Server Error$/,
  );
});

Deno.test("no cycle starts while two Transitions are unsent; the next one jumps to the present", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  client.isStuck = true;
  for (let value = 1; value <= 5; value++) {
    world.backend.commit({ x: value });
    await world.settle();
  }
  assert.deepEqual(client.take().map((m) => m.modifications[0].value), [1, 2]);
  client.mutate(0, "set", { name: "y", value: 1 });
  await world.settle();
  assert.deepEqual(
    client.take().map((m) => m.type),
    ["MutationResponse"],
    "answers are not held back",
  );
  client.unstick();
  await world.clock.advance(100);
  const transitions = client.take();
  assert.deepEqual(transitions.map((m) => m.modifications.map((x: { value: number }) => x.value)), [
    [5],
  ]);
});

Deno.test("a client that reads nothing is disconnected when it asks for too much", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  client.isStuck = true;
  const big = "b".repeat(15 * 2 ** 20);
  world.backend.actions.set("big", () => Promise.resolve(big));
  for (let requestId = 0; requestId < 12; requestId++) {
    client.say({ ...MUTATION, type: "Action", requestId, udfPath: "app:big" });
    await world.settle();
  }
  assert.deepEqual(client.closed, { code: 1013, reason: "TooManyUnsentMessages" });
});

Deno.test("a big Transition is cut into chunks for clients that know them", async () => {
  const world = new FakeWorld();
  const big = "é".repeat(3_000_000);
  world.backend.queries.set("big", () => big);
  for (const understandsChunks of [true, false]) {
    const texts: string[] = [];
    const client = world.client(understandsChunks);
    const send = client.send.bind(client);
    client.send = (text) => {
      texts.push(text);
      send(text);
    };
    client.connect(SESSION_A);
    client.add(0, "big");
    await world.settle();
    assert.equal(client.told.get(0)?.value, big);
    assert.equal(texts.length, understandsChunks ? 2 : 1);
  }
});

Deno.test("a client that goes away leaves nothing behind", async () => {
  const world = new FakeWorld({ cacheBytesMax: 0 });
  const client = await connected(world);
  assert.equal(world.subscriptions.size, 1);
  world.backend.beforeQuery = () => new Promise(() => {});
  client.add(1, "get", { name: "y" });
  await world.settle();
  client.session.disconnected();
  client.session.receive("{}");
  world.backend.commit({ x: 1 });
  await world.settle();
  assert.equal(world.subscriptions.size, 0);
  assert.equal(world.clock.timers, 0);
  assert.deepEqual(client.take(), []);
});
