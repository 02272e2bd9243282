// From the start of the server's process to the first answered query, and its memory when idle.
import { median } from "../environment.ts";
import type { Row } from "../report.ts";
import { serverWithApp } from "../../tests/harness/pushed_app.ts";
import { freePort, spawnMain } from "../../tests/harness/server.ts";

const ROUNDS = 5;
const POLL_MS = 2;
const SETTLE_MS = 2000;
const MEGABYTE = 1e6;

export async function start(): Promise<Row[]> {
  await using server = await serverWithApp("tests/apps/bank");
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const idleBytes = await server.residentBytes();
  await server.stop();

  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    times.push(await startToFirstQuery(server.dataDir));
  }
  return [
    {
      name: "start_to_first_query",
      value: median(times),
      unit: "ms",
      floor: 1000,
      bound: "at most",
    },
    { name: "rss_idle", value: idleBytes / MEGABYTE, unit: "MB", floor: 150, bound: "at most" },
  ];
}

async function startToFirstQuery(dataDir: string): Promise<number> {
  const port = freePort();
  const startedAt = performance.now();
  const { process, output } = spawnMain(
    ["start", "--data-dir", dataDir, "--port", `${port}`, "--site-port", `${freePort()}`],
  );
  const body = JSON.stringify({ path: "bank:balances", args: {} });
  const headers = { "content-type": "application/json" };
  for (;;) {
    try {
      const url = `http://127.0.0.1:${port}/api/query`;
      const response = await fetch(url, { method: "POST", headers, body });
      if ((await response.json()).status === "success") break;
    } catch { /* it does not listen yet */ }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const elapsed = performance.now() - startedAt;
  process.kill("SIGTERM");
  await process.status;
  await output.closed;
  return elapsed;
}
