// HTTP actions that do nothing, with 16 clients, and a bare `Deno.serve` handler that does the same.
import { serverWithApp } from "../../tests/harness/pushed_app.ts";
import { freePort } from "../../tests/harness/server.ts";
import { startReferenceServer } from "../reference_server.ts";
import { type Environment, median, runLoad } from "../environment.ts";
import type { HttpLoad, HttpLoadResult } from "../load/http_load.ts";
import type { Row } from "../report.ts";

const CLIENTS = 16;
const ROUNDS = 3;

export async function httpActions(_environment: Environment): Promise<Row[]> {
  await using server = await serverWithApp("tests/apps/overhead");
  const barePort = freePort();
  await using _bare = await startReferenceServer("bare_server.ts", `${barePort}`);
  const measure = async (port: number): Promise<number> => {
    const load: HttpLoad = {
      port,
      clients: CLIENTS,
      warmupMs: 1000,
      durationMs: 3000,
      request: { type: "post", path: "/ok" },
    };
    return (await runLoad<HttpLoadResult>("load/http_load.ts", load)).perSecond;
  };
  const [bare, actions]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await measure(barePort));
    actions.push(await measure(server.sitePort));
  }
  return [
    { name: "http_bare_server", value: median(bare), unit: "requests/s" },
    {
      name: "http_action",
      value: median(actions),
      unit: "requests/s",
      ratio: median(actions) / median(bare),
      comparedWith: "bare Deno.serve",
    },
  ];
}
