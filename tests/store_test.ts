// The shop of examples/store: stock that runs out is never sold twice.
import assert from "node:assert/strict";
import { ConvexError } from "convex/values";
import { App } from "./harness/app.ts";
import { httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

interface Item {
  readonly _id: string;
  readonly name: string;
  readonly remaining: number;
}

async function restock(server: Server, name: string, price: number, quantity: number) {
  await using app = await App.copy("examples/store");
  const result = await app.cli(server, [
    "run",
    "store:restock",
    JSON.stringify({ name, price, quantity }),
  ]);
  assert.equal(result.code, 0, result.stderr);
}

Deno.test("thirty shoppers race for ten teapots: ten get one, the others learn why not", async () => {
  await using server = await serverWithApp("examples/store");
  await restock(server, "Teapot", 20, 10);
  await restock(server, "Cup", 4, 50);
  await using shopFront = new LiveClient(server);
  const shelf = shopFront.watch("store:available");
  await shelf.until((items) => (items as Item[]).length === 2);
  const items = shelf.results.at(-1) as Item[];
  assert.deepEqual(items.map((item) => item.name), ["Teapot", "Cup"], "fewest left first");
  const teapot = items[0]!._id;

  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, (_, i) =>
      httpClient(server).mutation(mutation("store:addToCart"), {
        shopper: `shopper ${i}`,
        item: teapot,
      })),
  );
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.equal(refused.length, 20);
  for (const { reason } of refused) {
    assert.ok(reason instanceof ConvexError, reason);
    assert.deepEqual(reason.data, { code: "OutOfStock", item: "Teapot" });
  }
  await shelf.until((shown) => (shown as Item[]).every((item) => item.name !== "Teapot"));
  for (const shown of shelf.results as Item[][]) {
    for (const item of shown) assert.ok(item.remaining > 0);
  }

  const winner = `shopper ${outcomes.findIndex((outcome) => outcome.status === "fulfilled")}`;
  const client = httpClient(server);
  const cart = await client.query(query("store:cart"), { shopper: winner });
  assert.deepEqual([cart.total, cart.lines.length, cart.lines[0].quantity], [20, 1, 1]);
  await client.mutation(mutation("store:removeFromCart"), { shopper: winner, item: teapot });
  await shelf.until((shown) =>
    (shown as Item[]).some((item) => item.name === "Teapot" && item.remaining === 1)
  );
});
