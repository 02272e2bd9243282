// Scheduled functions through the official client: what they do, and what their documents say. What
// is left of them after kills: crash/service_rounds.ts.
import assert from "node:assert/strict";
import {
  action,
  asAdmin,
  httpClient,
  LiveClient,
  mutation,
  post,
  query,
} from "./harness/clients.ts";
import { logEntries } from "./harness/function_log.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

const APP = "tests/apps/jobs";

interface Job {
  readonly _id: string;
  readonly name: string;
  readonly args: readonly { readonly key: string }[];
  readonly scheduledTime: number;
  readonly completedTime?: number;
  readonly state: {
    readonly kind: string;
    readonly error?: string;
    readonly request_id?: string;
    readonly execution_id?: string;
  };
}

async function schedule(
  server: Server,
  name: string,
  keys: string[],
  delayMs = 0,
): Promise<string[]> {
  const args = { name: `jobs:${name}`, keys, delayMs, fails: false };
  return await httpClient(server).mutation(mutation("jobs:schedule"), args);
}

async function job(server: Server, id: string): Promise<Job> {
  return await httpClient(server).query(query("jobs:job"), { id });
}

async function marks(server: Server): Promise<string[]> {
  return await httpClient(server).query(query("jobs:marks"), {});
}

/** Waits until the job is in this state. */
async function jobIn(live: LiveClient, id: string, kind: string): Promise<Job> {
  const watched = live.watch("jobs:job", { id });
  try {
    return await watched.until((job) => (job as Job | null)?.state.kind === kind) as Job;
  } finally {
    watched.stop();
  }
}

Deno.test("scheduled functions", async (t) => {
  await using server = await serverWithApp(APP, { limits: { scheduledFunctionsRunning: 3 } });
  await using live = new LiveClient(server);
  const http = httpClient(server);

  await t.step("a mutation runs, and its document tells", async () => {
    const [id] = await schedule(server, "mark", ["one"]);
    const done = await jobIn(live, id!, "success");
    assert.equal(done.name, "jobs.js:mark");
    assert.deepEqual(done.args, [{ key: "one" }]);
    assert.ok(done.completedTime! >= done.scheduledTime);
    assert.deepEqual(Object.keys(done).sort(), [
      "_creationTime",
      "_id",
      "args",
      "completedTime",
      "name",
      "scheduledTime",
      "state",
    ]);
    assert.deepEqual(await marks(server), ["one"]);
  });

  await t.step("a default export, with arguments of every type", async () => {
    const args = { number: 2n ** 60n, bytes: new Uint8Array([1, 2, 3]).buffer };
    const id = await http.mutation(mutation("jobs:scheduleCall"), { name: "jobs:default", args });
    const done = await jobIn(live, id, "success");
    assert.equal(done.name, "jobs.js:default");
    assert.deepEqual(done.args, [args]);
    assert.ok((await marks(server)).includes(`${2n ** 60n} 3`));
  });

  await t.step("it waits for its time", async () => {
    const before = Date.now();
    const [id] = await schedule(server, "mark", ["later"], 400);
    const done = await jobIn(live, id!, "success");
    assert.ok(done.completedTime! - before >= 400);
  });

  await t.step("a time in the past means now, and stays what it was", async () => {
    const time = Date.now() - 60_000;
    for (const asDate of [false, true]) {
      const args = { name: "jobs:mark", key: `past ${asDate}`, time, asDate };
      const id = await http.mutation(mutation("jobs:scheduleAt"), args);
      assert.equal((await jobIn(live, id, "success")).scheduledTime, time);
    }
  });

  await t.step("a failed mutation schedules nothing", async () => {
    const before = await http.query(query("jobs:states"), {});
    const args = { name: "jobs:mark", keys: ["never"], delayMs: 0, fails: true };
    await assert.rejects(http.mutation(mutation("jobs:schedule"), args), /the mutation failed/);
    assert.deepEqual(await http.query(query("jobs:states"), {}), before);
  });

  await t.step("an action schedules at once, even if it fails later", async () => {
    const args = { name: "jobs:mark", key: "from action", delayMs: 0, fails: true };
    await assert.rejects(http.action(action("jobs:scheduleFromAction"), args));
    const watched = live.watch("jobs:marks");
    await watched.until((keys) => (keys as string[]).includes("from action"));
    watched.stop();
  });

  await t.step("errors end a job and undo its writes", async () => {
    const [id] = await schedule(server, "throws", ["reason"]);
    const failed = await jobIn(live, id!, "failed");
    assert.match(failed.state.error!, /^Uncaught Error: no reason\n {4}at /);
    assert.ok(!(await marks(server)).includes("reason"));
  });

  await t.step("a query cannot be scheduled with success", async () => {
    const [id] = await schedule(server, "marks", ["query"]);
    const failed = await jobIn(live, id!, "failed");
    assert.match(failed.state.error!, /jobs\.js:marks/);
  });

  await t.step("arguments are checked when it runs, and it is not tried again", async () => {
    const call = { name: "jobs:mark", args: { key: 7 } };
    const id = await http.mutation(mutation("jobs:scheduleCall"), call);
    const failed = await jobIn(live, id, "failed");
    assert.match(failed.state.error!, /ArgumentValidationError: .*\n?Path: \.key/);
    assert.ok(failed.completedTime! >= failed.scheduledTime);
  });

  await t.step("it sees itself in progress, and nobody signed in", async () => {
    const [id] = await schedule(server, "introspect", ["self"]);
    await jobIn(live, id!, "success");
    const seen = (await marks(server)).find((key) => key.startsWith("{"));
    assert.deepEqual(JSON.parse(seen!), { key: "self", running: 1, identity: null });
  });

  await t.step("unknown functions are refused when they are scheduled", async () => {
    await assert.rejects(
      schedule(server, "nothing", ["x"]),
      /Attempted to schedule function, but no exported function nothing found in the file: jobs\.js\. Did you forget to export it\?/,
    );
    const args = { name: "gone:fn", keys: ["x"], delayMs: 0, fails: false };
    await assert.rejects(
      http.mutation(mutation("jobs:schedule"), args),
      /Attempted to schedule function at nonexistent path: gone\.js/,
    );
    const far = {
      name: "jobs:mark",
      key: "far",
      time: Date.now() + 6 * 366 * 86_400_000,
      asDate: false,
    };
    await assert.rejects(
      http.mutation(mutation("jobs:scheduleAt"), far),
      /is more than 5 years in the future/,
    );
  });

  await t.step("a pending job is cancelled; a finished one stays as it is", async () => {
    const [id] = await schedule(server, "mark", ["cancelled"], 60_000);
    await http.mutation(mutation("jobs:cancel"), { id: id! });
    const canceled = await job(server, id!);
    assert.equal(canceled.state.kind, "canceled");
    assert.ok(canceled.completedTime! > 0);
    await http.action(action("jobs:cancelFromAction"), { id: id! });
    assert.deepEqual(await job(server, id!), canceled);
    await assert.rejects(
      http.mutation(mutation("jobs:cancel"), { id: "xyz" }),
      /Invalid argument `id` for `db\.cancel_job`: Unable to decode ID/,
    );
  });

  await t.step("a scheduled mutation cannot cancel itself, but others", async () => {
    const [victim] = await schedule(server, "mark", ["victim"], 60_000);
    const [id] = await schedule(server, "cancelKey", [victim!]);
    await jobIn(live, id!, "success");
    assert.equal((await job(server, victim!)).state.kind, "canceled");
    const [own] = await schedule(server, "cancelSelf", ["of one that tried"]);
    await jobIn(live, own!, "success");
    const watched = live.watch("jobs:marks");
    await watched.until((keys) => (keys as string[]).includes("of one that tried"));
    watched.stop();
    const entries = await logEntries(server);
    const run = entries.find(({ identifier }) => identifier === "jobs:cancelSelf");
    assert.match(run!.logLines[0]!.messages[0]!, /A scheduled mutation canceling itself is/);
  });

  await t.step("children of a cancelled action are born cancelled", async () => {
    const [id] = await schedule(server, "awaitsMark", ["slow"]);
    const running = await jobIn(live, id!, "inProgress");
    assert.equal(running.completedTime, undefined);
    await http.mutation(mutation("jobs:cancel"), { id: id! });
    assert.equal((await job(server, id!)).state.kind, "canceled");
    await schedule(server, "mark", ["slow go"]);
    const watched = live.watch("jobs:marks");
    await watched.until((keys) => (keys as string[]).includes("slow ended"));
    watched.stop();
    const jobs: Job[] = await http.query(query("jobs:jobsOf"), { name: "jobs.js:mark" });
    const child = jobs.find(({ args }) => args[0]!.key === "slow child");
    assert.equal(child?.state.kind, "canceled");
    assert.equal((await job(server, id!)).state.kind, "canceled", "its result is discarded");
  });

  await t.step("an action may cancel itself, and runs on", async () => {
    const [id] = await schedule(server, "cancelsItself", ["self-cancelled"]);
    const watched = live.watch("jobs:marks");
    await watched.until((keys) => (keys as string[]).includes("self-cancelled ended"));
    watched.stop();
    assert.equal((await jobIn(live, id!, "canceled")).state.kind, "canceled");
    const children: Job[] = await http.query(query("jobs:jobsOf"), { name: "jobs.js:mark" });
    const child = children.find(({ args }) => args[0]!.key === "self-cancelled child");
    assert.equal(child?.state.kind, "canceled");
    assert.equal(child?.scheduledTime, child?.completedTime);
  });

  await t.step("an action that a crash cut off has failed, and is not run again", async () => {
    const [id] = await schedule(server, "slowAction", ["killed/600000"]);
    const { state } = await jobIn(live, id!, "inProgress");
    const watched = live.watch("jobs:marks");
    await watched.until((keys) => (keys as string[]).includes("killed/600000 began"));
    watched.stop();
    await server.kill();
    await server.restart();
    const failed = await jobIn(live, id!, "failed");
    assert.deepEqual(failed.state, {
      kind: "failed",
      error: "Transient error while executing action",
    });
    const entry = (await logEntries(server)).find(({ error }) => error === failed.state.error);
    assert.deepEqual(
      [entry?.identifier, entry?.requestId, entry?.executionId],
      ["jobs:slowAction", state.request_id, state.execution_id],
      "the execution that its document named",
    );
    assert.equal(
      (await marks(server)).filter((key) => key === "killed/600000 began").length,
      1,
    );
  });

  await t.step("administrators cancel by function and by id", async () => {
    const headers = { authorization: `Convex ${server.adminKey}` };
    const [one, two] = await schedule(server, "mark", ["a", "b"], 60_000);
    const [other] = await schedule(server, "throws", ["c"], 60_000);
    const api = `${server.url}/api`;
    assert.equal((await post(`${api}/cancel_job`, { id: one })).status, 403);
    assert.equal((await post(`${api}/cancel_job`, { id: one }, headers)).status, 200);
    assert.equal((await job(server, one!)).state.kind, "canceled");
    const body = { udfPath: "jobs:mark" };
    assert.equal((await post(`${api}/cancel_all_jobs`, body, headers)).status, 200);
    assert.equal((await job(server, two!)).state.kind, "canceled");
    assert.equal((await job(server, other!)).state.kind, "pending");
    // Bounds of the time, in nanoseconds, the end exclusive.
    const { scheduledTime } = await job(server, other!);
    const before = { endNextTs: Math.floor(scheduledTime) * 1e6 };
    assert.equal((await post(`${api}/cancel_all_jobs`, before, headers)).status, 200);
    const after = { startNextTs: Math.ceil(scheduledTime + 1) * 1e6 };
    assert.equal((await post(`${api}/cancel_all_jobs`, after, headers)).status, 200);
    assert.equal((await job(server, other!)).state.kind, "pending");
    assert.equal((await post(`${api}/cancel_all_jobs`, {}, headers)).status, 200);
    assert.equal((await job(server, other!)).state.kind, "canceled");
    const table = `${api}/delete_scheduled_functions_table`;
    assert.equal((await post(table, {}, headers)).status, 200);
    assert.deepEqual(await http.query(query("jobs:states"), {}), {});
    const log = await fetch(`${api}/v1/list_audit_log_events?limit=100`, { headers });
    const { items } = await log.json();
    const app = { component_id: null, component: "" };
    assert.deepEqual(
      items.slice(-6).map((item: { action: string; metadata: unknown }) => [
        item.action,
        item.metadata,
      ]),
      [
        ["cancel_scheduled_function", { ...app, scheduled_function_id: one }],
        ["cancel_all_scheduled_functions", { ...app, function_path: "jobs.js:mark" }],
        ["cancel_all_scheduled_functions", { ...app, function_path: null }],
        ["cancel_all_scheduled_functions", { ...app, function_path: null }],
        ["cancel_all_scheduled_functions", { ...app, function_path: null }],
        ["delete_scheduled_jobs_table", app],
      ],
    );
  });

  await t.step(
    "how many run at once is a limit like the others, changed without a restart",
    async () => {
      const headers = { authorization: `Convex ${server.adminKey}` };
      const url = `${server.url}/api/concave/limits`;
      const running = async () => {
        const { limits } = await (await fetch(url, { headers })).json();
        return limits.scheduledFunctionsRunning;
      };
      const { limit, unit } = await running();
      assert.deepEqual([limit, unit], [3, "functions"], "what --limits says");
      const changed = await post(url, { scheduledFunctionsRunning: 1 }, headers);
      assert.equal(changed.status, 200, changed.text);
      assert.equal((await running()).limit, 1);
      // One action runs; the others wait for its place.
      const ids = await schedule(server, "slowAction", ["one/200", "two/200", "three/200"]);
      for (const id of ids) await jobIn(live, id, "success");
      assert.equal((await running()).highest, 1);
      const inOrder = await marks(server);
      const places = ["one", "two", "three"].flatMap((key) =>
        ["began", "ended"].map((part) => inOrder.indexOf(`${key}/200 ${part}`))
      );
      assert.deepEqual(places, places.toSorted((a, b) => a - b), "one after the other");
      assert.equal((await post(url, { scheduledFunctionsRunning: 0 }, headers)).status, 400);
      assert.equal((await post(url, { documentsRead: 5 }, headers)).status, 400, "needs a restart");
      assert.equal((await post(url, { scheduledFunctionsRunning: 3 })).status, 403);
      await post(url, { scheduledFunctionsRunning: 3 }, headers);
    },
  );

  await t.step("the log says who called", async () => {
    await schedule(server, "mark", ["for the log"]);
    const [id] = await schedule(server, "throws", ["for the log"]);
    await jobIn(live, id!, "failed");
    const ofScheduler = (await logEntries(server)).filter(({ caller }) => caller === "Scheduler");
    const named = (name: string) => ofScheduler.find(({ identifier }) => identifier === name)!;
    assert.equal(named("jobs:mark").udfType, "Mutation");
    assert.equal(named("jobs:slowAction").udfType, "Action");
    assert.equal(named("jobs:slowAction").identityType, "unknown");
    assert.match(named("jobs:throws").error!, /no for the log/);
  });

  await t.step(
    "a paused deployment keeps its jobs for later; calls of running actions fail",
    async () => {
      const headers = { authorization: `Convex ${server.adminKey}` };
      const admin = asAdmin(httpClient(server), server);
      const [running] = await schedule(server, "untilRefused", ["running"]);
      await jobIn(live, running!, "inProgress");
      // Once more with a longer delay if the job was faster than the pause.
      for (let delayMs = 300;; delayMs *= 2) {
        const [id] = await schedule(server, "mark", ["paused"], delayMs);
        await post(`${server.url}/api/v1/pause_deployment`, {}, headers);
        const pausedAt = Date.now();
        await new Promise((resolve) => setTimeout(resolve, delayMs + 100));
        // As the dashboard and `convex data` read the table.
        const { page } = await admin.query(query("_system/cli/tableData"), {
          table: "_scheduled_functions",
          order: "desc",
          paginationOpts: { numItems: 10, cursor: null },
        });
        const [{ state }] = page.filter(({ _id }: Job) => _id === id);
        await post(`${server.url}/api/v1/unpause_deployment`, {}, headers);
        const done = await jobIn(live, id!, "success");
        if (done.completedTime! < pausedAt) continue;
        assert.deepEqual(state, { kind: "pending" });
        assert.ok(done.completedTime! > pausedAt + delayMs, "it waited for the end of the pause");
        break;
      }
      const { state } = await jobIn(live, running!, "failed");
      assert.match(state.error!, /Cannot run functions while this deployment is paused\. Resume/);
    },
  );
});
