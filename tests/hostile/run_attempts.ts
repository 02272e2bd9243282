// Runs every attack of tests/apps/hostile from every place where code can stand, and looks after each
// whether it was answered as it should be and whether anybody else was harmed.

import {
  action,
  httpClient,
  LiveClient,
  mutation,
  query,
  type Watched,
} from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";
import { setVariables } from "../harness/variables.ts";
import { expectedAnswer } from "./expected_answers.ts";

export const PLACES = ["query", "mutation", "action", "HTTP action", "module level"] as const;
export type Place = typeof PLACES[number];

/** Never to be seen by a function: a variable of the server's own environment. */
const HOST_SECRET = "hostile-test-secret";
/** Small, so that what is endless ends soon. */
const LIMITS = { userTimeMs: 500, actionTimeMs: 5_000 };
/** A bystander's call takes no longer, whatever the attack. */
const BYSTANDER_MS_MAX = 15_000;

/** The places for an attack: all, but two for what takes seconds. */
export function placesFor(name: string): readonly Place[] {
  if (!name.startsWith("resources.")) return PLACES;
  return ["query", PLACES[1 + name.length % (PLACES.length - 1)]!];
}

export interface Attempt {
  readonly name: string;
  readonly place: Place;
  /** What is wrong; null: the attack came to nothing. */
  readonly problem: string | null;
}

/** What {@link HostileStand.realm} finds when nobody has touched the realm. */
const CLEAN_REALM = JSON.stringify({
  array: "a,b,1,2",
  call: true,
  hook: false,
  json: '{"a":[1]}',
  map: 2,
  now: true,
  ok: null,
  pattern: 1,
  polluted: null,
  secret: null,
  text: "[object Object]",
  type: null,
});

/** A server with the app, and a client who only wants to work. */
export class HostileStand implements AsyncDisposable {
  readonly #visits: Watched;
  #visitCount = 0;
  #nonce = 0;

  private constructor(
    readonly server: Server,
    readonly bystander: LiveClient,
    readonly limitsFile: string,
  ) {
    this.#visits = bystander.watch("attacks:visits");
  }

  static async open(): Promise<HostileStand> {
    const limitsFile = await Deno.makeTempFile({ suffix: ".json" });
    await Deno.writeTextFile(limitsFile, JSON.stringify(LIMITS));
    const server = await serverWithApp("tests/apps/hostile", {
      flags: ["--limits", limitsFile],
      env: { HOSTILE_SECRET: HOST_SECRET, CONCAVE_S3_SECRET_ACCESS_KEY: HOST_SECRET },
    });
    const stand = new HostileStand(server, new LiveClient(server), limitsFile);
    await httpClient(server).action(action("attacks:keepSecret"), {});
    await stand.#visits.until(Array.isArray);
    return stand;
  }

  async names(): Promise<string[]> {
    return await httpClient(this.server).query(query("attacks:names"), {});
  }

  /** Makes one attempt. Never throws: what went wrong is the problem. */
  async attempt(name: string, place: Place): Promise<Attempt> {
    const hostPid = this.server.pid;
    try {
      const who = `${name} in ${place}`;
      const [answer] = await Promise.all([this.#answer(name, place), this.#visit(who)]);
      const problem = judge(name, answer) ?? await this.#harm(who, hostPid);
      return { name, place, problem };
    } catch (error) {
      return { name, place, problem: `a bystander was harmed: ${(error as Error).message}` };
    }
  }

  /** What the attacker gets: the error's message after `! `, or what the function returned. */
  async #answer(name: string, place: Place): Promise<string> {
    const client = httpClient(this.server);
    const args = { attack: name };
    try {
      switch (place) {
        case "query":
          return String(await client.query(query("attacks:asQuery"), args));
        case "mutation":
          return String(await client.mutation(mutation("attacks:asMutation"), args));
        case "action":
          return String(await client.action(action("attacks:asAction"), args));
        case "HTTP action": {
          const response = await fetch(`${this.server.siteUrl}/attack`, {
            method: "POST",
            body: name,
          });
          const text = await response.text();
          return response.ok ? text : `! ${text}`;
        }
        case "module level":
          await setVariables(this.server, { ATTACK: name });
          try {
            return String(await client.query(query("at_import:run"), {}));
          } finally {
            await setVariables(this.server, { ATTACK: null });
          }
      }
    } catch (error) {
      const { message } = error as Error;
      // The mutation fails itself with what it reached, so that nothing of it is committed.
      const reached = message.match(/let through: (reached: [^]*?)\n {4}at /);
      return reached === null ? `! ${message}` : reached[1]!;
    }
  }

  /** A mutation of the bystander, and its live query that must show it. */
  async #visit(who: string): Promise<void> {
    const started = performance.now();
    await this.bystander.mutation(mutation("attacks:visit"), { who });
    this.#visitCount++;
    const tookMs = performance.now() - started;
    if (tookMs > BYSTANDER_MS_MAX) throw new Error(`a mutation took ${Math.round(tookMs)} ms`);
  }

  /** What stayed after the attack, if anything did. */
  async #harm(who: string, hostPid: number): Promise<string | null> {
    await this.#visits.until((seen) => (seen as string[]).includes(who));
    const seen = this.#visits.results.at(-1) as string[];
    if (seen.length !== this.#visitCount) return `writes of the attacker stayed: ${seen}`;
    if (this.#visits.results.some((result) => result instanceof Error)) {
      return "a live query of the bystander failed";
    }
    const nonce = ++this.#nonce;
    const realm = await httpClient(this.server).query(query("attacks:realm"), { nonce });
    const found = JSON.stringify(realm, Object.keys(realm).toSorted());
    if (found !== CLEAN_REALM) return `the next run finds ${found}`;
    try {
      Deno.kill(hostPid, "SIGCONT");
    } catch {
      return "the host process ended";
    }
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bystander.close();
    await this.server[Symbol.asyncDispose]();
    await Deno.remove(this.limitsFile);
  }
}

function judge(name: string, answer: string): string | null {
  const shown = answer.slice(0, 300);
  if (answer.includes("root:")) return `it read a file: ${shown}`;
  if (answer.includes(HOST_SECRET)) return `it saw the host's environment: ${shown}`;
  if (/ at .*(ext:|file:\/\/)|runtime\/isolate/.test(answer)) {
    return `it saw the host's code: ${shown}`;
  }
  const expected = expectedAnswer(name);
  return expected.test(answer) ? null : `expected ${expected}, got: ${shown}`;
}
