import assert from "node:assert/strict";
import { FakeWorld, SESSION_A } from "./testing/fake_world.ts";

Deno.test("a query is answered, and again when a commit touches what it read", async () => {
  const world = new FakeWorld();
  const client = world.client();
  client.connect(SESSION_A);
  client.add(0, "get", { name: "x" });
  await world.settle();
  assert.deepEqual(client.told.get(0), { value: 0, journal: null, logLines: [] });
  assert.equal(client.of("Transition").length, 1);

  world.backend.commit({ y: 1 });
  await world.settle();
  assert.equal(client.of("Transition").length, 1, "an unrelated commit says nothing");

  const ts = world.backend.commit({ x: 5 });
  await world.settle();
  assert.equal(client.told.get(0)?.value, 5);
  assert.equal(client.ts, ts);
});

Deno.test("a mutation is answered before the Transition that shows it", async () => {
  const world = new FakeWorld();
  const client = world.client();
  client.connect(SESSION_A);
  client.add(0, "get", { name: "x" });
  await world.settle();
  client.take();
  let release = () => {};
  world.backend.beforeAnswer = () => new Promise((resolve) => release = resolve);
  client.mutate(0, "set", { name: "x", value: 3 });
  await world.settle();
  assert.deepEqual(client.take(), [], "the commit is durable, its answer is not there yet");
  release();
  await world.settle();
  const types = client.received.map((message) => message.type);
  assert.equal(types[0], "MutationResponse");
  assert.equal(types[1], "Transition");
  assert.equal(client.told.get(0)?.value, 3);
});
