import assert from "node:assert/strict";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCall, Identity } from "../runtime/types.ts";
import { QueryKey } from "./query_key.ts";
import { FakeWorld, type FakeWorldOptions } from "./testing/fake_world.ts";

const ANONYMOUS: Identity = { kind: "anonymous" };

function user(subject: string, token = "t"): Identity {
  const attributes = { tokenIdentifier: `i|${subject}`, issuer: "i", subject };
  return { kind: "user", attributes, token, expiresAtMs: Infinity };
}

class Stand {
  readonly world: FakeWorld;

  constructor(options: FakeWorldOptions = {}) {
    this.world = new FakeWorld(options);
  }

  call(name: string, args: unknown = {}, identity = ANONYMOUS): FunctionCall {
    return {
      path: { component: "", module: "app.js", name },
      args: JSON.stringify([args]),
      context: {
        requestId: "0123456789abcdef",
        identity,
        caller: "HttpApi",
        visibility: "public",
        ip: null,
        userAgent: null,
      },
    };
  }

  async query(
    name: string,
    args: unknown = {},
    options: { identity?: Identity; ts?: Timestamp; journal?: string | null } = {},
  ): Promise<unknown> {
    const identity = options.identity ?? ANONYMOUS;
    const call = this.call(name, args, identity);
    const key = new QueryKey(call, options.journal ?? null);
    const ts = options.ts ?? this.world.subscriptions.latest();
    const request = { key, identity, perIdentity: false, call: () => call };
    const { result } = await this.world.cache.fetch(request, ts);
    const { outcome } = result;
    return outcome.result.ok ? JSON.parse(outcome.result.value) : outcome.result.error.text;
  }

  get runs(): number {
    return this.world.backend.runs.splice(0).length;
  }
}

Deno.test("a result is shared until a commit touches what it read", async () => {
  const stand = new Stand();
  assert.equal(await stand.query("get", { name: "x" }), 0);
  assert.equal(await stand.query("get", { name: "x" }, { identity: user("ann") }), 0);
  assert.equal(stand.runs, 1);
  stand.world.backend.commit({ y: 1 });
  assert.equal(await stand.query("get", { name: "x" }), 0);
  assert.equal(stand.runs, 0);
  stand.world.backend.commit({ x: 2 });
  assert.equal(await stand.query("get", { name: "x" }), 2);
  assert.equal(await stand.query("get", { name: "y" }), 1);
  assert.equal(stand.runs, 2);
});

Deno.test("a result that looked at the identity belongs to its attributes, not to the token", async () => {
  const stand = new Stand();
  assert.equal(await stand.query("whoami", {}, { identity: user("ann") }), "ann");
  assert.equal(await stand.query("whoami", {}, { identity: user("bob") }), "bob");
  assert.equal(await stand.query("whoami"), "anonymous");
  assert.equal(stand.runs, 3);
  assert.equal(await stand.query("whoami", {}, { identity: user("ann", "newer") }), "ann");
  assert.equal(await stand.query("whoami"), "anonymous");
  assert.equal(stand.runs, 0);
});

Deno.test("a client's journal cannot name the result of another identity", async () => {
  const stand = new Stand();
  const ann = user("ann");
  stand.world.backend.queries.set("secret", (run) => {
    run.observeIdentity();
    run.setJournal("page");
    return run.call.context.identity.kind;
  });
  assert.equal(await stand.query("secret", {}, { identity: ann }), "user");
  const key = new QueryKey(stand.call("secret", {}, ann), "page");
  assert.ok(ann.kind === "user");
  for (
    const journal of [
      "page",
      `user${JSON.stringify(Object.entries(ann.attributes))}\0page`,
      `\0user${JSON.stringify(Object.entries(ann.attributes))}\0page`,
    ]
  ) assert.equal(await stand.query("secret", {}, { journal }), "anonymous");
  assert.notEqual(stand.world.cache.find(key, ann, stand.world.subscriptions.latest()), null);
});

Deno.test("requests at the same time share one run, each identity its own if it matters", async () => {
  const stand = new Stand();
  const gets = Array.from({ length: 20 }, () => stand.query("get", { name: "x" }));
  await Promise.all(gets);
  assert.equal(stand.runs, 1);
  const users = ["ann", "bob", "eve"].flatMap((name) => [user(name), user(name)]);
  const names = await Promise.all(users.map((identity) => stand.query("whoami", {}, { identity })));
  assert.deepEqual(names, ["ann", "ann", "bob", "bob", "eve", "eve"]);
  assert.equal(stand.runs, 3);
});

Deno.test("a run for an earlier snapshot serves a later one if nothing has changed between", async () => {
  for (const [changed, runs] of [["y", 1], ["x", 2]] as const) {
    const stand = new Stand();
    const { backend } = stand.world;
    let release = () => {};
    backend.beforeQuery = () => new Promise((resolve) => release = resolve);
    const early = stand.query("get", { name: "x" });
    backend.commit({ [changed]: 5 });
    const late = stand.query("get", { name: "x" });
    backend.beforeQuery = () => Promise.resolve();
    release();
    assert.equal(await early, 0);
    assert.equal(await late, changed === "x" ? 5 : 0);
    assert.equal(stand.runs, runs);
  }
});

Deno.test("a result serves earlier snapshots that it would not differ from", async () => {
  const stand = new Stand();
  const { backend } = stand.world;
  const before = backend.commit({ x: 1 });
  const between = backend.commit({ x: 2 });
  backend.commit({ y: 1 });
  assert.equal(await stand.query("get", { name: "x" }), 2);
  assert.equal(stand.runs, 1);
  assert.equal(await stand.query("get", { name: "x" }, { ts: between }), 2);
  assert.equal(stand.runs, 0);
  assert.equal(await stand.query("get", { name: "x" }, { ts: before }), 1);
  assert.equal(await stand.query("get", { name: "x" }), 2);
  assert.equal(stand.runs, 1, "the old result has not displaced the present one");
});

Deno.test("errors are shared by those who wait, and kept for nobody", async () => {
  const stand = new Stand();
  stand.world.backend.commit({ n: 1 });
  const failing = () => stand.query("failIfOdd", { name: "n" });
  assert.deepEqual(await Promise.all([failing(), failing()]), [
    "Uncaught Error: odd\n",
    "Uncaught Error: odd\n",
  ]);
  assert.equal(stand.runs, 1);
  await failing();
  assert.equal(stand.runs, 1);
  assert.equal(stand.world.cache.stats().entries, 0);
});

Deno.test("a platform error reaches all who wait and is forgotten", async () => {
  const stand = new Stand();
  stand.world.backend.beforeQuery = () => Promise.reject(new Error("bug"));
  const both = await Promise.allSettled([stand.query("get"), stand.query("get")]);
  assert.deepEqual(both.map(({ status }) => status), ["rejected", "rejected"]);
  assert.equal(stand.runs, 1);
  stand.world.backend.beforeQuery = () => Promise.resolve();
  assert.equal(await stand.query("get", { name: "x" }), 0);
});

Deno.test("a result that looked at the clock is given to new requests for 17 s", async () => {
  const stand = new Stand();
  await stand.query("clock");
  await stand.world.clock.advance(17_000);
  await stand.query("clock");
  assert.equal(stand.runs, 1);
  await stand.world.clock.advance(1);
  await stand.query("clock");
  assert.equal(stand.runs, 1);
  await stand.query("clock");
  assert.equal(stand.runs, 0);
});

Deno.test("a result is found under the journal that it produced", async () => {
  const stand = new Stand();
  assert.deepEqual(await stand.query("page"), ["end:0", 0]);
  assert.deepEqual(await stand.query("page", {}, { journal: "end:0" }), ["end:0", 0]);
  assert.deepEqual(await stand.query("page"), ["end:0", 0]);
  assert.equal(stand.runs, 1);
  assert.deepEqual(await stand.query("page", {}, { journal: "end:9" }), ["end:9", 0]);
});

Deno.test("memory is bounded: the least recently used result leaves first", async () => {
  const stand = new Stand({ cacheBytesMax: 5000 });
  const { cache, subscriptions } = stand.world;
  for (const name of ["a", "b", "c"]) await stand.query("get", { name });
  await stand.query("get", { name: "a" });
  for (const name of ["d", "e"]) await stand.query("get", { name });
  assert.ok(cache.stats().bytes <= 5000);
  assert.equal(subscriptions.size, cache.stats().entries, "what left is not watched");
  stand.world.backend.runs.length = 0;
  await stand.query("get", { name: "a" });
  assert.equal(stand.runs, 0);
  await stand.query("get", { name: "b" });
  assert.equal(stand.runs, 1);
});

Deno.test("a subscription survives when its result leaves the cache", async () => {
  const stand = new Stand({ cacheBytesMax: 0 });
  const { cache, backend, subscriptions } = stand.world;
  const call = stand.call("get", { name: "x" });
  const request = {
    key: new QueryKey(call, null),
    identity: ANONYMOUS,
    perIdentity: false,
    call: () => call,
  };
  const { entry } = await cache.fetch(request, subscriptions.latest());
  let invalidations = 0;
  const subscriber = { invalidated: () => void invalidations++ };
  assert.equal(cache.subscribe(entry, subscriber), true);
  assert.deepEqual([cache.stats().bytes, subscriptions.size], [0, 1]);
  backend.commit({ x: 1 });
  backend.commit({ x: 2 });
  assert.equal(invalidations, 1);
  assert.equal(cache.subscribe(entry, subscriber), false, "it no longer stands");
  assert.equal(subscriptions.size, 0);
});
