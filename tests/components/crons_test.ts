// @convex-dev/crons in a pushed app: jobs registered at run time, through their scheduled runs.
import assert from "node:assert/strict";
import { httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";

const APP = "tests/apps/components";
const EVERY_SECOND = { kind: "interval", ms: 1000 };

Deno.test("crons: an interval and a cron expression run again and again until they are deleted", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const register = (schedule: unknown, text: string, name?: string) =>
    client.mutation(mutation("reminders:register"), {
      schedule,
      text,
      ...(name === undefined ? {} : { name }),
    });
  const start = Date.now();
  const interval = await register(EVERY_SECOND, "interval", "named");
  const cron = await register({ kind: "cron", cronspec: "*/1 * * * * *" }, "cron");
  const hourly = await register(
    { kind: "cron", cronspec: "0 * * * *", tz: "America/New_York" },
    "hourly",
  );
  const atLeast = (count: number) => (times: unknown) => (times as number[]).length >= count;
  const runs = ["interval", "cron"].map((text) => client.watch("reminders:reminded", { text }));
  for (const each of runs) {
    const times = await each.until(atLeast(3), 30_000) as number[];
    assert.ok(times.every((time, i) => time >= start + 1000 * i), `${times} after ${start}`);
  }

  const list = await client.query(query("reminders:list"), {});
  assert.deepEqual(list.map(({ id }: { id: string }) => id), [interval, cron, hourly]);
  assert.deepEqual(
    list.map(({ args }: { args: unknown }) => args),
    [{ text: "interval" }, { text: "cron" }, { text: "hourly" }],
  );
  const byName = { name: "named" };
  const named = await client.query(query("reminders:get"), { identifier: byName });
  assert.equal(named.id, interval);
  assert.deepEqual(named.schedule, EVERY_SECOND);

  await assert.rejects(register(EVERY_SECOND, "x", "named"), /"named" already exists/);
  await assert.rejects(register({ kind: "interval", ms: 10 }, "x"), /Interval must be >= 1000ms/);
  await assert.rejects(
    register({ kind: "cron", cronspec: "no cron" }, "x"),
    /Invalid cronspec: "no cron"/,
  );

  await client.mutation(mutation("reminders:remove"), { identifier: byName });
  await client.mutation(mutation("reminders:remove"), { identifier: { id: hourly } });
  assert.equal(await client.query(query("reminders:get"), { identifier: byName }), null);
  const ended = await client.query(query("reminders:reminded"), { text: "interval" });
  await runs[1]!.until(atLeast((runs[1]!.results.at(-1) as number[]).length + 2), 30_000);
  assert.deepEqual(await client.query(query("reminders:reminded"), { text: "interval" }), ended);
});

Deno.test("crons: a job deletes itself in its first run, and others go on after a restart", async () => {
  await using server = await serverWithApp(APP);
  await httpClient(server).mutation(mutation("reminders:registerOnce"), { name: "once" });
  await httpClient(server).mutation(mutation("reminders:register"), {
    schedule: EVERY_SECOND,
    text: "lasting",
  });
  {
    await using client = new LiveClient(server);
    const once = client.watch("reminders:reminded", { text: "once" });
    await once.until((times) => (times as number[]).length === 1, 30_000);
  }
  assert.equal((await httpClient(server).query(query("reminders:list"), {})).length, 1);
  await server.kill();
  await server.restart();
  await using client = new LiveClient(server);
  const lasting = client.watch("reminders:reminded", { text: "lasting" });
  const before = await client.query(query("reminders:reminded"), { text: "lasting" });
  await lasting.until((times) => (times as number[]).length >= before.length + 2, 30_000);
  const once = await client.query(query("reminders:reminded"), { text: "once" });
  assert.equal(once.length, 1);
});
