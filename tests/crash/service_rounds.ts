// Rounds in which the server is killed with SIGKILL while scheduled functions run and files come and go.
// After each: `main.ts check` finds nothing wrong, so no document names bytes that are gone, and every
// upload that was acknowledged and not deleted is whole. At the end: every job that was acknowledged
// has ended, a mutation was done exactly once and an action at most once.

import { createHash } from "node:crypto";
import type { ConvexHttpClient } from "convex/browser";
import { httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";
import { type CrashReport, problemsOf, Random } from "./crash_rounds.ts";

const MUTATIONS_PER_ROUND = 60;
const ACTIONS_PER_ROUND = 6;
/** Jobs become due at random within so much time. */
const DUE_WITHIN_MS = 300;
const UPLOADS_PER_ROUND = 12;
const UPLOAD_BYTES_MAX = 200_000;
const KILL_AFTER_MS_MAX = 400;
const COLLECTED_WITHIN_MS = 20_000;
const SETTLED_WITHIN_MS = 60_000;
const LOST_ACTION = "Transient error while executing action";

/**
 * Runs the rounds, on one data directory for jobs and one for files.
 * @param say is told what happens in each round
 */
export async function serviceRounds(
  seed: number,
  rounds: number,
  say: (line: string) => void,
): Promise<CrashReport> {
  await using jobServer = await serverWithApp("tests/apps/jobs");
  await using fileServer = await serverWithApp("tests/apps/services");
  const random = new Random(seed);
  const jobs = new Jobs(jobServer, random);
  const files = new Files(fileServer, random);
  let passed = 0;
  try {
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round}: ${await jobs.round(round)}; ${await files.round()}`);
      passed++;
    }
    say(await jobs.verify());
  } catch (error) {
    const failure = `round ${passed + 1} of seed ${seed}: ${(error as Error).stack}`;
    return { passed, failures: [failure] };
  }
  const failures: string[] = [];
  for (const server of [jobServer, fileServer]) {
    const code = await server.stop();
    if (code !== 0) failures.push(`a server ended with ${code}`);
    failures.push(...await problemsOf(server));
  }
  return { passed, failures };
}

/** SIGKILL after a random time, a look at what is on the disk, and the next start. */
async function killAndRestart(server: Server, random: Random): Promise<number> {
  const killAfterMs = random.below(KILL_AFTER_MS_MAX);
  await new Promise((resolve) => setTimeout(resolve, killAfterMs));
  await server.kill();
  const problems = await problemsOf(server);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  await server.restart();
  return killAfterMs;
}

interface ScheduledJob {
  readonly id: string;
  readonly key: string;
  readonly isAction: boolean;
}

class Jobs {
  /** Jobs whose scheduling was acknowledged. */
  readonly #acknowledged: ScheduledJob[] = [];

  constructor(readonly server: Server, readonly random: Random) {}

  async round(round: number): Promise<string> {
    const before = this.#acknowledged.length;
    const scheduling = Promise.all([
      ...Array.from({ length: MUTATIONS_PER_ROUND / 5 }, (_, batch) => {
        const keys = Array.from({ length: 5 }, (_, i) => `${round}-${batch}-${i}`);
        return this.#schedule("mark", keys, false);
      }),
      ...Array.from({ length: ACTIONS_PER_ROUND }, (_, i) =>
        // An action's key says how long it takes.
        this.#schedule("slowAction", [`${round}-${i}/${this.random.below(400)}`], true)),
    ]);
    const killAfterMs = await killAndRestart(this.server, this.random);
    await scheduling;
    return `jobs killed after ${killAfterMs} ms, ` +
      `${this.#acknowledged.length - before} acknowledged`;
  }

  async #schedule(name: string, keys: string[], isAction: boolean): Promise<void> {
    const delayMs = this.random.below(DUE_WITHIN_MS);
    const args = { name: `jobs:${name}`, keys, delayMs, fails: false };
    try {
      const ids: string[] = await httpClient(this.server).mutation(mutation("jobs:schedule"), args);
      ids.forEach((id, i) => this.#acknowledged.push({ id, key: keys[i]!, isAction }));
    } catch {
      // The server is gone: the jobs may be there or not, all of the call or none.
    }
  }

  /** Waits until every job has ended. @throws Error when one was lost or done too often */
  async verify(): Promise<string> {
    const http = httpClient(this.server);
    await this.#settled();
    const marks: string[] = await http.query(query("jobs:marks"), {});
    const counts = Map.groupBy(marks, (key) => key);
    for (const [key, { length }] of counts) {
      if (length > 1) throw new Error(`${key} was done ${length} times`);
    }
    let lostActions = 0;
    for (const { id, key, isAction } of this.#acknowledged) {
      const { state } = await http.query(query("jobs:job"), { id });
      const hasEnded = counts.has(isAction ? `${key} ended` : key);
      if (isAction && state.error === LOST_ACTION) lostActions++;
      else if (state.kind !== "success" || !hasEnded) {
        throw new Error(`of the job ${key}, done: ${hasEnded}, is said ${JSON.stringify(state)}`);
      }
      // An action schedules its child before it ends.
      if (isAction && hasEnded && !counts.has(`${key} child`)) {
        throw new Error(`the child of ${key} was lost`);
      }
    }
    return `${this.#acknowledged.length} jobs ended, ${lostActions} actions were interrupted`;
  }

  async #settled(): Promise<void> {
    await using live = new LiveClient(this.server);
    const watched = live.watch("jobs:states");
    await watched.until((states) => {
      const { pending = 0, inProgress = 0 } = states as Record<string, number>;
      return pending + inProgress === 0;
    }, SETTLED_WITHIN_MS);
    watched.stop();
  }
}

class Files {
  /** By storage id, the checksum of what was uploaded and acknowledged and never asked to go. */
  readonly #kept = new Map<string, string>();

  constructor(readonly server: Server, readonly random: Random) {}

  async round(): Promise<string> {
    const uploads = Array.from({ length: UPLOADS_PER_ROUND }, () => {
      const bytes = new Uint8Array(this.random.below(UPLOAD_BYTES_MAX)).fill(
        this.random.below(256),
      );
      return this.#storeAndPerhapsDelete(bytes, this.random.below(2) === 0);
    });
    const killAfterMs = await killAndRestart(this.server, this.random);
    await Promise.all(uploads);
    const http = httpClient(this.server);
    const documents: { _id: string; sha256: string }[] = await http.query(query("files:all"), {});
    for (const { _id, sha256 } of documents) {
      const url = await http.query(query("files:url"), { storageId: _id });
      const served = checksum(await (await fetch(url)).bytes());
      if (served !== sha256) throw new Error(`the bytes of ${_id} are not what its document says`);
    }
    const stored = new Map(documents.map(({ _id, sha256 }) => [_id, sha256]));
    for (const [id, sha256] of this.#kept) {
      if (stored.get(id) !== sha256) throw new Error(`the acknowledged file ${id} is lost`);
    }
    await this.#collected(documents.length);
    return `files killed after ${killAfterMs} ms, ${documents.length} there`;
  }

  /** Bytes that no document names are removed soon after the start. */
  async #collected(count: number): Promise<void> {
    const end = Date.now() + COLLECTED_WITHIN_MS;
    for (;;) {
      const left = await this.#storedBlobs();
      if (left === count) return;
      if (Date.now() > end) throw new Error(`${left} files are on the disk for ${count} documents`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #storedBlobs(): Promise<number> {
    let count = 0;
    const directory = `${this.server.dataDir}/files`;
    for await (const folder of Deno.readDir(directory)) {
      count += (await Array.fromAsync(Deno.readDir(`${directory}/${folder.name}`))).length;
    }
    return count;
  }

  async #storeAndPerhapsDelete(
    bytes: Uint8Array<ArrayBuffer>,
    isDeleted: boolean,
  ): Promise<void> {
    const http = httpClient(this.server);
    const isMutation = this.random.below(3) === 0;
    try {
      const storageId = isMutation ? await storeInMutation(http, bytes) : await upload(http, bytes);
      if (isDeleted) await http.mutation(mutation("files:remove"), { storageId });
      else this.#kept.set(storageId, checksum(bytes));
    } catch {
      // The server is gone: nothing was promised.
    }
  }
}

async function upload(
  http: ConvexHttpClient,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const url = await http.mutation(mutation("files:uploadUrl"), {});
  return (await (await fetch(url, { method: "POST", body: bytes })).json()).storageId;
}

async function storeInMutation(
  http: ConvexHttpClient,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const args = { bytes: bytes.buffer, type: "" };
  return (await http.mutation(mutation("files:storeInMutation"), args)).id;
}

function checksum(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}
