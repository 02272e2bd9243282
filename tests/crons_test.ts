// Cron jobs pushed with the official CLI: they run, overlaps are skipped with a line in the log, and a
// push without them ends them.
import assert from "node:assert/strict";
import { App } from "./harness/app.ts";
import { LiveClient } from "./harness/clients.ts";
import { Server } from "./harness/server.ts";

const JOBS = `
import { internalActionGeneric, internalMutationGeneric, queryGeneric, makeFunctionReference }
  from "convex/server";
export const tick = internalMutationGeneric(async (ctx, { by }) => {
  await ctx.db.insert("ticks", { by });
});
export const slow = internalActionGeneric(async (ctx) => {
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await ctx.runMutation(makeFunctionReference("jobs:tick"), { by: "slow" });
});
export const ticks = queryGeneric(async (ctx) =>
  (await ctx.db.query("ticks").collect()).map(({ by }) => by));
`;

const CRONS = `
import { cronJobs, makeFunctionReference } from "convex/server";
const crons = cronJobs();
crons.interval("every second", { seconds: 1 }, makeFunctionReference("jobs:tick"), { by: "cron" });
crons.interval("slow", { seconds: 1 }, makeFunctionReference("jobs:slow"), {});
crons.cron("never now", "0 0 29 FEB *", makeFunctionReference("jobs:tick"), { by: "leap" });
export default crons;
`;

interface LogEntry {
  readonly kind: string;
  readonly caller: string;
  readonly identifier: string;
  readonly error: string | null;
}

async function log(server: Server): Promise<LogEntry[]> {
  const response = await fetch(`${server.url}/api/stream_udf_execution?cursor=0`, {
    headers: { authorization: `Convex ${server.adminKey}` },
  });
  return (await response.json()).entries.filter(({ kind }: LogEntry) => kind === "Completion");
}

Deno.test("cron jobs run from push to push", async () => {
  await using server = await Server.start();
  await using app = await App.create({ "convex/jobs.ts": JOBS, "convex/crons.ts": CRONS });
  await app.push(server);
  await using live = new LiveClient(server);
  const watched = live.watch("jobs:ticks");
  const count = (by: string) => (ticks: unknown) =>
    (ticks as string[]).filter((each) => each === by).length;
  await watched.until((ticks) => count("cron")(ticks) >= 3 && count("slow")(ticks) >= 2, 15_000);

  const entries = await log(server);
  const ofCrons = entries.filter(({ caller }) => caller === "Cron");
  assert.ok(ofCrons.some(({ identifier }) => identifier === "jobs:tick"));
  assert.ok(
    ofCrons.some(({ identifier, error }) =>
      identifier === "jobs:slow" &&
      /^Skipping \d+ run\(s\) of job \S+ because multiple scheduled runs are in the past$/
        .test(error ?? "")
    ),
    "the runs that fell into a run were skipped",
  );

  await server.kill();
  await server.restart();
  const before = count("cron")(watched.results.at(-1));
  await watched.until((ticks) => count("cron")(ticks) > before + 1);

  await app.write("convex/crons.ts", CRONS.replace(/crons\.interval.*\n/g, ""));
  await app.push(server);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const ended = count("cron")(watched.results.at(-1));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal(count("cron")(watched.results.at(-1)), ended);
  watched.stop();
});

Deno.test("a cron expression that says nothing is refused at push", async () => {
  await using server = await Server.start();
  const bad = CRONS.replace("0 0 29 FEB *", "0 0 31 11 *");
  await using app = await App.create({ "convex/jobs.ts": JOBS, "convex/crons.ts": bad });
  const result = await app.cli(server, [
    "dev",
    "--once",
    "--typecheck",
    "disable",
    "--tail-logs",
    "disable",
  ]);
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /The cron spec "0 0 31 11 \*" will never match any time/);
});
