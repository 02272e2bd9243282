// Queries over HTTP with 16 clients: with arguments never seen before, and all alike.
import { type Environment, runLoad } from "../environment.ts";
import type { HttpLoad, HttpLoadResult } from "../load/http_load.ts";
import type { Row } from "../report.ts";

export async function queries(environment: Environment): Promise<Row[]> {
  const { server, accountsFile } = await environment.bank();
  const measure = async (distinct: boolean): Promise<number> => {
    const load: HttpLoad = {
      port: server.port,
      clients: 16,
      warmupMs: 1000,
      durationMs: 4000,
      request: { type: "query", distinct },
      accountsFile,
    };
    return (await runLoad<HttpLoadResult>("load/http_load.ts", load)).perSecond;
  };
  return [
    { name: "query_uncached", value: await measure(true), unit: "queries/s" },
    { name: "query_cached", value: await measure(false), unit: "queries/s" },
  ];
}
