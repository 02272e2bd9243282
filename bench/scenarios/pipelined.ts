// Mutations over one WebSocket with many in flight.
import { type Environment, runLoad } from "../environment.ts";
import type { PipelinedLoad, PipelinedResult } from "../load/pipelined_load.ts";
import type { Row } from "../report.ts";

const IN_FLIGHT = 200;

export async function pipelined(environment: Environment): Promise<Row[]> {
  const { server, accountsFile } = await environment.bank();
  const load: PipelinedLoad = {
    port: server.port,
    inFlight: IN_FLIGHT,
    warmupMs: 1000,
    durationMs: 4000,
    accountsFile,
  };
  const result = await runLoad<PipelinedResult>("load/pipelined_load.ts", load);
  return [{ name: "websocket_pipelined", value: result.perSecond, unit: "mutations/s" }];
}
