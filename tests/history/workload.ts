// Clients that run random transactions on a few lists and registers, through the official clients.

import { BaseConvexClient, type ConvexHttpClient } from "convex/browser";
import type { Value } from "convex/values";
import { httpClient, mutation, query } from "../harness/clients.ts";
import type { Observation, Operation, Recorder } from "./history.ts";
import { Subscriptions } from "./subscriptions.ts";

const LIVE_CLIENTS = 8;
const HTTP_CLIENTS = 3;
/** Keys in use at a time: few, so that transactions meet. */
const KEYS = 5;
/** After so long other keys are used, so that lists do not grow for ever. */
const GENERATION_MS = 4000;
const OPERATIONS_MAX = 4;
/** One in so many mutations takes its time. */
const SLOW_PART = 4;
const SPINS_MAX = 60;
/** A client whose connection is cut again and again may wait long. */
const ANSWERS_MS_MAX = 90_000;
/** Between two tries of a client that cannot reach the server. */
const AWAY_MS = 50;

export interface WorkloadOptions {
  /** Of the server, or of a proxy before it. */
  readonly url: string;
  readonly recorder: Recorder;
  readonly random: () => number;
  /** Told of what is wrong. */
  readonly fail: (problem: string) => void;
}

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #live: BaseConvexClient[] = [];
  readonly #subscriptions: Subscriptions[] = [];
  readonly #startMs = Date.now();

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Results of subscriptions that were compared with fresh queries. */
  get comparedResults(): number {
    return this.#subscriptions.reduce((sum, { compared }) => sum + compared, 0);
  }

  /** Runs all clients until the time is over and every transaction has its answer. */
  async run(endMs: number): Promise<void> {
    const { url, fail, random } = this.#options;
    const http = httpClient({ url });
    for (let i = 0; i < LIVE_CLIENTS; i++) {
      const client = new BaseConvexClient(url, () => {}, {
        logger: false,
        unsavedChangesWarning: false,
      });
      this.#live.push(client);
      this.#subscriptions.push(new Subscriptions(client, url, `live ${i}`, random, fail));
    }
    const running = Promise.all([
      ...this.#live.map((client, i) => this.#runLive(`live ${i}`, client, i, endMs)),
      ...Array.from({ length: HTTP_CLIENTS }, (_, i) => this.#runHttp(`http ${i}`, http, endMs)),
    ]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        const states = this.#live.map((client) => JSON.stringify(client.connectionState()));
        fail(`some transactions never got an answer:\n${states.join("\n")}`);
        resolve();
      }, Math.max(0, endMs - Date.now()) + ANSWERS_MS_MAX);
    });
    await Promise.race([running, late]);
    clearTimeout(timer);
    await Promise.all(this.#subscriptions.map((subscriptions) => subscriptions.end()));
    for (const client of this.#live) await client.close();
  }

  /** Reads everything at the end: what was acknowledged must be in it. */
  async readAll(url: string): Promise<void> {
    const http = httpClient({ url });
    const generations = this.#generation() + 1;
    for (let generation = 0; generation < generations; generation++) {
      const keys = Array.from({ length: KEYS }, (_, i) => generation * KEYS + i);
      await this.#recordRead("the end", keys, http);
    }
  }

  async #runLive(name: string, client: BaseConvexClient, i: number, endMs: number): Promise<void> {
    const { recorder } = this.#options;
    while (Date.now() < endMs) {
      this.#subscriptions[i]!.follow(this.#keys());
      const operations = this.#operations();
      await recorder.record(name, operations, async () => {
        const args = { operations, spins: this.#spins() } as unknown as Record<string, Value>;
        const observed = await client.mutation("history:transact", args) as Observation[];
        // Once a mutation is answered, its client sees it.
        this.#subscriptions[i]!.mustSee(operations);
        return observed;
      });
    }
  }

  async #runHttp(name: string, http: ConvexHttpClient, endMs: number): Promise<void> {
    const { recorder, random } = this.#options;
    while (Date.now() < endMs) {
      if (random() < 0.5) {
        const keys = this.#keys().filter(() => random() < 0.5);
        await this.#recordRead(name, keys, http);
        continue;
      }
      const operations = this.#operations();
      const isAnswered = await recorder.record(
        name,
        operations,
        () =>
          http.mutation(mutation("history:transact"), { operations, spins: this.#spins() }, {
            skipQueue: true,
          }),
      );
      if (!isAnswered) await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    }
  }

  async #recordRead(name: string, keys: readonly number[], http: ConvexHttpClient): Promise<void> {
    const operations = keys.flatMap((key): Operation[] => [
      { type: "list", key, value: 0 },
      { type: "register", key, value: 0 },
    ]);
    await this.#options.recorder.record(name, operations, async () => {
      const { lists, registers } = await http.query(query("history:read"), { keys });
      return keys.flatMap((_, i): Observation[] => [lists[i], registers[i]]);
    });
  }

  #generation(): number {
    return Math.floor((Date.now() - this.#startMs) / GENERATION_MS);
  }

  #keys(): number[] {
    const first = this.#generation() * KEYS;
    return Array.from({ length: KEYS }, (_, i) => first + i);
  }

  #operations(): Operation[] {
    const { random, recorder } = this.#options;
    const types = ["append", "list", "write", "register"] as const;
    const keys = this.#keys();
    return Array.from({ length: 1 + Math.floor(random() * OPERATIONS_MAX) }, () => ({
      type: types[Math.floor(random() * types.length)]!,
      key: keys[Math.floor(random() * keys.length)]!,
      value: recorder.newValue(),
    }));
  }

  #spins(): number {
    const { random } = this.#options;
    return random() < 1 / SLOW_PART ? Math.floor(random() * SPINS_MAX) : 0;
  }
}
