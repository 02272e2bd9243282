// The cost of a commit while 10 000 subscriptions watch other documents of the same table, against
// its cost with no subscription.
import { ACCOUNTS, type Environment, median, runLoad, startLoad } from "../environment.ts";
import type { HttpLoad, HttpLoadResult } from "../load/http_load.ts";
import type { SubscribersLoad } from "../load/subscribers.ts";
import type { Row } from "../report.ts";

const CONNECTIONS = 20;
const ROUNDS = 3;

export async function unrelatedSubscriptions(environment: Environment): Promise<Row[]> {
  const { server, accountsFile, otherAccountsFile } = await environment.bank();
  const microsecondsPerCommit = async (): Promise<number> => {
    const load: HttpLoad = {
      port: server.port,
      clients: 16,
      warmupMs: 1000,
      durationMs: 3000,
      request: { type: "transfer", alpha: 0 },
      accountsFile: otherAccountsFile,
    };
    return 1e6 / (await runLoad<HttpLoadResult>("load/http_load.ts", load)).perSecond;
  };
  const subscribers: SubscribersLoad = {
    type: "hold",
    port: server.port,
    connections: CONNECTIONS,
    accountsFile,
  };
  const [without, withThem]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    without.push(await microsecondsPerCommit());
    await using _held = await startLoad("load/subscribers.ts", subscribers, /holding/);
    withThem.push(await microsecondsPerCommit());
  }
  return [
    { name: "commit_without_subscriptions", value: median(without), unit: "µs" },
    {
      name: `commit_with_${ACCOUNTS}_subscriptions`,
      value: median(withThem),
      unit: "µs",
      ratio: median(withThem) / median(without),
      floor: 1.3,
      bound: "at most",
      comparedWith: "without",
    },
  ];
}
