// What running a function costs: an empty, uncached query in modules of several kinds against a bare
// handler; processor-bound queries on two isolates against one; a small mutation or query while another
// client floods the server with expensive queries.
import { serverWithApp } from "../../tests/harness/pushed_app.ts";
import { freePort, type Server } from "../../tests/harness/server.ts";
import { startReferenceServer } from "../reference_server.ts";
import { type Environment, median, runLoad } from "../environment.ts";
import type { HttpLoad, HttpLoadResult } from "../load/http_load.ts";
import type { Row } from "../report.ts";

const APP = "tests/apps/overhead";
const CLIENTS = 4;
const ROUNDS = 3;
const SHORT_MS = 10;
const LONG_MS = 100;
const CALIBRATION_STEPS = 2_000_000;
const CALIBRATION_CALLS = 5;

/** Row → function. */
const KINDS: Readonly<Record<string, string>> = {
  function_reused: "small:empty",
  function_fresh: "stateful:empty",
  function_zod_fresh: "zod:empty",
  function_zod_reused: "zodReused:empty",
  function_private_realm: "patching:empty",
};
/** The same of actions, whose fresh instances are made in advance while there is nothing to do. */
const ACTION_KINDS: Readonly<Record<string, string>> = { action_zod_fresh: "zod:emptyAction" };

export async function functionOverhead(_environment: Environment): Promise<Row[]> {
  await using server = await serverWithApp(APP);
  const barePort = freePort();
  await using _bare = await startReferenceServer("bare_server.ts", `${barePort}`);
  const measured = new Map<string, number[]>([["bare", []]]);
  for (let round = 0; round < ROUNDS; round++) {
    const bare = await rate({ port: barePort, request: { type: "post", path: "/" } });
    measured.get("bare")!.push(bare);
    for (const [row, path] of Object.entries({ ...KINDS, ...ACTION_KINDS })) {
      const kind = row in KINDS ? "query" : "action";
      const perSecond = await rate({
        port: server.port,
        request: { type: "call", kind, path, args: {} },
      });
      measured.set(row, [...measured.get(row) ?? [], perSecond]);
    }
  }
  const bare = median(measured.get("bare")!);
  return [...measured.keys()].filter((name) => name !== "bare").map((name) => {
    const value = median(measured.get(name)!);
    return { name, value, unit: "calls/s", ratio: value / bare, comparedWith: "bare handler" };
  });
}

export async function parallelQueries(_environment: Environment): Promise<Row[]> {
  const measure = async (isolates: number): Promise<number> => {
    await using server = await serverWithApp(APP, { flags: ["--isolates", `${isolates}`] });
    const steps = await stepsFor(server, SHORT_MS);
    return await rate({
      port: server.port,
      request: { type: "call", kind: "query", path: "small:busy", args: { steps } },
    });
  };
  const [one, two] = [await measure(1), await measure(2)];
  return [
    { name: "busy_queries_1_isolate", value: one, unit: "queries/s" },
    {
      name: "busy_queries_2_isolates",
      value: two,
      unit: "queries/s",
      ratio: two / one,
      comparedWith: "1 isolate",
    },
  ];
}

export async function mutationInFlood(_environment: Environment): Promise<Row[]> {
  return await inFlood("mutation_in_flood", { kind: "mutation", path: "small:note" });
}

export async function queryInFlood(_environment: Environment): Promise<Row[]> {
  return await inFlood("query_in_flood", { kind: "query", path: "small:empty" });
}

/** How long one client's small calls take while another floods the server with expensive queries. */
async function inFlood(
  row: string,
  small: { readonly kind: "query" | "mutation"; readonly path: string },
): Promise<Row[]> {
  await using server = await serverWithApp(APP, { flags: ["--isolates", "2"] });
  const steps = await stepsFor(server, LONG_MS);
  const flood = load({
    port: server.port,
    clients: 16,
    warmupMs: 0,
    durationMs: 8000,
    request: { type: "call", kind: "query", path: "small:busy", args: { steps } },
  });
  const calls = load({
    port: server.port,
    clients: 1,
    warmupMs: 2000,
    durationMs: 5000,
    request: { type: "call", ...small, args: {} },
  });
  const [{ latencyMs }] = await Promise.all([calls, flood]);
  return [
    { name: `${row}_p50`, value: latencyMs.p50, unit: "ms" },
    { name: `${row}_p99`, value: latencyMs.p99, unit: "ms" },
  ];
}

/** How many steps of work take so long on this machine. */
async function stepsFor(server: Server, milliseconds: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < CALIBRATION_CALLS; i++) {
    const startedMs = performance.now();
    const response = await fetch(`${server.url}/api/query`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        path: "small:busy",
        args: { nonce: -1 - i, steps: CALIBRATION_STEPS },
        format: "json",
      }),
    });
    await response.body?.cancel();
    times.push(performance.now() - startedMs);
  }
  return Math.round(CALIBRATION_STEPS * milliseconds / median(times));
}

async function rate(
  options: Pick<HttpLoad, "port" | "request">,
): Promise<number> {
  const { perSecond } = await load({
    ...options,
    clients: CLIENTS,
    warmupMs: 500,
    durationMs: 2000,
  });
  return perSecond;
}

function load(options: HttpLoad): Promise<HttpLoadResult> {
  return runLoad<HttpLoadResult>("load/http_load.ts", options);
}
