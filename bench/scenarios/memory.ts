// The host's memory after the other scenarios of this run.
import type { Environment } from "../environment.ts";
import type { Row } from "../report.ts";

const MEGABYTE = 1e6;

export async function memoryAfter(environment: Environment): Promise<Row[]> {
  const { server } = await environment.bank();
  return [{
    name: "rss_after_the_run",
    value: await server.residentBytes() / MEGABYTE,
    unit: "MB",
  }];
}
