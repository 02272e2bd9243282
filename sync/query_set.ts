// The queries of one connection: what the client has been told of each, which of them need a new
// result, and how a new result at one timestamp is found (sync protocol 5, steps 2 to 6).

import { PlatformError } from "../engine/errors.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCall, Identity } from "../runtime/types.ts";
import { type Backoff, backOff } from "./backoff.ts";
import {
  type Connection,
  prepareCall,
  type PreparedCall,
  type ResolveComponent,
} from "./call_target.ts";
import type { AddQuery, RemoveQuery, Target } from "./client_messages.ts";
import type { SyncClock } from "./clock.ts";
import { isDeterministic, ProtocolFault } from "./ending.ts";
import type {
  QueryAnswer,
  QueryCache,
  QueryEntry,
  QueryRequest,
  Subscriber,
} from "./query_cache.ts";
import { QueryKey } from "./query_key.ts";
import { type QueryNews, refusal } from "./query_result.ts";
import { randomRequestId } from "./request_id.ts";
import { queryModification } from "./server_messages.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Queries of one connection that may run at the same time. */
export const CONCURRENT_QUERIES_MAX = 20;
const OVERLOAD_BACKOFF: Backoff = { initialMs: 500, maxMs: 600_000 };

/** Codes of features that come up after start: the query is left out and tried again later. */
const UNAVAILABLE_CODES: ReadonlySet<string> = new Set([
  "SearchIndexesUnavailable",
  "VectorIndexesUnavailable",
  "TableSummariesUnavailable",
]);

/** What the queries of all connections share. */
export interface QueryEnvironment {
  readonly cache: QueryCache;
  readonly subscriptions: Subscriptions;
  /** Of the connection: its timers end with it. */
  readonly clock: SyncClock;
  readonly resolveComponent: ResolveComponent;
  readonly redact: boolean;
  readonly onCached: CachedQueryListener;
}

/** Hears of queries of clients that were answered with what an earlier run had found. */
export type CachedQueryListener = (call: FunctionCall, answer: QueryAnswer) => void;

/** One query of the client's query set. */
class LiveQuery implements Subscriber {
  /** The result that the client's view depends on; null while a new one is needed. */
  entry: QueryEntry | null = null;
  /** Of the result that the client was last told; null: it was told none. */
  fingerprint: string | null = null;
  /** A run has looked at the identity. */
  perIdentity = false;
  journal: string | null;
  #prepared: PreparedCall | null = null;
  #preparedFor: Identity | null = null;
  #key: QueryKey | null = null;

  constructor(
    readonly id: number,
    readonly target: Target,
    readonly args: string | null,
    journal: string | null,
    readonly onInvalidated: (query: LiveQuery) => void,
  ) {
    this.journal = journal;
  }

  invalidated(): void {
    this.entry = null;
    this.onInvalidated(this);
  }

  /** The call, made once for each identity. */
  prepare(
    identity: Identity,
    connection: Connection,
    resolveComponent: ResolveComponent,
  ): PreparedCall {
    if (this.#prepared === null || this.#preparedFor !== identity) {
      const requestId = randomRequestId();
      this.#prepared = prepareCall(
        this,
        "query",
        requestId,
        identity,
        connection,
        resolveComponent,
      );
      this.#preparedFor = identity;
      this.#key = null;
    }
    return this.#prepared;
  }

  key(call: FunctionCall): QueryKey {
    if (this.#key === null || this.#key.journal !== this.journal) {
      this.#key = new QueryKey(call, this.journal);
    }
    return this.#key;
  }
}

/** A query's result at the timestamp of the cycle; `entry` is null if it depends on no data. */
interface Evaluation {
  readonly query: LiveQuery;
  readonly news: QueryNews;
  readonly entry: QueryEntry | null;
}

/** What a cycle has found out, for {@link QuerySet.tell}. */
export interface EvaluatedQueries {
  readonly evaluations: readonly Evaluation[];
  /** Some query could not run yet and was left out. */
  readonly isIncomplete: boolean;
}

/** A message part with the query id that orders it. */
export interface Modification {
  readonly queryId: number;
  readonly text: string;
}

export class QuerySet {
  readonly #environment: QueryEnvironment;
  readonly #connection: Connection;
  readonly #onDirty: () => void;
  readonly #queries = new Map<number, LiveQuery>();
  /** Queries without a result that is known to stand. */
  readonly #dirty = new Set<LiveQuery>();
  #isOpen = true;

  /** `onDirty` is called when a commit has invalidated a result. */
  constructor(environment: QueryEnvironment, connection: Connection, onDirty: () => void) {
    this.#environment = environment;
    this.#connection = connection;
    this.#onDirty = onDirty;
  }

  get size(): number {
    return this.#queries.size;
  }

  /**
   * Applies modifications in order; returns the ids that the batch has removed for good.
   * @throws ProtocolFault when an added id is present or a removed one is not.
   */
  apply(modifications: readonly (AddQuery | RemoveQuery)[]): Set<number> {
    const removed = new Set<number>();
    for (const modification of modifications) {
      const id = modification.queryId;
      const present = this.#queries.get(id);
      if (modification.type === "Add") {
        if (present !== undefined) throw new ProtocolFault(`query ${id} was added twice`);
        const { target, args, journal } = modification;
        const query = new LiveQuery(id, target, args, journal, this.#onInvalidated);
        this.#queries.set(id, query);
        this.#dirty.add(query);
        removed.delete(id);
      } else {
        if (present === undefined) {
          throw new ProtocolFault(`query ${id} was removed but is not there`);
        }
        this.#unsubscribe(present);
        this.#queries.delete(id);
        this.#dirty.delete(present);
        removed.add(id);
      }
    }
    return removed;
  }

  /** Every query needs a new result: the identity has changed. */
  dropSubscriptions(): void {
    for (const query of this.#queries.values()) {
      this.#unsubscribe(query);
      this.#dirty.add(query);
    }
  }

  /**
   * Finds the result at `ts` of every query that needs one. Nothing changes before {@link tell}.
   * Null if the set was closed meanwhile.
   * @throws PlatformError and whatever else ends the cycle.
   */
  async evaluate(ts: Timestamp, identity: Identity): Promise<EvaluatedQueries | null> {
    const { cache, redact, resolveComponent, onCached } = this.#environment;
    this.#checkSubscriptions(ts);
    const evaluations: Evaluation[] = [];
    const toRun: { query: LiveQuery; request: QueryRequest }[] = [];
    for (const query of this.#dirty) {
      const prepared = query.prepare(identity, this.#connection, resolveComponent);
      if (prepared.call === null) {
        const news = refusal(prepared.requestId, prepared.refusal, redact);
        evaluations.push({ query, news, entry: null });
        continue;
      }
      const key = query.key(prepared.call);
      const found = cache.find(key, identity, ts);
      if (found !== null) {
        if (query.fingerprint === null) onCached(prepared.call, found);
        evaluations.push({ query, news: found.result, entry: found.entry });
      } else {
        const { call } = prepared;
        const { perIdentity } = query;
        toRun.push({
          query,
          request: { key, identity, perIdentity, call: () => withNewRequestId(call) },
        });
      }
    }
    let isIncomplete = false;
    let next = 0;
    const work = async () => {
      while (next < toRun.length && this.#isOpen) {
        const { query, request } = toRun[next++]!;
        try {
          const evaluation = await this.#run(query, request, ts);
          if (evaluation !== null) evaluations.push(evaluation);
          else isIncomplete = true;
        } catch (error) {
          next = toRun.length;
          throw error;
        }
      }
    };
    await Promise.all(
      Array.from({ length: Math.min(CONCURRENT_QUERIES_MAX, toRun.length) }, work),
    );
    return this.#isOpen ? { evaluations, isIncomplete } : null;
  }

  /** Subscribes to the results; returns what the client does not know yet. */
  tell(evaluated: EvaluatedQueries): Modification[] {
    const modifications: Modification[] = [];
    for (const { query, news, entry } of evaluated.evaluations) {
      this.#dirty.delete(query);
      query.journal = news.journal;
      if (entry !== null) {
        query.perIdentity = entry.observedIdentity;
        if (this.#environment.cache.subscribe(entry, query)) query.entry = entry;
        else this.#onInvalidated(query);
      }
      if (query.fingerprint === news.fingerprint) continue;
      query.fingerprint = news.fingerprint;
      modifications.push({ queryId: query.id, text: queryModification(query.id, news.tail) });
    }
    return modifications;
  }

  close(): void {
    this.#isOpen = false;
    for (const query of this.#queries.values()) this.#unsubscribe(query);
    this.#queries.clear();
    this.#dirty.clear();
  }

  readonly #onInvalidated = (query: LiveQuery): void => {
    this.#dirty.add(query);
    this.#onDirty();
  };

  /** Normally every commit up to `ts` has been matched; if not, the results are looked at one by one. */
  #checkSubscriptions(ts: Timestamp): void {
    const { subscriptions } = this.#environment;
    if (ts <= subscriptions.processed) return;
    for (const query of this.#queries.values()) {
      if (query.entry === null || subscriptions.covers(query.entry, ts)) continue;
      this.#unsubscribe(query);
      this.#dirty.add(query);
    }
  }

  #unsubscribe(query: LiveQuery): void {
    if (query.entry === null) return;
    this.#environment.cache.unsubscribe(query.entry, query);
    query.entry = null;
  }

  /** Null: the query cannot run yet and is left out of this Transition. */
  async #run(
    query: LiveQuery,
    request: QueryRequest,
    ts: Timestamp,
  ): Promise<Evaluation | null> {
    const { cache, clock, redact, onCached } = this.#environment;
    let hasRun = false;
    const call = () => {
      hasRun = true;
      return request.call();
    };
    for (let attempt = 0;; attempt++) {
      try {
        const answer = await cache.fetch({ ...request, call }, ts);
        const { entry, result } = answer;
        if (query.fingerprint === null && !hasRun) onCached(request.call(), answer);
        return { query, news: result, entry };
      } catch (error) {
        if (isDeterministic(error)) {
          const news = refusal(randomRequestId(), error.message, redact);
          return { query, news, entry: null };
        }
        if (error instanceof PlatformError && UNAVAILABLE_CODES.has(error.code)) return null;
        if (!isOverload(error)) throw error;
      }
      await backOff(clock, OVERLOAD_BACKOFF, attempt);
      if (!this.#isOpen) return null;
    }
  }
}

/** Each run of a query has an id of its own. */
function withNewRequestId(call: FunctionCall): FunctionCall {
  return { ...call, context: { ...call.context, requestId: randomRequestId() } };
}

function isOverload(error: unknown): boolean {
  return error instanceof PlatformError && (error.kind === "overloaded" || error.kind === "occ");
}
