// A process of its own with many subscribed connections. It measures how long a change takes to
// reach all of them, or just holds its subscriptions until its standard input is closed.
import { type ServerMessage, SyncConnection } from "./sync_connection.ts";

export type SubscribersLoad =
  /** Every connection watches the same account; `rounds` changes are made one after another. */
  | { type: "fan_out"; port: number; connections: number; rounds: number; accountsFile: string }
  /** The connections share the accounts, a subscription each. */
  | { type: "hold"; port: number; connections: number; accountsFile: string };

export interface FanOutResult {
  /** From the send of a mutation to the last connection's sight of it, one entry a round. */
  readonly lastSeenMs: readonly number[];
}

/** Between two rounds, so that each starts with quiet connections. */
const PAUSE_MS = 50;

if (import.meta.main) {
  const load: SubscribersLoad = JSON.parse(Deno.args[0]!);
  const accounts: readonly string[] = JSON.parse(await Deno.readTextFile(load.accountsFile));
  if (load.type === "hold") await hold(load.port, load.connections, accounts);
  else {console.log(
      JSON.stringify(await fanOut(load.port, load.connections, load.rounds, accounts)),
    );}
  Deno.exit(0);
}

async function fanOut(
  port: number,
  connections: number,
  rounds: number,
  accounts: readonly string[],
): Promise<FanOutResult> {
  let waiting = 0;
  let allSeen = Promise.withResolvers<void>();
  const expectAll = () => {
    waiting = connections;
    allSeen = Promise.withResolvers<void>();
  };
  expectAll();
  for (let i = 0; i < connections; i++) {
    const connection = await SyncConnection.open(port);
    connection.onMessage = (text) => {
      if (text.includes('"QueryUpdated"') && --waiting === 0) allSeen.resolve();
    };
    connection.subscribe("bank:balance", [{ account: accounts[0] }]);
  }
  await allSeen.promise;

  const writer = await SyncConnection.open(port);
  const lastSeenMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    expectAll();
    const sentAt = performance.now();
    writer.mutation("bank:transfer", { from: accounts[0], to: accounts[1 + round], amount: 1 });
    await allSeen.promise;
    lastSeenMs.push(performance.now() - sentAt);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return { lastSeenMs };
}

async function hold(port: number, connections: number, accounts: readonly string[]): Promise<void> {
  const share = Math.ceil(accounts.length / connections);
  for (let i = 0; i < connections; i++) {
    const mine = accounts.slice(i * share, (i + 1) * share);
    const connection = await SyncConnection.open(port);
    const answered = Promise.withResolvers<void>();
    let left = mine.length;
    connection.onMessage = (text) => {
      if (!text.includes('"QueryUpdated"')) return;
      const message: ServerMessage = JSON.parse(text);
      left -= message.modifications.length;
      if (left <= 0) answered.resolve();
    };
    connection.subscribe("bank:balance", mine.map((account) => ({ account })));
    await answered.promise;
  }
  console.log("holding");
  for await (const _ of Deno.stdin.readable) { /* until it is closed */ }
}
