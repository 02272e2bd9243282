// Rounds in which the server is killed with SIGKILL at a random point of commits, backfills, pushes or
// checkpoints. After each: `main.ts check` finds nothing wrong, what was acknowledged is there, nothing
// is there in part or twice, and a backfill that was interrupted goes on to its end.

import { httpClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import { runMain, type Server } from "../harness/server.ts";
import { PushError, SchemaPushes, type StartedPush } from "./schema_pushes.ts";
import { Writers, type Written } from "./writers.ts";

const BULK_DOCUMENTS = 20_000;
const BULK_BATCH = 2000;
const SMALL_BYTES = 20;
/** Some dozens of these fill the write-ahead log up to a checkpoint. */
const LARGE_BYTES = 60_000;

/** What goes on, besides commits, when the server is killed. */
const PHASES = ["commits", "checkpoints", "backfill", "push"] as const;
type Phase = typeof PHASES[number];
/** The kill comes at a random time up to this long after the beginning of the phase. */
const KILL_AFTER_MS_MAX: Readonly<Record<Phase, number>> = {
  commits: 500,
  checkpoints: 2000,
  backfill: 400,
  push: 2500,
};
/** Writing is well under way. */
const WARM_UP_PAIRS = 10;
const WARM_UP_MS_MAX = 20_000;

export interface CrashReport {
  readonly passed: number;
  readonly failures: readonly string[];
}

/**
 * Runs the rounds, on one data directory.
 * @param say is told what happens in each round
 */
export async function crashRounds(
  seed: number,
  rounds: number,
  say: (line: string) => void,
): Promise<CrashReport> {
  await using server = await serverWithApp("tests/apps/pairs");
  const http = httpClient(server);
  for (let first = 0; first < BULK_DOCUMENTS; first += BULK_BATCH) {
    await http.mutation(mutation("pairs:fill"), { first, count: BULK_BATCH });
  }
  await using writers = new Writers(server);
  const run = new CrashRun(server, writers, new Random(seed));
  let passed = 0;
  for (let round = 1; round <= rounds; round++) {
    try {
      say(`round ${round}: ${await run.round(round)}`);
      passed++;
    } catch (error) {
      // The data is suspect from here on.
      const failure = `round ${round} of seed ${seed}: ${(error as Error).stack}`;
      return { passed, failures: [failure] };
    }
  }
  const code = await server.stop();
  const failures = code === 0 ? [] : [`the server ended with ${code}`];
  failures.push(...await problemsOf(server));
  return { passed, failures };
}

class CrashRun {
  readonly #pushes: SchemaPushes;

  constructor(
    readonly server: Server,
    readonly writers: Writers,
    readonly random: Random,
  ) {
    this.#pushes = new SchemaPushes(server);
  }

  /** One round; returns a line about it. @throws Error when anything is wrong */
  async round(round: number): Promise<string> {
    const phase = this.random.of(PHASES);
    this.writers.start(round, phase === "checkpoints" ? LARGE_BYTES : SMALL_BYTES);
    await this.#warmUp();
    // A backfill begins when the push has started.
    const backfilling = phase === "backfill" ? await this.#pushes.start() : null;
    const pushing = phase === "push" ? this.#pushForEver() : Promise.resolve(backfilling);
    const killAfterMs = this.random.below(KILL_AFTER_MS_MAX[phase]);
    await new Promise((resolve) => setTimeout(resolve, killAfterMs));
    await this.server.kill();
    const started = await pushing;

    const problems = await problemsOf(this.server);
    if (problems.length > 0) throw new Error(problems.join("\n"));
    await this.server.restart();
    // What had begun goes on by itself.
    if (started !== null) {
      await this.#pushes.wait(started);
      await this.#pushes.finish(started);
    }
    const written = await this.writers.stop();
    const pairs = await this.#verify(round, written);
    if (phase === "checkpoints") await this.#clear(round);
    return `${phase}, killed after ${killAfterMs} ms, ${written.acknowledged.size} of ` +
      `${written.sent.size} pairs acknowledged, ${pairs} there` +
      (started === null ? "" : ", an interrupted push ended");
  }

  async #warmUp(): Promise<void> {
    const end = Date.now() + WARM_UP_MS_MAX;
    while (this.writers.acknowledgedCount < WARM_UP_PAIRS) {
      if (Date.now() > end) throw new Error("the clients get nothing done");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Resolves, soon after the kill, with a push that was started and not finished. */
  async #pushForEver(): Promise<StartedPush | null> {
    let started: StartedPush | null = null;
    try {
      while (true) {
        started = await this.#pushes.start();
        await this.#pushes.wait(started);
        const finishing: StartedPush = started;
        // Whether a push that was being finished is finished, nobody knows.
        started = null;
        await this.#pushes.finish(finishing);
      }
    } catch (error) {
      // The server is gone; an answer of it would be a failure.
      if (error instanceof PushError) throw error;
    }
    return started;
  }

  /** The number of pairs of the round. @throws Error when there are too few, too many, or halves */
  async #verify(round: number, { sent, acknowledged }: Written): Promise<number> {
    const halves = new Map<string, string[]>();
    const http = httpClient(this.server);
    let cursor: string | null = null;
    do {
      const page: { halves: { key: string; half: string }[]; cursor: string | null } = await http
        .query(query("pairs:ofRound"), { round, cursor });
      for (const { key, half } of page.halves) {
        halves.set(key, [...(halves.get(key) ?? []), half]);
      }
      cursor = page.cursor;
    } while (cursor !== null);
    for (const key of acknowledged) {
      if (!halves.has(key)) throw new Error(`${key} was acknowledged and is not there`);
    }
    for (const [key, found] of halves) {
      if (!sent.has(key)) throw new Error(`${key} was never sent`);
      if (found.sort().join() !== "a,b") throw new Error(`of ${key} there is ${found}`);
    }
    const total = await http.query(query("pairs:totalOf"), { round });
    if (total !== halves.size) throw new Error(`${total} pairs were counted, of ${halves.size}`);
    return halves.size;
  }

  /** Large rounds go, so that the file does not grow for ever. */
  async #clear(round: number): Promise<void> {
    const http = httpClient(this.server);
    while (!await http.mutation(mutation("pairs:clear"), { round }));
  }
}

/** What `main.ts check` finds wrong. */
export async function problemsOf(server: Server): Promise<string[]> {
  const { code, stdout, stderr } = await runMain(["check", "--data-dir", server.dataDir]);
  return code === 0 ? [] : [`check ended with ${code}:\n${stdout}${stderr}`];
}

/** A linear congruential generator: one seed, one run. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = Math.imul(this.#state, 1_664_525) + 1_013_904_223 >>> 0;
    return Math.floor(this.#state / 2 ** 32 * limit);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
