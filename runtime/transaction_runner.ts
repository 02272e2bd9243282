// Runs queries and mutations through the pool. A mutation that conflicts runs again: first at once in
// the isolate where contended mutations chain, then after growing pauses, at last with no other
// isolate running mutations beside it (spec function-runtime 8).

import { resolveCommitTs } from "../engine/commit_ts_token.ts";
import type { Engine } from "../engine/engine.ts";
import { assert } from "../engine/errors.ts";
import { occError } from "../engine/occ_error.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { CommitResult, Conflict, FlatReadSet } from "../engine/types.ts";
import type { CallOutcome } from "./call_queue.ts";
import type { RunCall, RunResult } from "./frames.ts";
import type { CallRequest, Pool } from "./pool.ts";
import { randomHex } from "./random_hex.ts";
import { internalError } from "./system_failure.ts";
import { type Turn, TurnLostError } from "./turn.ts";
import type {
  ConflictedAttempt,
  ExecutionStats,
  FunctionCall,
  FunctionKind,
  FunctionPath,
  MutationOutcome,
  QueryOutcome,
  RequestContext,
} from "./types.ts";

/** Of a run's random numbers. */
const SEED_BYTES = 16;
/** Runs after the first one. */
const RETRIES_MAX = 4;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 2_000;
/** Snapshots at most this old are surely within the engine's retention. */
const SURELY_RETAINED_MICROS = 30_000_000;

export interface SessionRequest {
  readonly sessionId: string;
  readonly requestId: number;
}

/** Where a mutation stands among those of its client. */
interface OrderPlace {
  readonly onAccepted?: () => void;
  readonly turn?: Turn;
}

interface RunOptions extends OrderPlace {
  readonly at?: Timestamp;
  readonly journal?: string | null;
  readonly session?: SessionRequest;
  readonly isExclusive?: boolean;
}

/** Stats of a run that did not get to report them. */
export const NO_STATS: ExecutionStats = {
  executionMs: 0,
  documentsRead: 0,
  bytesRead: 0,
  documentsWritten: 0,
  bytesWritten: 0,
};

export class TransactionRunner {
  readonly #engine: Pick<Engine, "committer" | "snapshot" | "read">;
  readonly #pool: Pick<Pool, "submit" | "contention">;
  /** Session requests that are running: a repeat joins the first. */
  readonly #running = new Map<string, Promise<MutationOutcome>>();
  #lastCallId = 0;

  constructor(
    engine: Pick<Engine, "committer" | "snapshot" | "read">,
    pool: Pick<Pool, "submit" | "contention">,
  ) {
    this.#engine = engine;
    this.#pool = pool;
  }

  async runQuery(
    call: FunctionCall,
    ts: Timestamp,
    journal: string | null,
  ): Promise<QueryOutcome> {
    const { committer } = this.#engine;
    if (committer.latest - ts > SURELY_RETAINED_MICROS) this.#engine.snapshot(ts).close();
    const outcome = await this.#run(call, "query", { at: ts, journal });
    if (outcome.kind === "overrun") {
      return {
        result: { ok: false, error: { text: `${outcome.message}\n` } },
        ts,
        readSet: this.#codeReadSet(call.path, ts),
        journal: null,
        logLines: [],
        observedIdentity: true,
        observedTime: true,
        stats: NO_STATS,
      };
    }
    assert(outcome.kind === "ran", "queries have no turns");
    const { result } = outcome;
    return {
      result: result.result,
      ts: result.begin,
      readSet: result.readSet,
      journal: result.journal,
      logLines: result.logLines,
      observedIdentity: result.observedIdentity,
      observedTime: result.observedTime,
      stats: result.stats,
    };
  }

  /** What a query that was stopped has surely read; the rest went with its isolate. */
  #codeReadSet(path: FunctionPath, ts: Timestamp): FlatReadSet {
    return this.#engine.read(
      (tx) => tx.table("modules").first("by_path", [path.component, path.module]),
      ts,
    ).readSet;
  }

  runMutation(
    call: FunctionCall,
    session: SessionRequest | undefined,
    place: OrderPlace = {},
  ): Promise<MutationOutcome> {
    if (session === undefined) return this.#attempts(call, undefined, place);
    const key = `${session.requestId} ${session.sessionId}`;
    const first = this.#running.get(key);
    if (first !== undefined) {
      return first.then((outcome) => ({ ...outcome, replayed: true }), (error) => {
        // The connection that asked first has ended; what this one has sent before is another matter.
        if (error instanceof TurnLostError) return this.runMutation(call, session, place);
        throw error;
      });
    }
    const outcome = this.#once(call, session, place);
    this.#running.set(key, outcome);
    const done = () => this.#running.delete(key);
    outcome.then(done, done);
    return outcome;
  }

  async #once(
    call: FunctionCall,
    session: SessionRequest,
    place: OrderPlace,
  ): Promise<MutationOutcome> {
    return await this.#replay(session) ?? await this.#attempts(call, session, place);
  }

  /** The recorded outcome of the request, once it is durable. */
  async #replay(session: SessionRequest): Promise<MutationOutcome | null> {
    const { committer } = this.#engine;
    const recorded = committer.sessionOutcome(session.sessionId, session.requestId);
    if (recorded === null) return null;
    await committer.whenDurable(recorded.ts);
    return {
      result: { ok: true, value: recorded.result },
      ts: recorded.ts,
      logLines: recorded.logLines.map((line) => JSON.parse(line)),
      replayed: true,
      stats: NO_STATS,
    };
  }

  async #attempts(
    call: FunctionCall,
    session: SessionRequest | undefined,
    place: OrderPlace,
  ): Promise<MutationOutcome> {
    const source = functionName(call.path);
    for (let retry = 0;; retry++) {
      const isExclusive = retry === RETRIES_MAX;
      const outcome = await this.#runInTurn(call, { session, ...place, isExclusive });
      if (outcome.kind === "overrun") {
        return {
          result: { ok: false, error: { text: `${outcome.message}\n` } },
          ts: null,
          logLines: [],
          replayed: false,
          stats: NO_STATS,
        };
      }
      const commit = await this.#commitOf(outcome);
      if (commit.kind === "committed") return mutationOutcome(outcome.result, commit.ts);
      const replayed = session && await this.#replay(session);
      if (replayed) return replayed;
      this.#pool.contention.conflict(source, commit.conflict.source, performance.now());
      if (isExclusive && !outcome.result.result.ok) return mutationOutcome(outcome.result, null);
      const error = occError(commit.conflict, source);
      call.onConflict?.(conflictedAttempt(outcome.result, commit.conflict, {
        retries: retry,
        willRetry: !isExclusive,
        message: error.message,
      }));
      if (isExclusive) throw error;
      if (retry > 0) await pause(retry - 1);
    }
  }

  /**
   * What came of a run before the turn counts only if it is still to be committed: the function may have
   * failed because those that go before it had not happened yet.
   */
  async #runInTurn(
    call: FunctionCall,
    options: RunOptions,
  ): Promise<Exclude<CallOutcome, { kind: "early" }>> {
    const { turn } = options;
    if (turn !== undefined && !turn.hasCome) {
      const outcome = await this.#run(call, "mutation", options).catch(() => null);
      if (outcome?.kind === "ran") return outcome;
      await turn.whenCome();
    }
    const outcome = await this.#run(call, "mutation", options);
    assert(outcome.kind !== "early", "its turn has come");
    return outcome;
  }

  /** @throws PlatformError when the committer cannot decide, whatever the cause. */
  async #commitOf(outcome: CallOutcome & { kind: "ran" }): Promise<CommitResult> {
    try {
      return await outcome.commit!;
    } catch (error) {
      throw internalError(error);
    }
  }

  #run(
    call: FunctionCall,
    kind: "query" | "mutation",
    options: RunOptions,
  ): Promise<CallOutcome> {
    return new Promise((settle, fail) => {
      const request: CallRequest = {
        call: {
          ...runCall(++this.#lastCallId, kind, call),
          at: options.at ?? null,
          journal: options.journal ?? null,
        },
        source: functionName(call.path),
        client: clientOf(call.context),
        session: options.session,
        isExclusive: options.isExclusive ?? false,
        onAccepted: options.onAccepted,
        turn: options.turn,
        settle,
        fail,
      };
      this.#pool.submit(request);
    });
  }
}

/** The frame's form of a call. */
export function runCall(callId: number, kind: FunctionKind, call: FunctionCall): RunCall {
  const { context } = call;
  return {
    callId,
    kind,
    path: call.path,
    args: call.args,
    identity: context.identity,
    requestId: context.requestId,
    executionId: context.executionId,
    visibility: context.visibility,
    notFoundWording: context.notFoundWording,
    journal: null,
    at: null,
    seed: randomHex(SEED_BYTES),
    ip: context.ip,
    userAgent: context.userAgent,
    caller: context.caller,
    job: context.job,
    jobRecord: call.jobRecord,
  };
}

/**
 * Who takes a turn when calls wait: a user, whatever connections they have; for those without a name
 * the connection, or else the address.
 */
function clientOf({ identity, connection, ip }: RequestContext): string {
  if (identity.kind === "user" || identity.kind === "acting") {
    return `user ${identity.attributes.tokenIdentifier}`;
  }
  return connection ?? ip ?? identity.kind;
}

/** `{component/}{mod.js:fn}`, as conflicts show it. */
export function functionName(path: FunctionPath): string {
  const name = `${path.module}:${path.name}`;
  return path.component === "" ? name : `${path.component}/${name}`;
}

function conflictedAttempt(
  { logLines, stats }: RunResult,
  { table, id: documentId, source }: Conflict,
  attempt: Pick<ConflictedAttempt, "retries" | "willRetry" | "message">,
): ConflictedAttempt {
  return { ...attempt, table, documentId, source, logLines, stats };
}

function mutationOutcome(run: RunResult, ts: Timestamp | null): MutationOutcome {
  const { result } = run;
  return {
    result: result.ok && ts !== null
      ? { ok: true, value: resolveCommitTs(result.value, ts) }
      : result,
    ts: result.ok ? ts : null,
    logLines: run.logLines,
    replayed: false,
    isSuperseded: run.isSuperseded ?? false,
    stats: run.stats,
  };
}

function pause(retry: number): Promise<void> {
  const delayMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** retry) * Math.random();
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
