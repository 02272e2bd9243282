// @convex-dev/prosemirror-sync in a pushed app: two editors of one document, who rebase on each other,
// and changes that the server makes.
import assert from "node:assert/strict";
import { action, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";

const APP = "tests/apps/components";

/** A step of ProseMirror that inserts text, as editors send it. */
const insertion = (at: number, text: string) =>
  JSON.stringify({
    stepType: "replace",
    from: at,
    to: at,
    slice: { content: [{ type: "text", text }] },
  });

Deno.test("prosemirror sync: steps of two editors are ordered, the later one rebases", async () => {
  await using server = await serverWithApp(APP);
  await using ann = new LiveClient(server);
  await using bob = new LiveClient(server);
  const id = "notes";
  assert.deepEqual(await ann.query(query("documents:getSnapshot"), { id }), { content: null });
  await ann.mutation(mutation("documents:create"), { id, text: "abc" });
  const versions = bob.watch("documents:latestVersion", { id });
  await versions.until((version) => version === 1);

  const submit = (client: LiveClient, clientId: string, version: number, steps: string[]) =>
    client.mutation(mutation("documents:submitSteps"), { id, version, clientId, steps });
  const annsSteps = [insertion(1, "1"), insertion(2, "2")];
  assert.deepEqual(await submit(ann, "ann", 1, annsSteps), { status: "synced" });
  await versions.until((version) => version === 3);
  assert.deepEqual(await submit(bob, "bob", 1, [insertion(4, "!")]), {
    status: "needs-rebase",
    clientIds: ["ann", "ann"],
    steps: annsSteps,
  });
  assert.deepEqual(await bob.query(query("documents:getSteps"), { id, version: 1 }), {
    steps: annsSteps,
    clientIds: ["ann", "ann"],
    version: 3,
  });
  assert.deepEqual(await submit(bob, "bob", 3, [insertion(6, "!")]), { status: "synced" });
  assert.deepEqual(await ann.action(action("documents:text"), { id }), {
    text: "12abc!",
    version: 4,
  });
});

Deno.test("prosemirror sync: the server transforms a document; snapshots and permissions", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const id = "letter";
  await client.mutation(mutation("documents:create"), { id, text: "world" });
  const latest = client.watch("documents:getSnapshot", { id });
  const text = await client.action(action("documents:prepend"), { id, text: "Hello " });
  assert.equal(text, "Hello world");
  const snapshot = await latest.until((now) => (now as { version: number }).version === 2);
  const { content } = snapshot as { content: string };
  const paragraph = { type: "paragraph", content: [{ type: "text", text }] };
  assert.deepEqual(JSON.parse(content), { type: "doc", content: [paragraph] });
  const first = await client.query(query("documents:getSnapshot"), { id, version: 1 });
  assert.equal(first.version, 1, "the original is kept");

  const submitSnapshot = (id: string, version: number, content: string) =>
    client.mutation(mutation("documents:submitSnapshot"), { id, version, content });
  await submitSnapshot(id, 2, content);
  await assert.rejects(submitSnapshot(id, 2, "{}"), /already exists with different content/);
  await assert.rejects(submitSnapshot("locked letter", 1, "{}"), /This document is locked/);
});
