import assert from "node:assert/strict";
import { HandlerDeadline } from "./handler_deadline.ts";

const TIMEOUT_MS = 20;

Deno.test("handlers that never answer get 408, each in its turn", async () => {
  const deadline = new HandlerDeadline(TIMEOUT_MS);
  const never = () => new Promise<Response>(() => {});
  const first = deadline.bound(never());
  const second = Promise.resolve(first).then(() => deadline.bound(never()));
  assert.equal((await first).status, 408);
  assert.equal((await second).status, 408);
});

Deno.test("an answer that comes too late is not waited for by who writes it", async () => {
  const deadline = new HandlerDeadline(TIMEOUT_MS);
  const { promise, resolve } = Promise.withResolvers<Response>();
  const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
  assert.equal((await deadline.bound(promise)).status, 408);
  resolve(new Response(new ReadableStream({ cancel: () => cancel() })));
  await cancelled;
});

Deno.test("an answer in time is passed on, and so is an error", async () => {
  const deadline = new HandlerDeadline(TIMEOUT_MS);
  const ready = new Response("ready");
  assert.equal(deadline.bound(ready), ready);
  const later = new Response("later");
  assert.equal(await deadline.bound(Promise.resolve(later)), later);
  await assert.rejects(async () => await deadline.bound(Promise.reject(new Error("boom"))), /boom/);
});
