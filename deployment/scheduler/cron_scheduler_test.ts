import assert from "node:assert/strict";
import { asCronJob, type CronJob } from "./cron_jobs.ts";
import { CronScheduler } from "./cron_scheduler.ts";
import { replaceCrons } from "../cron_specs.ts";
import { NO_ORIGIN } from "../audit_log.ts";
import { pause } from "../deployment_state.ts";
import { SchedulerStand } from "./testing/stand.ts";

const MINUTE_MS = 60_000;

function declared(name: string, schedule: Record<string, string | number>) {
  return { identifier: "job", spec: { name: `crons:${name}`, args: [{}], schedule } };
}

const EVERY_MINUTE = { type: "interval", minutes: 1 };

class CronStand {
  scheduler: CronScheduler;

  private constructor(readonly stand: SchedulerStand) {
    this.scheduler = new CronScheduler(stand.options);
  }

  static async open(): Promise<CronStand> {
    return new CronStand(await SchedulerStand.open());
  }

  async push(...specs: ReturnType<typeof declared>[]) {
    return (await this.stand.engine.transact((tx) => replaceCrons(tx, "", specs))).value;
  }

  get job(): CronJob {
    return this.stand.engine.read((tx) => asCronJob(tx.table("cronJobs").all()[0]!)).value;
  }

  /** The types of the noted runs, oldest first. */
  get statuses(): string[] {
    const rows = this.stand.engine.read((tx) => tx.table("cronJobLogs").all()).value;
    return rows.map(({ status }) => (status as { type: string }).type);
  }

  /** Lets everything run that is due. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await this.scheduler.settled();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async advance(ms: number): Promise<void> {
    this.stand.clock.ms += ms;
    this.scheduler.stop();
    this.scheduler = new CronScheduler(this.stand.options);
    await this.scheduler.start();
    await this.turn();
  }

  async close(): Promise<void> {
    this.scheduler.stop();
    await this.stand.close();
  }
}

function cronTest(name: string, body: (crons: CronStand) => Promise<void>): void {
  Deno.test(name, async () => {
    const crons = await CronStand.open();
    try {
      await body(crons);
      assert.deepEqual(crons.stand.faults, []);
    } finally {
      await crons.close();
    }
  });
}

cronTest("an interval runs at the push and then at its times", async (crons) => {
  let runs = 0;
  crons.stand.mutations.set("tick", () => void runs++);
  await crons.scheduler.start();
  const start = crons.stand.clock.ms;
  const diff = await crons.push(declared("tick", EVERY_MINUTE));
  assert.deepEqual(diff, { added: ["job"], updated: [], deleted: [] });
  await crons.turn();
  assert.equal(runs, 1);
  assert.equal(crons.job.nextTs, start + MINUTE_MS);
  await crons.advance(MINUTE_MS + 5);
  assert.equal(runs, 2);
  assert.equal(crons.job.nextTs, start + 2 * MINUTE_MS, "it counts from the planned time");
  assert.deepEqual(crons.statuses, ["success", "success"]);
});

cronTest("after downtime one late run, then the rest is skipped", async (crons) => {
  let runs = 0;
  crons.stand.mutations.set("tick", () => void runs++);
  await crons.push(declared("tick", EVERY_MINUTE));
  await crons.scheduler.start();
  await crons.turn();
  const { _id, nextTs } = crons.job;
  await crons.advance(10 * MINUTE_MS + 5);
  assert.equal(runs, 2);
  assert.equal(crons.job.nextTs, nextTs + 10 * MINUTE_MS);
  assert.deepEqual(crons.statuses, ["success", "success", "canceled"]);
  assert.deepEqual(crons.stand.loggedErrors, [
    `Skipping 9 run(s) of job ${_id} because multiple scheduled runs are in the past`,
  ]);
});

cronTest("an error is noted and the job goes on; five notes are kept", async (crons) => {
  crons.stand.mutations.set("tick", () => {
    throw new Error("no");
  });
  await crons.push(declared("tick", EVERY_MINUTE));
  await crons.scheduler.start();
  for (let i = 0; i < 7; i++) await crons.advance(MINUTE_MS);
  assert.deepEqual(crons.statuses, Array(5).fill("err"));
  assert.equal(crons.job.state.kind, "pending");
});

cronTest("an action that was cut off counts as failed and is not run again", async (crons) => {
  let runs = 0;
  let finish = () => {};
  crons.stand.actions.set("tick", () => {
    runs++;
    return new Promise((resolve) => finish = resolve);
  });
  await crons.push(declared("tick", EVERY_MINUTE));
  await crons.scheduler.start();
  await crons.stand.until(() => runs === 1);
  assert.equal(crons.job.state.kind, "inProgress");
  // Another process takes over; the old one is as good as dead.
  const next = new CronScheduler(crons.stand.options);
  await next.start();
  next.stop();
  assert.equal(runs, 1);
  assert.equal(crons.job.state.kind, "pending");
  assert.deepEqual(crons.statuses, ["err"]);
  assert.deepEqual(crons.stand.loggedErrors, ["Transient error while executing action"]);
  finish();
  await crons.turn();
  assert.deepEqual(crons.statuses, ["err"], "the late end of the old run changes nothing");
});

cronTest("nothing runs while the deployment is paused", async (crons) => {
  let runs = 0;
  crons.stand.mutations.set("tick", () => void runs++);
  await crons.stand.engine.transact((tx) => pause(tx, NO_ORIGIN));
  await crons.push(declared("tick", EVERY_MINUTE));
  await crons.scheduler.start();
  await crons.turn();
  assert.equal(runs, 0);
});

cronTest("a push keeps the cadence of what it does not change", async (crons) => {
  crons.stand.mutations.set("tick", () => {}).set("other", () => {});
  const hourly = { type: "interval", hours: 1 };
  await crons.push(declared("tick", hourly));
  await crons.scheduler.start();
  await crons.turn();
  const { _id, nextTs } = crons.job;
  crons.stand.clock.ms += MINUTE_MS;
  assert.deepEqual((await crons.push(declared("tick", hourly))).updated, []);
  assert.deepEqual((await crons.push(declared("other", hourly))).updated, ["job"]);
  assert.equal(crons.job.nextTs, nextTs, "another function, the same times");
  await crons.push(declared("other", { type: "daily", hourUTC: 5, minuteUTC: 0 }));
  assert.equal(crons.job._id, _id);
  assert.equal(new Date(crons.job.nextTs).toISOString(), "2026-11-22T05:00:00.000Z");
  assert.deepEqual((await crons.push()).deleted, ["job"]);
  assert.deepEqual(crons.statuses, []);
});

cronTest("a function that is gone is an error", async (crons) => {
  await crons.push(declared("gone", EVERY_MINUTE));
  await crons.scheduler.start();
  await crons.turn();
  assert.deepEqual(crons.statuses, ["err"]);
  assert.match(crons.stand.loggedErrors[0]!, /^Couldn't find JavaScript module 'crons\.js'/);
});
