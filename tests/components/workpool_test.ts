// @convex-dev/workpool in a pushed app: parallelism, retries, callbacks, status, cancelling.
import assert from "node:assert/strict";
import { httpClient, LiveClient, mutation } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import { type History, outcomesOf } from "./task_history.ts";

const APP = "tests/apps/components";

Deno.test("workpool: ten actions run two at a time, each calls back once with its result", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const tasks = Array.from({ length: 10 }, (_, i) => `task ${i}`);
  await Promise.all(
    tasks.map((task) =>
      httpClient(server).mutation(mutation("workpool:enqueue"), { task, failures: 0 })
    ),
  );
  const histories: History[] = [];
  for (const task of tasks) histories.push(await outcomesOf(client, task, 1));
  histories.forEach(({ attempts, outcomes }, i) => {
    assert.equal(attempts, 1);
    assert.deepEqual(outcomes, [{ kind: "success", returnValue: `task ${i}: attempt 1` }]);
  });
  const alongside = histories.map((history) => history.alongside[0]!);
  assert.ok(alongside.every((others) => others < 2), `${alongside}`);
});

Deno.test("workpool: failures are retried as often as said, permanent ones never", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const run = async (task: string, more: Record<string, unknown>) => {
    await client.mutation(mutation("workpool:enqueue"), { task, ...more });
    const { attempts, outcomes } = await outcomesOf(client, task, 1);
    const [outcome] = outcomes as { kind: string; returnValue?: string; error?: string }[];
    return { attempts, outcome: outcome! };
  };
  const recovered = await run("flaky", { failures: 2 });
  assert.deepEqual(recovered, {
    attempts: 3,
    outcome: { kind: "success", returnValue: "flaky: attempt 3" },
  });
  const failed = await run("broken", { failures: 99 });
  assert.equal(failed.attempts, 3);
  assert.equal(failed.outcome.kind, "failed");
  assert.match(failed.outcome.error!, /broken: attempt 3 failed/);
  const refused = await run("refused", { failures: 99, permanent: true });
  assert.equal(refused.attempts, 1);
  assert.equal(refused.outcome.kind, "failed");
  assert.match(refused.outcome.error!, /refused: attempt 1 failed/);
});

Deno.test("workpool: a batch of mutations, a live status, and work that is cancelled before it starts", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  await client.mutation(mutation("workpool:enqueueMutations"), { task: "doubles", count: 5 });
  const { outcomes } = await outcomesOf(client, "doubles", 5);
  const values = (outcomes as { returnValue: number }[]).map(({ returnValue }) => returnValue);
  assert.deepEqual(values.toSorted((a, b) => a - b), [0, 2, 4, 6, 8]);

  const later = { task: "later", failures: 0, runAfterMs: 60 * 60 * 1000 };
  const id = await client.mutation(mutation("workpool:enqueue"), later);
  const status = client.watch("workpool:status", { id });
  assert.deepEqual(await status.until(() => true), { state: "pending", previousAttempts: 0 });
  await client.mutation(mutation("workpool:cancel"), { id });
  await status.until((now) => (now as { state: string }).state === "finished", 30_000);
  const cancelled = await outcomesOf(client, "later", 1);
  assert.deepEqual(cancelled, { attempts: 0, alongside: [], outcomes: [{ kind: "canceled" }] });
});
