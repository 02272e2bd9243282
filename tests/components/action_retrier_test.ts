// @convex-dev/action-retrier in a pushed app: retries, the last failure, cancelling, cleaning up.
import assert from "node:assert/strict";
import { LiveClient, mutation } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import { historyUntil, outcomesOf } from "./task_history.ts";

const APP = "tests/apps/components";

interface Status {
  readonly type: string;
  readonly result?: { readonly type: string; readonly error?: string };
}

const isCompleted = (now: unknown) => (now as Status).type === "completed";

Deno.test("action retrier: an action runs until it succeeds or has failed too often", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const run = async (task: string, failures: number) => {
    const id = await client.mutation(mutation("retrier:run"), { task, failures });
    const status = client.watch("retrier:status", { id });
    const { result } = await status.until(isCompleted, 60_000) as Status;
    const { attempts } = await historyUntil(client, task, () => true);
    const { outcomes } = await outcomesOf(client, id, 1);
    assert.deepEqual(outcomes, [result], "the callback is told what the status says");
    return { attempts, result: result! };
  };
  assert.deepEqual(await run("flaky", 2), {
    attempts: 3,
    result: { type: "success", returnValue: "flaky: attempt 3" },
  });
  const broken = await run("broken", 99);
  assert.equal(broken.attempts, 4, "once, and three retries");
  assert.equal(broken.result.type, "failed");
  assert.match(broken.result.error!, /broken: attempt 4 failed/);
});

Deno.test("action retrier: a run that waits can be cancelled; completed ones can be cleaned up", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const later = { task: "later", afterMs: 60 * 60 * 1000 };
  const id = await client.mutation(mutation("retrier:runLater"), later);
  const status = client.watch("retrier:status", { id });
  assert.deepEqual(await status.until(() => true), { type: "inProgress" });
  await client.mutation(mutation("retrier:cancel"), { id });
  const completed = await status.until(isCompleted, 60_000) as Status;
  assert.deepEqual(completed.result, { type: "canceled" });
  const { outcomes } = await outcomesOf(client, id, 1);
  assert.deepEqual(outcomes, [{ type: "canceled" }]);
  assert.equal((await historyUntil(client, "later", () => true)).attempts, 0);

  await client.mutation(mutation("retrier:cleanup"), { id });
  const gone = await status.until((now) => now instanceof Error, 30_000) as Error;
  assert.match(gone.message, /not found|Server Error/);
});
