// The sync room's front door: sockets become sessions, HTTP queries go through the same cache.

import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCall, FunctionRunner, Identity, QueryOutcome } from "../runtime/types.ts";
import { type Connection, type ResolveComponent, visibilityOf } from "./call_target.ts";
import type { AuthToken } from "./client_messages.ts";
import { type ClientVersion, understandsChunks } from "./client_version.ts";
import { REAL_CLOCK, type SyncClock } from "./clock.ts";
import type { CommitSource } from "./commit_source.ts";
import { CLOSE_GOING_AWAY, CLOSE_TRY_AGAIN_LATER, type Ending } from "./ending.ts";
import { isSystemModule } from "./function_path.ts";
import { OpenSocket } from "./open_socket.ts";
import { QUERY_CACHE_BYTES_MAX, QueryCache, type QueryCacheStats } from "./query_cache.ts";
import type { CachedQueryListener } from "./query_set.ts";
import { QueryKey } from "./query_key.ts";
import { Session, type SessionEnvironment } from "./session.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Open WebSockets of a server. */
export const SESSIONS_MAX = 50_000;
/** How long `close` waits for clients to answer the close frame. */
const CLOSING_HANDSHAKE_MS_MAX = 1000;

const GOING_AWAY: Ending = { message: null, code: CLOSE_GOING_AWAY, reason: "ServerShutdown" };

export interface SyncServerOptions {
  /** An `Engine`. */
  readonly engine: CommitSource;
  readonly runner: FunctionRunner;
  /** Rejects with a `PlatformError` of kind unauthenticated, forbidden or badRequest for a bad token. */
  readonly authenticate: (token: AuthToken) => Promise<Identity>;
  /** Finds a child component by its path; without it there are none. */
  readonly resolveComponent?: ResolveComponent;
  /** Hide errors' texts and log lines from clients (sync protocol 10). */
  readonly redact?: boolean;
  readonly cacheBytesMax?: number;
  /** For the log of functions. */
  readonly onCached?: CachedQueryListener;
  readonly onUnexpectedError?: (error: unknown) => void;
  readonly clock?: SyncClock;
}

export interface SyncStats {
  readonly sessions: number;
  readonly queries: number;
  readonly subscriptions: number;
  readonly cache: QueryCacheStats;
}

export class SyncServer {
  readonly #environment: SessionEnvironment;
  readonly #cache: QueryCache;
  readonly #subscriptions: Subscriptions;
  readonly #sessions = new Set<Session>();
  /** Sockets whose closing handshake is not finished; at least those of all sessions. */
  readonly #sockets = new Set<WebSocket>();
  #lastConnection = 0;
  #isOpen = true;
  #onAllClosed: (() => void) | null = null;

  constructor(options: SyncServerOptions) {
    const { engine, runner, authenticate } = options;
    const clock = options.clock ?? REAL_CLOCK;
    const redact = options.redact ?? false;
    this.#subscriptions = new Subscriptions(engine);
    this.#cache = new QueryCache({
      runner,
      subscriptions: this.#subscriptions,
      clock,
      redact,
      bytesMax: options.cacheBytesMax ?? QUERY_CACHE_BYTES_MAX,
    });
    this.#environment = {
      source: engine,
      runner,
      authenticate,
      redact,
      clock,
      cache: this.#cache,
      subscriptions: this.#subscriptions,
      resolveComponent: options.resolveComponent ?? (() => null),
      onCached: options.onCached ?? (() => {}),
      onUnexpectedError: options.onUnexpectedError ?? ((error) => console.error(error)),
    };
  }

  /**
   * Serves an upgraded socket. The socket itself must notice a client that is gone
   * (`Deno.upgradeWebSocket` does, by WebSocket pings, with `idleTimeout: 120`).
   */
  accept(socket: WebSocket, client: ClientVersion, connection: Connection): void {
    socket.binaryType = "arraybuffer";
    this.#sockets.add(socket);
    let session: Session | null = null;
    const start = () => session = this.#start(socket, client, connection);
    if (socket.readyState === WebSocket.OPEN) start();
    else socket.addEventListener("open", start);
    socket.addEventListener("message", (event) => session?.receive(event.data));
    socket.addEventListener("close", () => {
      session?.disconnected();
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onAllClosed?.();
    });
    // What went wrong with a connection is the client's business; "close" follows.
    socket.addEventListener("error", (event) => event.preventDefault());
  }

  /**
   * Runs a query through the shared cache, at `ts` or at the latest timestamp.
   * @throws PlatformError what the runner throws.
   */
  async query(call: FunctionCall, ts?: Timestamp): Promise<QueryOutcome> {
    const at = ts ?? this.latest();
    const { identity } = call.context;
    if (isSystemModule(call.path.module) && visibilityOf(identity) !== "all") {
      // The runner refuses it by the identity, which is no part of a shared result's key.
      return await this.#environment.runner.runQuery(call, at, null);
    }
    const key = new QueryKey(call, null);
    const answer = this.#cache.find(key, identity, at) ??
      await this.#cache.fetch({ key, identity, call: () => call, perIdentity: false }, at);
    if (!answer.result.isFor(call)) this.#environment.onCached(call, answer);
    return answer.result.outcome;
  }

  /** The timestamp that `query` reads at when it is not told one. */
  latest(): Timestamp {
    return this.#subscriptions.latest();
  }

  stats(): SyncStats {
    let queries = 0;
    for (const session of this.#sessions) queries += session.queryCount;
    return {
      sessions: this.#sessions.size,
      queries,
      subscriptions: this.#subscriptions.size,
      cache: this.#cache.stats(),
    };
  }

  /**
   * Tells all clients that the server goes away; they reconnect by themselves. Resolves when they
   * have answered, or when that takes too long.
   */
  async close(): Promise<void> {
    this.#isOpen = false;
    for (const session of [...this.#sessions]) session.end(GOING_AWAY);
    this.#subscriptions.close();
    if (this.#sockets.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onAllClosed = resolve;
    const cancel = this.#environment.clock.after(CLOSING_HANDSHAKE_MS_MAX, resolve);
    await promise;
    cancel();
  }

  #start(socket: WebSocket, client: ClientVersion, connection: Connection): Session | null {
    if (!this.#isOpen) {
      socket.close(CLOSE_GOING_AWAY, "ServerShutdown");
      return null;
    }
    if (this.#sessions.size >= SESSIONS_MAX) {
      socket.close(CLOSE_TRY_AGAIN_LATER, "TooManyConnections");
      return null;
    }
    const session: Session = new Session({
      environment: this.#environment,
      socket: new OpenSocket(socket, this.#environment.clock),
      connection: { ...connection, id: `connection ${++this.#lastConnection}` },
      understandsChunks: understandsChunks(client),
      onEnd: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }
}
