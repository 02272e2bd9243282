// A client's live query: its timestamps never go back, its results are those of a fresh query at the
// same timestamp, and it shows what the client's own mutations did as soon as they are answered.

import type { BaseConvexClient } from "convex/browser";
import { convexToJson, type Value } from "convex/values";
import { post } from "../harness/clients.ts";
import type { Operation } from "./history.ts";

const QUERY = "history:read";
/** One in so many results is compared with a fresh query. */
const COMPARED_PART = 3;
/** Comparisons that may be under way. */
const COMPARING_MAX = 8;
const TIMESTAMP_BYTES = 8;
const RETRIES_MAX = 50;
const RETRY_MS = 100;

interface ReadResult {
  readonly lists: number[][];
  readonly registers: (number | null)[];
}

export class Subscriptions {
  compared = 0;
  #keys: number[] = [];
  #unsubscribe = () => {};
  #latest = 0n;
  readonly #comparing = new Set<Promise<void>>();

  constructor(
    readonly client: BaseConvexClient,
    readonly url: string,
    readonly name: string,
    readonly random: () => number,
    readonly fail: (problem: string) => void,
  ) {
    client.addOnTransitionHandler(({ timestamp }) => this.#transition(nanosOf(timestamp)));
  }

  /** Follows other keys from now on, if they are other ones. */
  follow(keys: number[]): void {
    if (keys.join() === this.#keys.join()) return;
    this.#unsubscribe();
    this.#keys = keys;
    this.#unsubscribe = this.client.subscribe(QUERY, { keys }).unsubscribe;
  }

  /** The client's mutation has just been answered. */
  mustSee(operations: readonly Operation[]): void {
    const result = this.#result();
    if (result === null) return;
    for (const { type, key, value } of operations) {
      const position = this.#keys.indexOf(key);
      if (type !== "append" || position < 0) continue;
      if (!result.lists[position]!.includes(value)) {
        this.fail(`${this.name} does not see its own append of ${value} to list ${key}`);
      }
    }
  }

  /** Waits for comparisons. */
  async end(): Promise<void> {
    await Promise.all(this.#comparing);
  }

  #result(): ReadResult | null {
    try {
      const result = this.client.localQueryResult(QUERY, { keys: this.#keys });
      return (result ?? null) as unknown as ReadResult | null;
    } catch (error) {
      this.fail(`the query of ${this.name} failed: ${(error as Error).message}`);
      return null;
    }
  }

  #transition(nanos: bigint): void {
    if (nanos < this.#latest) {
      this.fail(`${this.name} went back from ${this.#latest} to ${nanos}`);
    }
    this.#latest = nanos;
    if (this.random() * COMPARED_PART > 1 || this.#comparing.size >= COMPARING_MAX) return;
    const result = this.#result();
    if (result === null) return;
    const seen = result as unknown as Value;
    const comparing: Promise<void> = this.#compare(nanos, [...this.#keys], seen)
      .finally(() => this.#comparing.delete(comparing));
    this.#comparing.add(comparing);
  }

  async #compare(nanos: bigint, keys: number[], seen: Value): Promise<void> {
    const fresh = await this.#freshQuery(nanos, keys);
    if (fresh === null) return;
    this.compared++;
    const expected = JSON.stringify(convexToJson(seen));
    if (fresh !== expected) {
      this.fail(`${this.name} saw ${expected} at ${nanos}; a fresh query there gives ${fresh}`);
    }
  }

  /** Null if the server cannot be reached. */
  async #freshQuery(nanos: bigint, keys: number[]): Promise<string | null> {
    const body = {
      path: QUERY,
      args: [{ keys }],
      format: "convex_encoded_json",
      ts: base64Of(nanos),
    };
    for (let i = 0; i < RETRIES_MAX; i++) {
      try {
        const { status, json, text } = await post(`${this.url}/api/query_at_ts`, body);
        if (status === 200 && json.status === "success") return JSON.stringify(json.value);
        if (status < 500) this.fail(`a query at ${nanos} answered ${status}: ${text}`);
      } catch {
        // The connection was cut.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    return null;
  }
}

/** The client's own 64 bit numbers have two halves. */
function nanosOf(timestamp: { low: number; high: number }): bigint {
  return BigInt(timestamp.high >>> 0) << 32n | BigInt(timestamp.low >>> 0);
}

function base64Of(nanos: bigint): string {
  const bytes = new Uint8Array(TIMESTAMP_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, nanos, true);
  return btoa(String.fromCharCode(...bytes));
}
