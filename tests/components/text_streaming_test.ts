// @convex-dev/persistent-text-streaming in a pushed app: tokens over HTTP, the body in the database.
import assert from "node:assert/strict";
import { LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

const APP = "tests/apps/components";
const TOKENS = ["Hello", " there.", " How", " are you?", " Bye"];

async function ask(server: Server, stream: string, tokens: readonly string[]): Promise<Response> {
  const body = JSON.stringify({ stream, tokens });
  return await fetch(`${server.siteUrl}/chat-stream`, { method: "POST", body });
}

const statusIs = (status: string) => (now: unknown) =>
  (now as { status: string }).status === status;

Deno.test("text streaming: each token arrives before the next is written; sentences are stored", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const stream = await client.mutation(mutation("chat:create"), {});
  const stored = client.watch("chat:body", { stream });
  assert.deepEqual(await stored.until(() => true), { text: "", status: "pending" });

  const response = await ask(server, stream, TOKENS);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  for (const token of TOKENS) {
    // The writer goes on only when it is told that this one has arrived.
    const { value } = await reader.read();
    assert.equal(value, token);
    seen += value;
    const sentences = seen.slice(0, Math.max(seen.lastIndexOf("."), seen.lastIndexOf("?")) + 1);
    await stored.until((now) => (now as { text: string }).text === sentences, 30_000);
    await client.mutation(mutation("chat:acknowledge"), { stream });
  }
  assert.equal((await reader.read()).done, true);
  const final = await stored.until(statusIs("done"), 30_000);
  assert.deepEqual(final, { text: TOKENS.join(""), status: "done" });
  const again = await ask(server, stream, TOKENS);
  assert.deepEqual([again.status, await again.text()], [205, ""], "it has been written already");
});

Deno.test("text streaming: a reader that leaves does not stop the writer; a writer that fails says so", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const left = await client.mutation(mutation("chat:create"), {});
  const response = await ask(server, left, ["One.", " Two."]);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  for (let i = 0; i < 2; i++) await client.mutation(mutation("chat:acknowledge"), { stream: left });
  const stored = client.watch("chat:body", { stream: left });
  assert.deepEqual(await stored.until(statusIs("done"), 30_000), {
    text: "One. Two.",
    status: "done",
  });

  const failed = await client.mutation(mutation("chat:create"), {});
  await client.mutation(mutation("chat:acknowledge"), { stream: failed });
  const cut = await ask(server, failed, ["One.", "FAIL"]);
  assert.equal(await cut.text(), "One.");
  await client.watch("chat:body", { stream: failed }).until(statusIs("error"), 30_000);
  assert.equal((await client.query(query("chat:body"), { stream: failed })).text, "One.");
});
