// The time from the send of a mutation until the last of 1 000 subscribed clients sees it.
import { type Environment, median, runLoad } from "../environment.ts";
import type { FanOutResult, SubscribersLoad } from "../load/subscribers.ts";
import type { Row } from "../report.ts";

export async function fanOut(environment: Environment): Promise<Row[]> {
  const { server, accountsFile } = await environment.bank();
  const load: SubscribersLoad = {
    type: "fan_out",
    port: server.port,
    connections: 1000,
    rounds: 30,
    accountsFile,
  };
  const { lastSeenMs } = await runLoad<FanOutResult>("load/subscribers.ts", load);
  return [{ name: "fan_out_to_1000_clients", value: median(lastSeenMs), unit: "ms" }];
}
