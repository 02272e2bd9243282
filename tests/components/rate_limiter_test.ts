// @convex-dev/rate-limiter and @convex-dev/sharded-counter in a pushed app.
import assert from "node:assert/strict";
import { ConvexError } from "convex/values";
import { httpClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";

Deno.test("rate limiter: a bucket empties, refuses, throws and is reset, for each user alone", async () => {
  await using server = await serverWithApp("tests/apps/components");
  const client = httpClient(server);
  const send = (user: string, count?: number) =>
    client.mutation(mutation("limits:send"), { user, ...(count === undefined ? {} : { count }) });
  assert.deepEqual(await send("ann", 2), { ok: true, waits: false });
  assert.deepEqual(await send("ann"), { ok: true, waits: false });
  assert.deepEqual(await send("ann"), { ok: false, waits: true });
  assert.equal(await client.query(query("limits:left"), { user: "ann" }), 0);
  assert.equal(await client.query(query("limits:left"), { user: "bob" }), 3);
  await assert.rejects(
    client.mutation(mutation("limits:sendOrThrow"), { user: "ann" }),
    (error: unknown) =>
      error instanceof ConvexError && error.data.kind === "RateLimited" &&
      error.data.name === "messages" && error.data.retryAfter > 0,
  );
  await client.mutation(mutation("limits:reset"), { user: "ann" });
  assert.equal(await client.query(query("limits:left"), { user: "ann" }), 3);
});

Deno.test("sharded counter: concurrent additions are all counted", async () => {
  await using server = await serverWithApp("tests/apps/components");
  const client = httpClient(server);
  const amounts = Array.from({ length: 30 }, (_, i) => i);
  await Promise.all(
    amounts.map((amount) =>
      httpClient(server).mutation(mutation("counters:add"), { name: "likes", amount })
    ),
  );
  assert.equal(await client.query(query("counters:count"), { name: "likes" }), 435);
  assert.equal(await client.query(query("counters:count"), { name: "other" }), 0);
  await client.mutation(mutation("counters:reset"), { name: "likes" });
  assert.equal(await client.query(query("counters:count"), { name: "likes" }), 0);
});
