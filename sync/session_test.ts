// The conformance checklist of sync protocol 14, item by item, against a session with a fake engine.

import assert from "node:assert/strict";
import { PlatformError } from "../engine/errors.ts";
import { encodeTimestamp, type Timestamp } from "../engine/timestamp.ts";
import { FakeWorld, SESSION_A, SESSION_B } from "./testing/fake_world.ts";
import type { FakeClient } from "./testing/fake_client.ts";
import { sessionRequestId } from "./request_id.ts";

function types(client: FakeClient): string[] {
  return client.take().map((message) => message.type);
}

async function connected(world: FakeWorld, sessionId = SESSION_A): Promise<FakeClient> {
  const client = world.client();
  client.connect(sessionId);
  client.add(0, "get", { name: "x" });
  await world.settle();
  client.take();
  return client;
}

// ---- 1. version chain, one Transition a cycle, empty Transitions ----

Deno.test("Authenticate, mutation and ModifyQuerySet are each followed by a Transition, if empty", async () => {
  const world = new FakeWorld();
  const client = world.client();
  client.connect(SESSION_A);
  await world.settle();
  assert.deepEqual(types(client), [], "Connect alone is not answered");
  client.say({ type: "Authenticate", tokenType: "None", baseVersion: 0 });
  await world.settle();
  assert.deepEqual(types(client), ["Transition"]);
  assert.equal(client.version.identity, 1);
  client.modify([]);
  await world.settle();
  assert.deepEqual(types(client), ["Transition"]);
  assert.equal(client.version.querySet, 1);
  client.mutate(0, "set", { name: "unwatched", value: 1 });
  await world.settle();
  assert.deepEqual(types(client), ["MutationResponse", "Transition"]);
  client.mutate(1, "fail");
  await world.settle();
  assert.deepEqual(types(client), ["MutationResponse", "Transition"]);
  client.say({ type: "Action", requestId: 2, udfPath: "app:act", args: [{}] });
  await world.settle();
  assert.deepEqual(types(client), ["ActionResponse", "Transition"]);
  client.say({ type: "Event", eventType: "Odd", event: [1, { a: null }] });
  await world.settle();
  assert.deepEqual(types(client), [], "an Event is ignored");
});

Deno.test("messages that arrive together become one Transition", async () => {
  const world = new FakeWorld();
  const client = world.client();
  client.connect(SESSION_A, { clientTs: world.clock.nowMs() + 250 });
  client.say({ type: "Authenticate", tokenType: "None", baseVersion: 0 });
  client.add(3, "get", { name: "x" });
  client.add(1, "get", { name: "y" });
  await world.settle();
  const [transition, ...rest] = client.take();
  assert.equal(rest.length, 0);
  assert.deepEqual(transition.startVersion, { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" });
  const ts = encodeTimestamp(world.backend.latest);
  assert.deepEqual(transition.endVersion, { querySet: 2, identity: 1, ts });
  assert.equal(transition.clientClockSkew, 250);
  assert.deepEqual(transition.modifications, [
    { queryId: 1, value: 0, logLines: [], journal: null, type: "QueryUpdated" },
    { queryId: 3, value: 0, logLines: [], journal: null, type: "QueryUpdated" },
  ]);
});

Deno.test("a query may be removed and added again within a batch", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  client.modify([
    { type: "Remove", queryId: 0 },
    { type: "Add", queryId: 0, udfPath: "app:get", args: [{ name: "y" }] },
    { type: "Add", queryId: 1, udfPath: "app:get", args: [{ name: "x" }] },
    { type: "Remove", queryId: 1 },
  ]);
  await world.settle();
  const [transition] = client.take();
  assert.deepEqual(
    transition.modifications.map((m: { type: string; queryId: number }) => [m.queryId, m.type]),
    [[0, "QueryUpdated"], [1, "QueryRemoved"]],
  );
  world.backend.commit({ x: 1 });
  await world.settle();
  assert.deepEqual(types(client), [], "the first query 0 is gone");
  client.remove(0);
  await world.settle();
  assert.deepEqual(client.take()[0].modifications, [{ type: "QueryRemoved", queryId: 0 }]);
});

// ---- 2. one timestamp, suppression, everything anew after a reconnect ----

Deno.test("all queries of a Transition are read at one timestamp", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  const seen: Timestamp[] = [];
  world.backend.beforeQuery = (_call, ts) => {
    seen.push(ts);
    // A commit while the queries run: they must not see it.
    if (seen.length === 1) world.backend.commit({ a: 7, b: 7 });
    return Promise.resolve();
  };
  client.modify([
    { type: "Add", queryId: 1, udfPath: "app:get", args: [{ name: "b" }] },
    { type: "Add", queryId: 2, udfPath: "app:get", args: [{ name: "a" }] },
  ]);
  const ts = world.backend.latest;
  await world.settle();
  assert.deepEqual(seen.slice(0, 2), [ts, ts]);
  const [first, second] = client.take();
  assert.deepEqual(first.modifications.map((m: { value: number }) => m.value), [0, 0]);
  assert.deepEqual(second.modifications.map((m: { value: number }) => m.value), [7, 7]);
});

Deno.test("an unchanged result is not sent again, a changed log line is news", async () => {
  const world = new FakeWorld();
  const client = world.client();
  client.connect(SESSION_A);
  client.add(0, "parity", { name: "n" });
  client.add(1, "failIfOdd", { name: "m" });
  await world.settle();
  client.take();
  world.backend.commit({ n: 2 });
  await world.settle();
  const [transition] = client.take();
  assert.deepEqual(transition.modifications, []);
  world.backend.commit({ m: 1 });
  await world.settle();
  world.backend.commit({ m: 3 });
  await world.settle();
  const [failed, again] = client.take();
  assert.equal(failed.modifications[0].type, "QueryFailed");
  assert.deepEqual(again.modifications, [], "the request id of an error does not count");
});

Deno.test("after a reconnect everything is sent again", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  const maxObservedTimestamp = client.version.ts;
  client.session.disconnected();
  assert.ok(client.ended);
  const again = world.client();
  again.connect(SESSION_A, { connectionCount: 1, maxObservedTimestamp });
  again.add(0, "get", { name: "x" });
  await world.settle();
  assert.deepEqual(again.told.get(0)?.value, 0);
  assert.ok(again.ts >= client.ts);
});

// ---- 3. mutations ----

Deno.test("mutations run one after another with the identity of their arrival", async () => {
  const world = new FakeWorld();
  const client = world.client();
  world.authenticate = () => Promise.resolve({ kind: "admin" });
  const log: string[] = [];
  const releases: (() => void)[] = [];
  world.backend.beforeMutation = (call) => {
    log.push(`${call.args} ${call.context.identity.kind} ${call.context.requestId}`);
    return new Promise((resolve) => releases.push(resolve));
  };
  client.connect(SESSION_A);
  client.mutate(0, "fail");
  client.mutate(1, "set", { name: "x", value: 1 });
  client.say({ type: "Authenticate", tokenType: "Admin", value: "key", baseVersion: 0 });
  client.mutate(2, "set", { name: "x", value: 2 });
  await world.settle();
  assert.equal(log.length, 1, "the second one waits for the first");
  releases.shift()!();
  await world.settle();
  releases.shift()!();
  await world.settle();
  releases.shift()!();
  await world.settle();
  assert.deepEqual(log, [
    `[{}] anonymous ${sessionRequestId(SESSION_A, 0)}`,
    `[{"name":"x","value":1}] anonymous ${sessionRequestId(SESSION_A, 1)}`,
    `[{"name":"x","value":2}] admin ${sessionRequestId(SESSION_A, 2)}`,
  ]);
  const responses = client.of("MutationResponse");
  assert.deepEqual(responses.map((r) => [r.requestId, r.success]), [[0, false], [1, true], [
    2,
    true,
  ]]);
  assert.equal(
    responses[0].result,
    `[Request ID: ${sessionRequestId(SESSION_A, 0)}] Server Error\nUncaught Error: refused\n`,
  );
  assert.equal(responses[0].ts, null);
  assert.equal("errorData" in responses[0], false);
});

Deno.test("a mutation starts when the one before it is accepted, and is answered in turn", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  const releases: (() => void)[] = [];
  world.backend.beforeDurable = () => new Promise((resolve) => releases.push(resolve));
  client.mutate(0, "add", { name: "x", by: 1 });
  client.mutate(1, "add", { name: "x", by: 1 });
  client.mutate(2, "fail");
  await world.settle();
  assert.deepEqual(
    world.backend.runs.slice(-3),
    ["add", "add", "fail"],
    "the disk is not waited for",
  );
  assert.deepEqual(types(client), [], "the failure waits for its turn");
  releases[0]!();
  await world.settle();
  releases[1]!();
  await world.settle();
  const responses = client.of("MutationResponse");
  assert.deepEqual(responses.map((r) => [r.requestId, r.result]).slice(0, 2), [[0, 1], [1, 2]]);
  assert.equal(responses[2].success, false);
  assert.equal(client.told.get(0)?.value, 2);
});

Deno.test("a replayed mutation is answered with the original timestamp, a failed one runs again", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  client.mutate(0, "add", { name: "x", by: 1 });
  client.mutate(1, "fail", { data: { code: 1 } });
  await world.settle();
  const [first, failed] = client.of("MutationResponse");
  assert.deepEqual(failed.errorData, { code: 1 });
  const again = world.client();
  again.connect(SESSION_A);
  world.backend.commit({ y: 1 });
  again.mutate(0, "add", { name: "x", by: 1 });
  again.mutate(1, "fail", { data: { code: 1 } });
  await world.settle();
  const [replayed] = again.of("MutationResponse");
  assert.deepEqual(replayed, first);
  assert.equal(world.backend.valueAt("x", world.backend.latest), 1);
  assert.equal(world.backend.runs.filter((name) => name === "fail").length, 2);
  const last = again.received.at(-1);
  assert.equal(last.type, "Transition", "a replay too is followed by a Transition");

  const other = world.client();
  other.connect(SESSION_B);
  other.mutate(0, "add", { name: "x", by: 1 });
  await world.settle();
  assert.equal(other.of("MutationResponse")[0].result, 2, "another session's request 0");
});

// ---- 4. the answer comes before the Transition that shows the commit ----

Deno.test("a mutation is answered before the Transition that shows it", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  const other = await connected(world, SESSION_B);
  let release = () => {};
  world.backend.beforeAnswer = () => new Promise((resolve) => release = resolve);
  client.mutate(0, "set", { name: "x", value: 3 });
  await world.settle();
  assert.deepEqual(types(client), [], "the commit is durable, its answer is not there yet");
  assert.equal(other.told.get(0)?.value, 3, "others see it meanwhile");
  release();
  await world.settle();
  const received = client.take();
  assert.deepEqual(received.slice(0, 2).map((m) => m.type), ["MutationResponse", "Transition"]);
  assert.equal(received[1].modifications[0].value, 3);
  assert.ok(received[1].endVersion.ts >= received[0].ts);
});

Deno.test("a running mutation does not hold up Transitions that cannot show it", async () => {
  const world = new FakeWorld();
  const client = await connected(world);
  world.backend.beforeMutation = () => new Promise(() => {});
  client.mutate(0, "set", { name: "x", value: 3 });
  await world.settle();
  world.backend.commit({ x: 8 });
  await world.settle();
  assert.equal(client.told.get(0)?.value, 8);
});

// ---- 5. pings, errors and closing ----

Deno.test("a Ping after 15 s of silence, from the start, and none while messages flow", async () => {
  const world = new FakeWorld();
  const client = world.client();
  await world.clock.advance(14_999);
  assert.deepEqual(types(client), []);
  await world.clock.advance(1);
  assert.deepEqual(types(client), ["Ping"]);
  await world.clock.advance(10_000);
  client.connect(SESSION_A);
  client.modify([]);
  await world.clock.advance(14_000);
  assert.deepEqual(types(client), ["Transition"]);
  await world.clock.advance(1_000);
  assert.deepEqual(types(client), ["Ping"], "15 s after the Transition");
  client.session.disconnected();
  assert.equal(world.clock.timers, 0, "no timer outlives the connection");
});

Deno.test("a rejected token is answered with AuthError and a close without status", async () => {
  for (const kind of ["unauthenticated", "forbidden", "badRequest"] as const) {
    const world = new FakeWorld();
    const client = await connected(world);
    world.authenticate = () => Promise.reject(new PlatformError(kind, "Code", "bad token"));
    client.say({ type: "Authenticate", tokenType: "User", value: "jwt", baseVersion: 0 });
    client.add(9, "get", { name: "x" });
    await world.settle();
    assert.deepEqual(client.take(), [
      { type: "AuthError", error: "bad token", baseVersion: 0, authUpdateAttempted: true },
    ]);
    assert.deepEqual(client.closed, { code: undefined, reason: undefined });
  }
});

Deno.test("a token check that fails for other reasons closes by class", async () => {
  for (
    const [error, code, reason] of [
      [new PlatformError("overloaded", "AuthProviderBusy", "x"), 1013, "AuthProviderBusy"],
      [
        new PlatformError("notFound", "AuthProviderDiscoveryFailed", "x"),
        1000,
        "AuthProviderDiscoveryFailed",
      ],
      [new Error("bug"), 1011, "InternalServerError"],
    ] as const
  ) {
    const world = new FakeWorld();
    const client = await connected(world);
    world.authenticate = () => Promise.reject(error);
    client.say({ type: "Authenticate", tokenType: "User", value: "jwt", baseVersion: 0 });
    await world.settle();
    assert.deepEqual(client.take(), []);
    assert.deepEqual(client.closed, { code, reason });
  }
});

Deno.test("messages wait for the token check before them", async () => {
  const world = new FakeWorld();
  const client = world.client();
  let accept = (_: void) => {};
  world.authenticate = async (token) => {
    await new Promise<void>((resolve) => accept = resolve);
    assert.ok(token.tokenType === "User");
    const attributes = { tokenIdentifier: "i|s", issuer: "i", subject: token.value };
    return { kind: "user", attributes, token: token.value, expiresAtMs: Infinity };
  };
  client.connect(SESSION_A);
  client.say({ type: "Authenticate", tokenType: "User", value: "ann", baseVersion: 0 });
  client.add(0, "whoami");
  client.say({ type: "Authenticate", tokenType: "User", value: "bob", baseVersion: 1 });
  client.add(1, "whoami");
  await world.settle();
  assert.deepEqual(types(client), []);
  accept();
  await world.settle();
  assert.equal(client.told.get(0)?.value, "ann");
  assert.equal(client.told.has(1), false);
  accept();
  await world.settle();
  assert.equal(client.told.get(0)?.value, "bob");
  assert.equal(client.told.get(1)?.value, "bob");
  assert.equal(client.version.identity, 2);
});

Deno.test("an expired token is noticed at the next call or cycle", async () => {
  for (const cause of ["mutation", "cycle"]) {
    const world = new FakeWorld();
    const client = await connected(world);
    const expiresAtMs = world.clock.nowMs() + 1000;
    const attributes = { tokenIdentifier: "i|s", issuer: "i", subject: "s" };
    world.authenticate = () =>
      Promise.resolve({ kind: "user", attributes, token: "t", expiresAtMs });
    client.say({ type: "Authenticate", tokenType: "User", value: "jwt", baseVersion: 0 });
    await world.clock.advance(1000);
    client.take();
    assert.equal(client.closed, null, "there is no timer");
    if (cause === "mutation") client.mutate(0, "set", { name: "x", value: 1 });
    else world.backend.commit({ x: 1 });
    await world.settle();
    assert.deepEqual(client.take(), [{
      type: "AuthError",
      error: "Convex token identity expired",
      baseVersion: 1,
      authUpdateAttempted: false,
    }]);
    assert.deepEqual(client.closed, { code: undefined, reason: undefined });
  }
});

// ---- 7. journals ----

Deno.test("a re-run gets the newest journal, an added query the client's", async () => {
  const world = new FakeWorld();
  world.backend.commit({ end: 5 });
  const client = world.client();
  client.connect(SESSION_A);
  client.add(0, "page");
  await world.settle();
  assert.deepEqual(client.told.get(0), { value: ["end:5", 0], journal: "end:5", logLines: [] });
  world.backend.commit({ end: 9, rows: 1 });
  await world.settle();
  assert.deepEqual(client.told.get(0)?.value, ["end:5", 1], "the page keeps its end");
  const again = world.client();
  again.connect(SESSION_A);
  again.add(0, "page", {}, { journal: "end:5" });
  again.add(1, "page", {}, { journal: null });
  await world.settle();
  assert.deepEqual(again.told.get(0)?.value, ["end:5", 1]);
  assert.deepEqual(again.told.get(1)?.value, ["end:9", 1]);
});

// ---- 8. idle queries cost nothing ----

Deno.test("a commit runs a shared query once, and the others not at all", async () => {
  const world = new FakeWorld();
  const clients = [];
  for (let i = 0; i < 50; i++) {
    const client = world.client();
    client.connect(SESSION_A);
    client.add(0, "get", { name: "x" });
    client.add(1, "get", { name: `own${i}` });
    clients.push(client);
  }
  await world.settle();
  assert.equal(world.backend.runs.length, 51);
  world.backend.runs.length = 0;
  world.backend.commit({ x: 4 });
  await world.settle();
  assert.deepEqual(world.backend.runs, ["get"]);
  for (const client of clients) {
    assert.equal(client.told.get(0)?.value, 4);
    assert.equal(client.of("Transition").length, 2);
  }
  world.backend.runs.length = 0;
  for (let i = 0; i < 10; i++) world.backend.commit({ nobody: i });
  await world.settle();
  assert.deepEqual(world.backend.runs, []);
});
