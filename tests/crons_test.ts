// Cron jobs pushed with the official CLI: every form of schedule, what is noted of their runs, overlaps,
// restarts, and what a push does to jobs that are there already.
import assert from "node:assert/strict";
import { App, PUSH_ARGS } from "./harness/app.ts";
import { asAdmin, httpClient, LiveClient, post, query } from "./harness/clients.ts";
import { logEntries, type LogEntry } from "./harness/function_log.ts";
import { Server } from "./harness/server.ts";
import { setVariables } from "./harness/variables.ts";

const JOBS = `
import { internalActionGeneric, internalMutationGeneric, queryGeneric, makeFunctionReference }
  from "convex/server";
export const tick = internalMutationGeneric(async (ctx, { by }) => {
  console.log("tick", by);
  const identity = await ctx.auth.getUserIdentity();
  await ctx.db.insert("ticks", { by: identity === null ? by : "somebody" });
});
export const slow = internalActionGeneric(async (ctx) => {
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await ctx.runMutation(makeFunctionReference("jobs:tick"), { by: "slow" });
});
export const stuck = internalActionGeneric(async () => {
  await new Promise((resolve) => setTimeout(resolve, 600_000));
});
export const fail = internalMutationGeneric(async () => { throw new Error("not today"); });
export const long = internalMutationGeneric(() => "x".repeat(2000));
export const ticks = queryGeneric(async (ctx) =>
  (await ctx.db.query("ticks").collect()).map(({ by }) => by));
`;

const crons = (...jobs: string[]) => `
import { cronJobs, makeFunctionReference } from "convex/server";
const crons = cronJobs();
const to = (name) => makeFunctionReference("jobs:" + name);
${jobs.join("\n")}
export default crons;
`;

// None of the schedules of the clock has its time while the tests run.
const today = new Date();
const MINUTE = (today.getUTCMinutes() + 30) % 60;
const HOUR = (today.getUTCHours() + 6) % 24;
const OTHER_HOUR = (HOUR + 3) % 24;

const HOURLY = `crons.hourly("hourly", { minuteUTC: ${MINUTE} }, to("tick"), { by: "hourly" });`;
const WEEKLY = (by: string) =>
  `crons.weekly("weekly", { dayOfWeek: "tuesday", hourUTC: ${HOUR}, minuteUTC: 4 }, to("tick"), { by: "${by}" });`;
const DAILY = (hour: number) =>
  `crons.daily("daily", { hourUTC: ${hour}, minuteUTC: 50 }, to("tick"), { by: process.env.BY ?? "nobody" });`;
const MONTHLY = (name: string) =>
  `crons.monthly("${name}", { day: 31, hourUTC: ${HOUR}, minuteUTC: 0 }, to("tick"), { by: "monthly" });`;
const LEAP = `crons.cron("leap", "0 0 29 FEB *", to("tick"), { by: "leap" });`;
const SECONDS = `crons.interval("every second", { seconds: 1 }, to("tick"), { by: "cron" });`;
const SLOW = `crons.interval("slow", { seconds: 1 }, to("slow"), {});`;
const STUCK = `crons.interval("stuck", { hours: 1 }, to("stuck"), {});`;
const FAILING = `crons.interval("failing", { minutes: 5 }, to("fail"), {});`;
const LONG = `crons.interval("long", { hours: 1 }, to("long"), {});`;

interface Run {
  readonly name: string;
  readonly ts: bigint;
  readonly udfPath: string;
  readonly udfArgs: ArrayBuffer;
  readonly status: Record<string, unknown> & { readonly type: string };
  readonly logLines: { readonly logLines: readonly string[]; readonly isTruncated: boolean };
  readonly executionTime: number;
}

interface Job {
  readonly _id: string;
  readonly name: string;
  readonly cronSpec: {
    readonly udfPath: string;
    readonly udfArgs: ArrayBuffer;
    readonly cronSchedule: unknown;
  };
  readonly lastRun: Run | null;
  readonly nextRun: {
    readonly state: { readonly type: string };
    readonly prevTs: bigint | null;
    readonly nextTs: bigint;
  };
}

let server: Server;
let app: App;
let live: LiveClient;

Deno.test.beforeAll(async () => {
  server = await Server.start();
  app = await App.create({
    "convex/jobs.ts": JOBS,
    "convex/crons.ts": crons(
      HOURLY,
      WEEKLY("weekly"),
      DAILY(HOUR),
      MONTHLY("monthly"),
      LEAP,
      SECONDS,
      SLOW,
      STUCK,
      FAILING,
      LONG,
    ),
  });
  await app.push(server);
  live = asAdmin(new LiveClient(server), server);
});
Deno.test.afterAll(async () => {
  await live[Symbol.asyncDispose]();
  await app[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** The jobs by name. */
async function jobs(): Promise<Record<string, Job>> {
  const client = asAdmin(httpClient(server), server);
  const rows: Job[] = await client.query(query("_system/frontend/listCronJobs"), {});
  return Object.fromEntries(rows.map((job) => [job.name, job]));
}

/** Waits until the noted runs, newest first, satisfy the condition. */
async function runsUntil(condition: (runs: readonly Run[]) => boolean): Promise<readonly Run[]> {
  const watched = live.watch("_system/frontend/listCronJobRuns");
  try {
    return await watched.until((runs) => condition(runs as Run[])) as Run[];
  } finally {
    watched.stop();
  }
}

const runsOf = (runs: readonly Run[], name: string) => runs.filter((run) => run.name === name);
const argsOf = ({ cronSpec }: Job) => new TextDecoder().decode(cronSpec.udfArgs);
const nextRunOf = (job: Job) => new Date(Number(job.nextRun.nextTs / 1_000_000n));

const completions = async () =>
  (await logEntries(server)).filter(({ kind, caller }) =>
    kind === "Completion" && caller === "Cron"
  );

Deno.test("schedules of the clock begin at their next time, in UTC", async () => {
  const now = Date.now();
  const { hourly, daily, weekly, monthly, leap } = await jobs();
  const times = [hourly, daily, weekly, monthly, leap].map((job) => nextRunOf(job!));
  const [atHour, atDay, atWeek, atMonth, atLeap] = times as [Date, Date, Date, Date, Date];
  assert.equal(atHour.getUTCMinutes(), MINUTE);
  assert.ok(atHour.getTime() - now <= 3600_000);
  assert.deepEqual([atDay.getUTCHours(), atDay.getUTCMinutes()], [HOUR, 50]);
  assert.ok(atDay.getTime() - now <= 24 * 3600_000);
  assert.deepEqual([atWeek.getUTCDay(), atWeek.getUTCHours(), atWeek.getUTCMinutes()], [
    2,
    HOUR,
    4,
  ]);
  assert.ok(atWeek.getTime() - now <= 7 * 24 * 3600_000);
  // Months without that day are passed over.
  assert.deepEqual([atMonth.getUTCDate(), atMonth.getUTCHours()], [31, HOUR]);
  assert.ok(atMonth.getTime() - now <= 62 * 24 * 3600_000);
  assert.deepEqual([atLeap.getUTCMonth(), atLeap.getUTCDate(), atLeap.getUTCHours()], [1, 29, 0]);
  for (const time of times) assert.ok(time.getTime() > now - 60_000 && time.getUTCSeconds() === 0);
  assert.equal(hourly!.lastRun, null);
  assert.equal(hourly!.nextRun.prevTs, null);
  assert.deepEqual(hourly!.nextRun.state, { type: "pending" });
  assert.deepEqual(hourly!.cronSpec.cronSchedule, { type: "hourly", minuteUTC: MINUTE });
  assert.equal(hourly!.cronSpec.udfPath, "jobs.js:tick");
});

Deno.test("intervals run at once and then at their times; their last runs are noted", async () => {
  const isDone = ({ status }: Run) => status.type === "success";
  const runs = await runsUntil((runs) =>
    runsOf(runs, "every second").length === 5 && runsOf(runs, "every second").some(isDone) &&
    runsOf(runs, "failing").length === 1 && runsOf(runs, "long").length === 1
  );
  const done = runsOf(runs, "every second").find(isDone)!;
  assert.deepEqual(done.status, { type: "success", result: { type: "default", value: "null" } });
  assert.deepEqual(done.logLines, { logLines: ["[LOG] 'tick' 'cron'"], isTruncated: false });
  assert.equal(done.udfPath, "jobs.js:tick");
  assert.equal(new TextDecoder().decode(done.udfArgs), '[{"by":"cron"}]');
  assert.ok(done.executionTime >= 0);
  // Planned times are whole periods apart, however late the runs were.
  for (const { ts } of runsOf(runs, "every second")) {
    assert.equal((done.ts - ts) % 1_000_000_000n, 0n);
  }
  const [failed] = runsOf(runs, "failing");
  assert.equal(failed!.status.type, "err");
  assert.match(String(failed!.status.error), /^Uncaught Error: not today\n {4}at /);
  const [long] = runsOf(runs, "long");
  const { type, truncated_log } = long!.status.result as Record<string, string>;
  assert.deepEqual([type, truncated_log!.length], ["truncated", 1000]);
  const { failing } = await jobs();
  assert.deepEqual(failing!.lastRun, failed);
  assert.equal(failing!.nextRun.prevTs, failed!.ts);
  assert.equal(failing!.nextRun.nextTs, failed!.ts + 300_000_000_000n, "no retry, the next time");
  const byCron = (await completions()).find(({ identifier }) => identifier === "jobs:tick");
  assert.equal(byCron!.identityType, "unknown");
});

Deno.test("runs that fall into a run are skipped, with an error in the log", async () => {
  const runs = await runsUntil((runs) =>
    runsOf(runs, "slow").some(({ status }) => status.type === "canceled")
  );
  const skipped = runsOf(runs, "slow").find(({ status }) => status.type === "canceled");
  const { slow } = await jobs();
  const text = `Skipping ${skipped!.status.num_canceled} run(s) of job ${slow!._id} because ` +
    "multiple scheduled runs are in the past";
  const entry = (await completions()).find(({ error }) => error === text) as LogEntry;
  assert.equal(entry.identifier, "jobs:slow");
  assert.equal((entry.usageStats as { databaseReadBytes: number }).databaseReadBytes, 0);
});

Deno.test("after a crash the jobs go on; an action that it cut off is not run again", async () => {
  const listed = live.watch("_system/frontend/listCronJobs");
  await listed.until((rows) =>
    (rows as Job[]).find(({ name }) => name === "stuck")?.nextRun.state.type === "inProgress"
  );
  listed.stop();
  await server.kill();
  await server.restart();
  const error = "Transient error while executing action";
  const runs = await runsUntil((runs) => runsOf(runs, "stuck").length === 1);
  const [cut] = runsOf(runs, "stuck");
  assert.deepEqual(cut!.status, { type: "err", error });
  const entry = (await completions()).find(({ identifier }) => identifier === "jobs:stuck");
  assert.deepEqual([entry!.udfType, entry!.error], ["Action", error]);
  const before = BigInt(Date.now()) * 1_000_000n;
  await runsUntil((runs) => runsOf(runs, "every second").some(({ ts }) => ts > before));
  assert.deepEqual((await jobs()).stuck!.nextRun.state, { type: "pending" });
});

Deno.test("during a pause nothing runs; after it one late run, then the rest is skipped", async () => {
  const admin = { authorization: `Convex ${server.adminKey}` };
  await post(`${server.url}/api/v1/pause_deployment`, {}, admin);
  const pausedAt = Date.now() + 1;
  const { _id: jobId, nextRun } = (await jobs())["every second"]!;
  const planned = nextRun.nextTs;
  const resumeAt = Number(planned / 1_000_000n) + 2_500;
  await new Promise((resolve) => setTimeout(resolve, resumeAt - Date.now()));
  assert.equal((await jobs())["every second"]!.nextRun.nextTs, planned);
  await post(`${server.url}/api/v1/unpause_deployment`, {}, admin);
  const runs = await runsUntil((runs) =>
    runsOf(runs, "every second").some(({ ts }) => ts > planned)
  );
  const entries = (await completions())
    .filter(({ identifier }) => identifier === "jobs:tick")
    .filter(({ timestamp }) => Number(timestamp) * 1000 > pausedAt);
  const [late, skipping] = entries;
  assert.equal(late!.error, null);
  const [, missed, skippedJob] = /^Skipping (\d+) run\(s\) of job (\S+) /.exec(skipping!.error!)!;
  assert.equal(skippedJob, jobId);
  assert.ok(Number(missed) >= 2);
  // Of the missed ones none runs later.
  const next = planned + BigInt(Number(missed) + 1) * 1_000_000_000n;
  const times = runsOf(runs, "every second").map(({ ts }) => ts);
  assert.ok(times.every((ts) => ts <= planned || ts >= next), `${times}`);
});

Deno.test("a push keeps what it does not change", async () => {
  const before = await jobs();
  // Variables that definitions use count from the next push on.
  await setVariables(server, { BY: "somebody" });
  assert.equal(argsOf((await jobs()).daily!), '[{"by":"nobody"}]');
  const pushedAt = Date.now();
  await app.write(
    "convex/crons.ts",
    crons(
      HOURLY,
      WEEKLY("other"),
      DAILY(OTHER_HOUR),
      MONTHLY("renamed"),
      LEAP,
      LONG.replace("hours: 1", "hours: 2"),
    ),
  );
  await app.push(server);
  const after = await jobs();
  assert.deepEqual(Object.keys(after), ["daily", "hourly", "leap", "long", "renamed", "weekly"]);
  assert.deepEqual(after.hourly, before.hourly);
  assert.deepEqual(after.leap, before.leap);
  const { cronSpec: _, ...kept } = before.weekly!;
  const { cronSpec, ...weekly } = after.weekly!;
  assert.deepEqual(weekly, kept, "other arguments, the same times");
  assert.notDeepEqual(cronSpec, before.weekly!.cronSpec);
  assert.equal(after.daily!._id, before.daily!._id);
  assert.equal(argsOf(after.daily!), '[{"by":"somebody"}]');
  assert.equal(nextRunOf(after.daily!).getUTCHours(), OTHER_HOUR);
  assert.notEqual(after.renamed!._id, before.monthly!._id);
  // Another interval begins anew: at once.
  const runs = await runsUntil((runs) => runsOf(runs, "long").length === 2);
  const planned = Number(runsOf(runs, "long")[0]!.ts / 1_000_000n);
  assert.ok(planned >= pushedAt, "not at the time that the old interval had planned");
  const names = new Set(runs.map(({ name }) => name));
  assert.deepEqual([...names], ["long"], "what was noted of removed jobs is gone");

  const response = await fetch(`${server.url}/api/v1/list_audit_log_events?limit=100`, {
    headers: { authorization: `Convex ${server.adminKey}` },
  });
  const { items } = await response.json();
  const { added, updated, deleted } =
    items.at(-1).metadata.component_diffs[0].component_diff.cron_diff;
  assert.deepEqual(added, ["renamed"]);
  assert.deepEqual(updated.toSorted(), ["daily", "long", "weekly"]);
  assert.deepEqual(deleted.toSorted(), ["every second", "failing", "monthly", "slow", "stuck"]);
});

Deno.test("a cron expression that says nothing is refused at push", async () => {
  const before = await jobs();
  await app.write("convex/crons.ts", crons(LEAP.replace("0 0 29 FEB *", "0 0 31 11 *")));
  const result = await app.cli(server, PUSH_ARGS);
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /The cron spec "0 0 31 11 \*" will never match any time/);
  assert.deepEqual(await jobs(), before);
});
