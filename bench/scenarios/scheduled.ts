// Scheduled mutations: how many run in a second when all are due at once, and how late they start
// when 200 become due each second.
import { httpClient, mutation, query } from "../../tests/harness/clients.ts";
import { serverWithApp } from "../../tests/harness/pushed_app.ts";
import type { Server } from "../../tests/harness/server.ts";
import type { Row } from "../report.ts";

const BURST_JOBS = 20_000;
const JOBS_PER_CALL = 1000;
/** Time to schedule the burst before it begins. */
const BURST_DELAY_MS = 8_000;
const STEADY_JOBS_PER_SECOND = 200;
const STEADY_SECONDS = 5;
const STEADY_DELAY_MS = 1_500;
const POLL_MS = 50;

export async function scheduled(): Promise<Row[]> {
  await using server = await serverWithApp("tests/apps/jobs");
  const lateness = await steady(server);
  const perSecond = await burst(server);
  return [
    { name: "scheduled_mutations", value: perSecond, unit: "mutations/s", floor: 1000 },
    {
      name: "scheduled_lateness_p99",
      value: lateness,
      unit: "ms",
      floor: 100,
      bound: "at most",
    },
  ];
}

/** Jobs at regular times; the 99th percentile of how much later they started. */
async function steady(server: Server): Promise<number> {
  const http = httpClient(server);
  const first = Date.now() + STEADY_DELAY_MS;
  const count = STEADY_JOBS_PER_SECOND * STEADY_SECONDS;
  const times = Array.from(
    { length: count },
    (_, i) => first + Math.round(i * 1000 / STEADY_JOBS_PER_SECOND),
  );
  const ids: string[] = await http.mutation(mutation("jobs:scheduleTimes"), { times });
  await untilDone(server, ids.at(-1)!);
  const late: number[] = await http.query(query("jobs:lateness"), {});
  if (late.length !== count) throw new Error(`${late.length} of ${count} scheduled mutations ran`);
  return late.toSorted((a, b) => a - b)[Math.ceil(count * 0.99) - 1]!;
}

/** Many jobs for one moment; how many were done a second from then on. */
async function burst(server: Server): Promise<number> {
  const start = Date.now() + BURST_DELAY_MS;
  let last = "";
  for (let sent = 0; sent < BURST_JOBS; sent += JOBS_PER_CALL) {
    const times = new Array(JOBS_PER_CALL).fill(start);
    const ids: string[] = await httpClient(server).mutation(mutation("jobs:scheduleTimes"), {
      times,
    });
    last = ids.at(-1)!;
  }
  if (Date.now() > start) throw new Error("scheduling the burst took longer than planned");
  const end = await untilDone(server, last);
  return BURST_JOBS / ((end - start) / 1000);
}

/** When the job was completed, in milliseconds. */
async function untilDone(server: Server, id: string): Promise<number> {
  for (;;) {
    const job = await httpClient(server).query(query("jobs:job"), { id });
    if (job.completedTime !== undefined) return job.completedTime;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
