// Transfers over HTTP with 16 clients: without contention, under heavy contention, and by a plain
// server with SQLite. The three take turns, so that a slow minute of the machine hits all of them.
import type { HttpLoad, HttpLoadResult } from "../load/http_load.ts";
import { type Environment, median, runLoad } from "../environment.ts";
import type { Row } from "../report.ts";
import { startReferenceServer } from "../reference_server.ts";
import { freePort } from "../../tests/harness/server.ts";

const CLIENTS = 16;
const ALPHA = 1.5;
const ROUNDS = 3;
const WARMUP_MS = 1000;
const DURATION_MS = 4000;

export async function transfer(environment: Environment): Promise<Row[]> {
  const { server, accountsFile } = await environment.bank();
  const plainPort = freePort();
  await using _plain = await startReferenceServer(
    "plain_server.ts",
    `${environment.dir}/plain.db`,
    `${plainPort}`,
  );

  const measure = async (port: number, alpha: number, file?: string): Promise<number> => {
    const load: HttpLoad = {
      port,
      clients: CLIENTS,
      warmupMs: WARMUP_MS,
      durationMs: DURATION_MS,
      request: { type: "transfer", alpha },
      accountsFile: file,
    };
    return (await runLoad<HttpLoadResult>("load/http_load.ts", load)).perSecond;
  };
  const [plain, even, contended]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(await measure(plainPort, 0));
    even.push(await measure(server.port, 0, accountsFile));
    contended.push(await measure(server.port, ALPHA, accountsFile));
  }
  return [
    { name: "transfer_plain_server", value: median(plain), unit: "mutations/s" },
    {
      name: "transfer_uncontended",
      value: median(even),
      unit: "mutations/s",
      ratio: median(even) / median(plain),
      floor: 2,
      comparedWith: "plain server",
    },
    {
      name: "transfer_zipf_1.5",
      value: median(contended),
      unit: "mutations/s",
      ratio: median(contended) / median(even),
      floor: 0.5,
      comparedWith: "uncontended",
    },
  ];
}
