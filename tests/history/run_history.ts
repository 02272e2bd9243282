// Lets clients work on a server for a while, disturbs them, and judges what they saw.

import { serverWithApp } from "../harness/pushed_app.ts";
import { runMain } from "../harness/server.ts";
import { TcpProxy } from "../harness/tcp_proxy.ts";
import { disturb, type DisturbanceCount } from "./disturbances.ts";
import { Recorder } from "./history.ts";
import { anomaliesOf } from "./serializability.ts";
import { Workload } from "./workload.ts";

/** Enough that mutations run beside each other, not only in one chain. */
const ISOLATES = 3;
/** Failures beyond these are not reported one by one. */
const FAILURES_MAX = 20;

export interface HistoryOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Another program instead of `main.ts`, path from the root of the repository. */
  readonly program?: string;
}

export interface HistoryReport extends DisturbanceCount {
  /** Transactions that were answered. */
  readonly answered: number;
  readonly unanswered: number;
  /** Results of subscriptions that were compared. */
  readonly compared: number;
  readonly failures: readonly string[];
}

export async function runHistory(options: HistoryOptions): Promise<HistoryReport> {
  const { seed, seconds, program } = options;
  await using server = await serverWithApp("tests/apps/history", {
    program,
    flags: ["--isolates", `${ISOLATES}`],
  });
  await using proxy = new TcpProxy(server.port);
  const random = randomNumbers(seed);
  const recorder = new Recorder();
  const failures: string[] = [];
  const workload = new Workload({
    url: `http://127.0.0.1:${proxy.port}`,
    recorder,
    random,
    fail: (problem) => failures.push(problem),
  });
  const endMs = Date.now() + seconds * 1000;
  const [count] = await Promise.all([
    disturb(server, proxy, random, endMs),
    workload.run(endMs),
  ]);
  await workload.readAll(server.url);
  await server.stop();
  const { code, stdout, stderr } = await runMain(["check", "--data-dir", server.dataDir]);
  if (code !== 0) failures.push(`check ended with ${code}:\n${stdout}${stderr}`);
  // The judgement first: it explains most of the others.
  failures.unshift(...anomaliesOf(recorder.transactions));
  const answered = recorder.transactions.filter(({ observations }) => observations !== null);
  return {
    ...count,
    answered: answered.length,
    unanswered: recorder.transactions.length - answered.length,
    compared: workload.comparedResults,
    failures: failures.slice(0, FAILURES_MAX),
  };
}

/** Numbers from 0 to 1; the same ones for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0;
    return state / 2 ** 32;
  };
}
