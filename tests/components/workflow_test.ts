// @convex-dev/workflow in a pushed app: steps, retries, an event, and a server that ends between them.
import assert from "node:assert/strict";
import { LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";
import { historyUntil, outcomesOf } from "./task_history.ts";

const APP = "tests/apps/components";
const BOOK_AFTER_MS = 3000;
const ORDER = "order 1";

const attemptsOf = async (client: LiveClient, task: string) =>
  (await client.query(query("tasks:history"), { task })).attempts;

/** Has the workflow reach the event that it waits for. */
async function untilBooked(client: LiveClient): Promise<void> {
  await historyUntil(client, `${ORDER} book`, ({ attempts }) => attempts === 1);
}

async function place(client: LiveClient, bookAfterMs: number): Promise<string> {
  return await client.mutation(mutation("orders:place"), { order: ORDER, bookAfterMs });
}

async function killAndStart(server: Server): Promise<void> {
  await server.kill();
  await server.restart();
}

Deno.test("workflow: steps go on after the server was killed between them, each done once", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const id = await place(client, BOOK_AFTER_MS);
  await historyUntil(client, `${ORDER} price`, ({ attempts }) => attempts === 1);
  await waitForRunning(client, id, "orders:book");
  assert.equal(await attemptsOf(client, `${ORDER} book`), 0);
  await killAndStart(server);
  await untilBooked(client);

  await waitForRunning(client, id, "paid");
  await server.restart();
  assert.equal((await client.query(query("orders:status"), { id })).type, "inProgress");
  await client.mutation(mutation("orders:pay"), { id, amount: 12 });
  const { outcomes } = await outcomesOf(client, ORDER, 1);
  const returnValue = [
    `${ORDER} price: attempt 1`,
    `booked ${ORDER}`,
    "paid 12",
    `${ORDER} ship: attempt 2`,
  ].join("; ");
  assert.deepEqual(outcomes, [{ kind: "success", returnValue }]);
  assert.deepEqual(await client.query(query("orders:status"), { id }), {
    type: "completed",
    result: returnValue,
  });
  assert.equal(await attemptsOf(client, `${ORDER} price`), 1);
  assert.equal(await attemptsOf(client, `${ORDER} book`), 1);
  assert.equal(await attemptsOf(client, `${ORDER} ship`), 2);
});

Deno.test("workflow: one that waits for an event is cancelled and does no more", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const id = await place(client, 0);
  await untilBooked(client);
  await waitForRunning(client, id, "paid");
  await client.mutation(mutation("orders:cancel"), { id });
  const { outcomes } = await outcomesOf(client, ORDER, 1);
  assert.deepEqual(outcomes, [{ kind: "canceled" }]);
  assert.deepEqual(await client.query(query("orders:status"), { id }), { type: "canceled" });
  assert.equal(await attemptsOf(client, `${ORDER} ship`), 0);
});

/** Waits until a step of this name is under way. */
async function waitForRunning(client: LiveClient, id: string, name: string): Promise<void> {
  const status = client.watch("orders:status", { id });
  const isRunning = (now: unknown) => {
    const { running = [] } = now as { running?: { name: string }[] };
    return running.some((step) => step.name.includes(name));
  };
  await status.until(isRunning, 60_000);
  status.stop();
}
