import assert from "node:assert/strict";
import { PlatformError } from "../../engine/errors.ts";
import { asJob, cancelJob, insertJob, type StoredJob } from "../../engine/scheduled_jobs.ts";
import { NO_ORIGIN } from "../audit_log.ts";
import { pause, unpause } from "../deployment_state.ts";
import { findDueJobs } from "./due_jobs.ts";
import {
  cancelAllJobs,
  deleteAllJobs,
  FINISHED_JOB_RETENTION_MS,
  FinishedJobCollection,
} from "./job_maintenance.ts";
import { JobRunner } from "./job_runner.ts";
import { JobScheduler } from "./job_scheduler.ts";
import { SchedulerStand } from "./testing/stand.ts";

class JobStand {
  readonly scheduler: JobScheduler;

  constructor(readonly stand: SchedulerStand, concurrency: number) {
    const { options } = stand;
    this.scheduler = new JobScheduler({ ...options, runner: new JobRunner(options), concurrency });
  }

  /** Schedules `name` once for each delay; the ids in that order. */
  async add(name: string, ...delaysMs: number[]): Promise<string[]> {
    const { value } = await this.stand.engine.transact((tx) =>
      delaysMs.map((delayMs) => {
        const job = { component: "", name: `jobs.js:${name}`, args: `[{"delayMs":${delayMs}}]` };
        return insertJob(tx, "", { ...job, scheduledTime: tx.nowMs + delayMs }, false);
      })
    );
    return value;
  }

  job(id: string): StoredJob {
    return this.stand.engine.read((tx) => asJob(tx.table("scheduledJobs").get(id)!)).value;
  }

  get jobs(): StoredJob[] {
    return this.stand.engine.read((tx) => tx.table("scheduledJobs").all().map(asJob)).value;
  }
}

function jobTest(name: string, body: (jobs: JobStand) => Promise<void>, concurrency = 8): void {
  Deno.test(name, async () => {
    const stand = await SchedulerStand.open();
    const jobs = new JobStand(stand, concurrency);
    try {
      await body(jobs);
    } finally {
      jobs.scheduler.stop();
      await jobs.scheduler.settled();
      await stand.close();
    }
  });
}

jobTest("the earliest job runs first", async (jobs) => {
  const order: number[] = [];
  jobs.stand.mutations.set("tick", (_tx, { args }) => {
    order.push((JSON.parse(args) as [{ delayMs: number }])[0].delayMs);
  });
  await jobs.add("tick", 30, 10, 50, 20, 40);
  jobs.stand.clock.ms += 45;
  await jobs.scheduler.start();
  await jobs.stand.until(() => order.length === 4);
  assert.deepEqual(order, [10, 20, 30, 40]);
}, 1);

jobTest("no more run at once than are allowed, and the number can be changed", async (jobs) => {
  const ends: (() => void)[] = [];
  jobs.stand.actions.set("wait", () => new Promise((resolve) => ends.push(resolve)));
  await jobs.add("wait", 0, 0, 0, 0, 0);
  await jobs.scheduler.start();
  await jobs.stand.until(() => ends.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(ends.length, 2);
  assert.equal(jobs.scheduler.places.highest, 2);
  jobs.scheduler.places.count = 4;
  await jobs.stand.until(() => ends.length === 4);
  assert.equal(jobs.scheduler.places.highest, 4);
  ends[0]!();
  await jobs.stand.until(() => ends.length === 5);
  for (const end of ends) end();
  await jobs.stand.until(() => jobs.jobs.every(({ state }) => state.kind === "success"));
}, 2);

jobTest("a failure of the server puts a mutation off and it runs later", async (jobs) => {
  let runs = 0;
  jobs.stand.mutations.set("tick", () => {
    if (++runs === 1) throw new PlatformError("internal", "InternalServerError", "boom");
  });
  const [id] = await jobs.add("tick", 0);
  await jobs.scheduler.start();
  await jobs.stand.until(() => jobs.job(id!).systemErrors === 1);
  const job = jobs.job(id!);
  assert.equal(job.state.kind, "pending");
  assert.ok(job.due! - job.scheduledTime <= 1000);
  jobs.stand.clock.ms += 1000;
  await jobs.add("tick", 0);
  await jobs.stand.until(() => jobs.job(id!).state.kind === "success");
});

jobTest("conflicts are tried again until it works", async (jobs) => {
  let runs = 0;
  jobs.stand.mutations.set("tick", () => {
    if (++runs < 4) throw new PlatformError("occ", "OptimisticConcurrencyControlFailure", "");
  });
  const [id] = await jobs.add("tick", 0);
  await jobs.scheduler.start();
  await jobs.stand.until(() => jobs.job(id!).state.kind === "success");
  assert.equal(jobs.job(id!).systemErrors, 0);
  assert.equal(runs, 4);
});

jobTest("a job that was cancelled after it was found does not run", async (jobs) => {
  let runs = 0;
  jobs.stand.mutations.set("tick", () => void runs++);
  const [id] = await jobs.add("tick", 0);
  const { jobs: [due] } = findDueJobs(jobs.stand.engine, () => false);
  await jobs.stand.engine.transact((tx) => cancelJob(tx.table("scheduledJobs"), id!));
  await new JobRunner(jobs.stand.options).run(due!, () => {});
  assert.equal(runs, 0);
  assert.equal(jobs.job(id!).state.kind, "canceled");
  assert.deepEqual(jobs.stand.logs.after(0), []);
});

jobTest("an action that the last process was running has failed", async (jobs) => {
  const end = Promise.withResolvers<void>();
  jobs.stand.actions.set("wait", () => end.promise);
  const [id] = await jobs.add("wait", 0);
  const running = new JobRunner(jobs.stand.options);
  const { jobs: [due] } = findDueJobs(jobs.stand.engine, () => false);
  const finished = running.run(due!, () => {});
  await jobs.stand.until(() => jobs.job(id!).state.kind === "inProgress");
  await jobs.scheduler.start();
  const { state, due: time } = jobs.job(id!);
  assert.deepEqual(state, { kind: "failed", error: "Transient error while executing action" });
  assert.equal(time, null);
  assert.deepEqual(jobs.stand.loggedErrors, ["Transient error while executing action"]);
  end.resolve();
  await finished;
  assert.equal(jobs.job(id!).state.kind, "failed", "the late end changes nothing");
});

jobTest("a function that is gone when its time comes is an error", async (jobs) => {
  const [id] = await jobs.add("gone", 0);
  await jobs.scheduler.start();
  await jobs.stand.until(() => jobs.job(id!).state.kind === "failed");
  const error =
    "Couldn't find JavaScript module 'jobs.js'. Did you forget to run `npx convex dev`?";
  assert.deepEqual(jobs.job(id!).state, { kind: "failed", error });
  assert.deepEqual(jobs.stand.loggedErrors, [error]);
});

jobTest("nothing is found while the deployment is paused", async (jobs) => {
  jobs.stand.mutations.set("tick", () => {});
  await jobs.stand.engine.transact((tx) => pause(tx, NO_ORIGIN));
  const [id] = await jobs.add("tick", 0);
  await jobs.scheduler.start();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(jobs.job(id!).state.kind, "pending");
  await jobs.stand.engine.transact((tx) => unpause(tx, NO_ORIGIN));
  await jobs.stand.until(() => jobs.job(id!).state.kind === "success");
});

jobTest("finished jobs go after a week", async (jobs) => {
  jobs.stand.mutations.set("tick", () => {});
  const [done, pending] = await jobs.add("tick", 0, FINISHED_JOB_RETENTION_MS * 2);
  await jobs.scheduler.start();
  await jobs.stand.until(() => jobs.job(done!).state.kind === "success");
  const collection = new FinishedJobCollection(jobs.stand.engine, () => {});
  jobs.stand.clock.ms += FINISHED_JOB_RETENTION_MS;
  assert.equal(await collection.round(), 0);
  jobs.stand.clock.ms += 1;
  assert.equal(await collection.round(), 1);
  assert.deepEqual(jobs.jobs.map(({ _id }) => _id), [pending]);
});

jobTest("many jobs are cancelled and deleted in batches", async (jobs) => {
  const now = jobs.stand.clock.ms;
  // Most are due at the same moment.
  const many = Array.from({ length: 2500 }, (_, i) => i < 2200 ? 1000 : 1000 + i % 7);
  await jobs.add("tick", ...many);
  await jobs.add("other", 1000, 5000);
  const none = { component: "", name: null, startMs: null, endMs: null };
  const { engine } = jobs.stand;
  assert.equal(await cancelAllJobs(engine, { ...none, startMs: now + 5000 }, NO_ORIGIN), 1);
  assert.equal(await cancelAllJobs(engine, { ...none, name: "jobs.js:tick" }, NO_ORIGIN), 2500);
  assert.equal(await cancelAllJobs(engine, { ...none, endMs: now + 1000 }, NO_ORIGIN), 0);
  assert.equal(await cancelAllJobs(engine, none, NO_ORIGIN), 1);
  assert.ok(jobs.jobs.every(({ state }) => state.kind === "canceled"));
  await deleteAllJobs(engine, "", NO_ORIGIN);
  assert.deepEqual(jobs.jobs, []);
});

jobTest("a look for due jobs is bounded, however many wait", async (jobs) => {
  for (let i = 0; i < 5; i++) {
    await jobs.add("tick", ...Array.from({ length: 1000 }, (_, j) => i === 0 ? 0 : 60_000 + j));
  }
  jobs.stand.clock.ms += 1;
  const { jobs: found } = findDueJobs(jobs.stand.engine, () => false);
  assert.equal(found.length, 256);
  const taken = new Set(found.map(({ job }) => job._id));
  const { jobs: next } = findDueJobs(jobs.stand.engine, (id) => taken.has(id));
  assert.ok(next.every(({ job }) => !taken.has(job._id)));
  assert.equal(next.length, 256);
});

jobTest("large arguments are fetched a few at a time", async (jobs) => {
  const megabyte = JSON.stringify([{ text: "x".repeat(2 ** 20) }]);
  await jobs.stand.engine.transact((tx) => {
    for (let i = 0; i < 20; i++) {
      const job = { component: "", name: "jobs.js:tick", args: megabyte };
      insertJob(tx, "", { ...job, scheduledTime: tx.nowMs }, false);
    }
  });
  assert.equal(findDueJobs(jobs.stand.engine, () => false).jobs.length, 8);
});
