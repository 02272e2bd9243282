// A process of its own that keeps many mutations in flight on one WebSocket.
import { type ServerMessage, SyncConnection } from "./sync_connection.ts";
import { zipf } from "./zipf.ts";

export interface PipelinedLoad {
  readonly port: number;
  readonly inFlight: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly accountsFile: string;
}

export interface PipelinedResult {
  readonly perSecond: number;
  readonly failures: number;
  readonly firstFailure: string | null;
}

if (import.meta.main) {
  console.log(JSON.stringify(await run(JSON.parse(Deno.args[0]!))));
}

async function run(load: PipelinedLoad): Promise<PipelinedResult> {
  const accounts: readonly string[] = JSON.parse(await Deno.readTextFile(load.accountsFile));
  const draw = zipf(accounts.length, 0);
  const connection = await SyncConnection.open(load.port);
  connection.subscribe("bank:balanceAt", []);
  const start = performance.now() + load.warmupMs;
  const end = start + load.durationMs;
  let [counted, failures, outstanding] = [0, 0, 0];
  let firstFailure: string | null = null;
  const done = Promise.withResolvers<void>();

  const send = () => {
    const from = draw();
    const to = (from + 1 + Math.floor(Math.random() * (accounts.length - 1))) % accounts.length;
    outstanding++;
    connection.mutation("bank:transfer", { from: accounts[from], to: accounts[to], amount: 1 });
  };
  connection.onMessage = (text) => {
    const message: ServerMessage = JSON.parse(text);
    if (message.type !== "MutationResponse") return;
    outstanding--;
    const now = performance.now();
    if (message.success !== true) {
      failures++;
      firstFailure ??= text;
    } else if (now >= start && now < end) counted++;
    if (now < end) send();
    else if (outstanding === 0) done.resolve();
  };
  for (let i = 0; i < load.inFlight; i++) send();
  await done.promise;
  connection.close();
  return { perSecond: counted / (load.durationMs / 1000), failures, firstFailure };
}
