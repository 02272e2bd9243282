// @convex-dev/aggregate in a pushed app: counts, sums and ranks kept beside a table.
import assert from "node:assert/strict";
import { httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";

const APP = "tests/apps/components";

Deno.test("aggregate: sums, ranks and pages of a table follow its inserts, changes and deletions", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  const game = "chess";
  const add = (points: number, into = game) =>
    client.mutation(mutation("leaderboard:add"), { game: into, player: `p${points}`, points });
  const summary = (of = game) => client.query(query("leaderboard:summary"), { game: of });
  assert.deepEqual(await summary(), {
    count: 0,
    sum: 0,
    least: null,
    greatest: null,
    median: null,
  });

  // More than one node of the tree holds; in an order that is not that of the keys.
  const points = Array.from({ length: 60 }, (_, i) => (i * 37) % 60);
  const ids = new Map<number, string>();
  for (const each of points) ids.set(each, await add(each));
  await add(1000, "go");
  assert.deepEqual(await summary(), { count: 60, sum: 1770, least: 0, greatest: 59, median: 30 });
  assert.deepEqual(await summary("go"), {
    count: 1,
    sum: 1000,
    least: 1000,
    greatest: 1000,
    median: 1000,
  });
  assert.equal(await client.query(query("leaderboard:countAbove"), { game, points: 45 }), 14);
  assert.equal(await client.query(query("leaderboard:rank"), { game, points: 57 }), 2);
  assert.deepEqual(
    await client.query(query("leaderboard:page"), { game, offset: 10, size: 3 }),
    ["p49", "p48", "p47"],
  );
  const ascending = (list: number[]) => list.toSorted((a, b) => a - b);
  assert.deepEqual(await client.query(query("leaderboard:all"), { game }), ascending(points));

  await client.mutation(mutation("leaderboard:change"), { id: ids.get(0)!, points: 100 });
  await client.mutation(mutation("leaderboard:remove"), { id: ids.get(1)! });
  assert.deepEqual(await summary(), { count: 59, sum: 1869, least: 2, greatest: 100, median: 31 });

  // A document counted twice is refused, and what its mutation wrote before goes with it.
  await assert.rejects(
    client.mutation(mutation("leaderboard:countTwice"), { id: ids.get(2)! }),
    /already exists/,
  );
  assert.equal((await summary()).count, 59);
  await client.mutation(mutation("leaderboard:clear"), { game });
  assert.equal((await summary()).count, 0);
  assert.equal((await summary("go")).count, 1);
});

Deno.test("aggregate: a live sum follows concurrent writers", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const summary = client.watch("leaderboard:summary", { game: "race" });
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      httpClient(server).mutation(mutation("leaderboard:add"), {
        game: "race",
        player: `p${i}`,
        points: i,
      })),
  );
  const last = await summary.until((result) => (result as { count: number }).count === 20);
  assert.equal((last as { sum: number }).sum, 190);
});

Deno.test("aggregate: values without a table, at once and by its queue, are grouped by a prefix", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const report = (task: string, durationMs: number, async: boolean) =>
    client.mutation(mutation("leaderboard:report"), {
      task,
      durationMs,
      id: crypto.randomUUID(),
      async,
    });
  await report("build", 30, false);
  await report("build", 50, false);
  await report("test", 900, false);
  assert.deepEqual(await client.query(query("leaderboard:longest"), { task: "build" }), {
    key: ["build", 50],
    total: 80,
  });
  const longest = client.watch("leaderboard:longest", { task: "build" });
  await Promise.all([60, 70, 80].map((durationMs) => report("build", durationMs, true)));
  const last = await longest.until((it) => (it as { total: number }).total === 290, 30_000);
  assert.deepEqual((last as { key: unknown }).key, ["build", 80]);
});
