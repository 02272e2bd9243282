// The shared query cache: one entry for each distinct query, valid from the snapshot it read up to
// the commit that touches its read set. HTTP queries and all sessions read through it; concurrent
// requests share one run (function-runtime 7, sync protocol 9).
//
// Memory: the cache keeps values up to `bytesMax`, least recently used first out. An entry that
// leaves it while sessions subscribe to it lets go of its value but stays registered for
// invalidation, so a subscription's memory is its read set. An invalidated entry leaves at once.

import type { Timestamp } from "../engine/timestamp.ts";
import type { FlatReadSet } from "../engine/types.ts";
import type { FunctionCall, FunctionRunner, Identity, QueryOutcome } from "../runtime/types.ts";
import type { SyncClock } from "./clock.ts";
import { identityKey, type QueryKey } from "./query_key.ts";
import { QueryResult } from "./query_result.ts";
import type { Subscriptions, Watched } from "./subscriptions.ts";

export const QUERY_CACHE_BYTES_MAX = 100 * 2 ** 20;
/** A result that observed the clock is not given to new requests when it is older than this. */
export const TIME_OBSERVED_AGE_MS_MAX = 17_000;
/** What an entry costs besides its texts, estimated. */
const ENTRY_OVERHEAD_BYTES = 1000;

/** Whoever must hear that a result no longer stands. */
export interface Subscriber {
  /** Called at most once for a subscription, which is then over. Must not throw. */
  invalidated(): void;
}

export interface QueryRequest {
  readonly key: QueryKey;
  readonly identity: Identity;
  /** Makes the call; only if the function must run. */
  readonly call: () => FunctionCall;
  /** An earlier run looked at the identity: do not wait for the run of another one. */
  readonly perIdentity: boolean;
}

export interface QueryAnswer {
  readonly entry: QueryEntry;
  readonly result: QueryResult;
}

/** One result and who depends on it. */
export class QueryEntry implements Watched {
  readonly ts: Timestamp;
  readonly readSet: FlatReadSet;
  readonly observedIdentity: boolean;
  /** Estimated memory while it is in the cache. */
  bytes: number;
  invalidatedAt: Timestamp | null = null;
  checkedThrough: Timestamp;
  readonly subscribers = new Set<Subscriber>();
  /** Keys under which the cache finds it; empty once it has left the cache. */
  keys: readonly string[] = [];
  /** Null once it has left the cache. */
  result: QueryResult | null = null;

  constructor(
    outcome: QueryOutcome,
    readonly identity: string,
    readonly ranAtMs: number,
    readonly observedTime: boolean,
    readonly forget: (entry: QueryEntry) => void,
  ) {
    this.ts = outcome.ts;
    this.checkedThrough = outcome.ts;
    this.readSet = outcome.readSet;
    this.observedIdentity = outcome.observedIdentity;
    this.bytes = sizeOf(outcome);
  }

  onInvalidated(): void {
    this.forget(this);
    const waiting = [...this.subscribers];
    this.subscribers.clear();
    for (const subscriber of waiting) subscriber.invalidated();
  }
}

interface Flight {
  readonly ts: Timestamp;
  readonly answer: Promise<QueryAnswer>;
}

export interface QueryCacheStats {
  readonly entries: number;
  readonly bytes: number;
  readonly hits: number;
  readonly joins: number;
  readonly runs: number;
}

export class QueryCache {
  readonly #runner: FunctionRunner;
  readonly #subscriptions: Subscriptions;
  readonly #clock: SyncClock;
  readonly #redact: boolean;
  readonly #bytesMax: number;
  readonly #byKey = new Map<string, QueryEntry>();
  /** In order of last use. */
  readonly #recency = new Set<QueryEntry>();
  /** The newest run under way of each key. Bounded by the requests that wait for them. */
  readonly #flights = new Map<string, Flight>();
  readonly #forget = (entry: QueryEntry) => this.#leave(entry);
  #bytes = 0;
  #hits = 0;
  #joins = 0;
  #runs = 0;

  constructor(options: {
    readonly runner: FunctionRunner;
    readonly subscriptions: Subscriptions;
    readonly clock: SyncClock;
    readonly redact: boolean;
    readonly bytesMax: number;
  }) {
    this.#runner = options.runner;
    this.#subscriptions = options.subscriptions;
    this.#clock = options.clock;
    this.#redact = options.redact;
    this.#bytesMax = options.bytesMax;
  }

  /** The result at `ts` if it is at hand. */
  find(key: QueryKey, identity: Identity, ts: Timestamp): QueryAnswer | null {
    const found = this.#usable(key.shared, ts) ?? this.#usable(key.of(identityKey(identity)), ts);
    if (found !== null) {
      this.#hits++;
      this.#recency.delete(found.entry);
      this.#recency.add(found.entry);
    }
    return found;
  }

  /**
   * The result at exactly `ts`: from the cache, from a run that is under way, or from a new run.
   * @throws what the runner throws.
   */
  async fetch(request: QueryRequest, ts: Timestamp): Promise<QueryAnswer> {
    const { key, identity } = request;
    const caller = identityKey(identity);
    let flightKey = request.perIdentity ? key.of(caller) : key.shared;
    // A run for an earlier snapshot is worth waiting for once: nearly always its result still stands.
    let mayWait = true;
    for (;;) {
      const found = this.find(key, identity, ts);
      if (found !== null) return found;
      const flight = this.#flights.get(flightKey);
      if (flight === undefined || (flight.ts !== ts && !mayWait)) {
        return await this.#run(request, flightKey, ts);
      }
      if (flight.ts !== ts) mayWait = false;
      this.#joins++;
      const answer = await this.#join(flight, ts);
      if (answer === null) continue;
      if (answer.entry.observedIdentity && answer.entry.identity !== caller) {
        flightKey = key.of(caller);
        mayWait = true;
      } else if (this.#subscriptions.covers(answer.entry, ts)) {
        return answer;
      }
    }
  }

  /**
   * Ties a subscriber to a result. False if it no longer stands at the latest commit: then there is
   * no subscription.
   */
  subscribe(entry: QueryEntry, subscriber: Subscriber): boolean {
    this.#subscriptions.watch(entry);
    if (entry.invalidatedAt !== null) return false;
    entry.subscribers.add(subscriber);
    return true;
  }

  unsubscribe(entry: QueryEntry, subscriber: Subscriber): void {
    entry.subscribers.delete(subscriber);
    if (entry.subscribers.size === 0 && entry.keys.length === 0) {
      this.#subscriptions.unwatch(entry);
    }
  }

  stats(): QueryCacheStats {
    return {
      entries: this.#recency.size,
      bytes: this.#bytes,
      hits: this.#hits,
      joins: this.#joins,
      runs: this.#runs,
    };
  }

  #usable(key: string, ts: Timestamp): QueryAnswer | null {
    const entry = this.#byKey.get(key);
    if (entry === undefined || entry.result === null) return null;
    if (!this.#subscriptions.covers(entry, ts)) return null;
    const ageMs = this.#clock.nowMs() - entry.ranAtMs;
    if (entry.observedTime && ageMs > TIME_OBSERVED_AGE_MS_MAX) return null;
    return { entry, result: entry.result };
  }

  /** Waits for another's run; null if it failed in a way that need not concern `ts`. */
  async #join(flight: Flight, ts: Timestamp): Promise<QueryAnswer | null> {
    try {
      return await flight.answer;
    } catch (error) {
      if (flight.ts === ts) throw error;
      return null;
    }
  }

  async #run(request: QueryRequest, flightKey: string, ts: Timestamp): Promise<QueryAnswer> {
    const flight = { ts, answer: this.#runAndKeep(request, ts) };
    const newest = this.#flights.get(flightKey);
    if (newest === undefined || newest.ts <= ts) this.#flights.set(flightKey, flight);
    try {
      return await flight.answer;
    } finally {
      if (this.#flights.get(flightKey) === flight) this.#flights.delete(flightKey);
    }
  }

  async #runAndKeep(request: QueryRequest, ts: Timestamp): Promise<QueryAnswer> {
    this.#runs++;
    const call = request.call();
    const outcome = await this.#runner.runQuery(call, ts, request.key.journal);
    const identity = outcome.observedIdentity ? identityKey(request.identity) : "";
    const result = new QueryResult(outcome, call.context.requestId, this.#redact);
    const entry = new QueryEntry(
      outcome,
      identity,
      this.#clock.nowMs(),
      outcome.observedTime,
      this.#forget,
    );
    // Errors are shared by those who wait, and by nobody later.
    if (outcome.result.ok) this.#keep(entry, result, request.key);
    return { entry, result };
  }

  #keep(entry: QueryEntry, result: QueryResult, key: QueryKey): void {
    this.#subscriptions.watch(entry);
    if (entry.invalidatedAt !== null) return;
    const keys = [key.of(entry.identity)];
    // A re-run with the produced journal gives the same result (sync protocol 7).
    if (result.journal !== key.journal) keys.push(key.of(entry.identity, result.journal));
    for (const text of keys) {
      const replaced = this.#byKey.get(text);
      if (replaced !== undefined) this.#leave(replaced);
    }
    entry.keys = keys;
    entry.result = result;
    for (const text of keys) {
      this.#byKey.set(text, entry);
      entry.bytes += text.length;
    }
    this.#recency.add(entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#recency) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#leave(oldest);
    }
  }

  /** The entry is no longer found; subscriptions to it stay. */
  #leave(entry: QueryEntry): void {
    if (entry.keys.length === 0) return;
    for (const key of entry.keys) this.#byKey.delete(key);
    entry.keys = [];
    entry.result = null;
    this.#recency.delete(entry);
    this.#bytes -= entry.bytes;
    if (entry.subscribers.size === 0) this.#subscriptions.unwatch(entry);
  }
}

function sizeOf(outcome: QueryOutcome): number {
  let size = ENTRY_OVERHEAD_BYTES + (outcome.journal?.length ?? 0);
  // The value stands in the outcome and, once a session has it, in the message text.
  if (outcome.result.ok) size += 2 * outcome.result.value.length;
  for (const part of outcome.readSet) size += typeof part === "string" ? part.length : 8;
  for (const line of outcome.logLines) {
    for (const message of line.messages) size += message.length;
  }
  return size;
}
