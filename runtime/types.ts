// What the rest of the server says to the runtime and hears from it: function paths, identities,
// outcomes. The frames between host and isolate are in `frames.ts`.

import type { ComponentId, FlatReadSet, Tablet } from "../engine/types.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { JsonObject } from "../engine/values/value.ts";
import type { Turn } from "./turn.ts";

export type FunctionKind = "query" | "mutation" | "action" | "httpAction";

/** A canonical function path: module with `.js`, export name. `component` is the component's id. */
export interface FunctionPath {
  readonly component: ComponentId;
  readonly module: string;
  readonly name: string;
}

/** Claims as `ctx.auth.getUserIdentity()` shows them; JSON with camelCase keys. */
export interface UserAttributes {
  readonly tokenIdentifier: string;
  readonly issuer: string;
  readonly subject: string;
  readonly [claim: string]: unknown;
}

export type Identity =
  | { readonly kind: "anonymous" }
  | {
    readonly kind: "user";
    readonly attributes: UserAttributes;
    /** The raw JWT, for `getRequestMetadata`. */
    readonly token: string;
    readonly expiresAtMs: number;
  }
  | { readonly kind: "admin" }
  | { readonly kind: "acting"; readonly attributes: UserAttributes }
  /** The server itself: scheduler, crons. */
  | { readonly kind: "system" };

export type Caller =
  | "SyncWorker"
  | "HttpApi"
  | "Tester"
  | "HttpEndpoint"
  | "Cron"
  | "Scheduler"
  | "Action";

export interface RequestContext {
  /** 16 hex digits, shown in error texts. */
  readonly requestId: string;
  readonly identity: Identity;
  readonly caller: Caller;
  /** "public": only public functions of the root are found. "all": internal ones too. */
  readonly visibility: "public" | "all";
  /** "runByName" (`/api/function`, `convex run`) words the not-found error differently. */
  readonly notFoundWording?: "client" | "runByName";
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** The connection that asks, where that is known; nothing is shown of it. */
  readonly connection?: string;
  /** The scheduled job that the call is part of, however deep. */
  readonly job?: JobReference;
  /** Names an action's execution in the log; a fresh one if not given. */
  readonly executionId?: string;
  /** The action that makes the call. */
  readonly parentExecutionId?: string;
}

/** A document of a component's `_scheduled_jobs`. */
export interface JobReference {
  readonly component: ComponentId;
  readonly id: string;
}

/**
 * The document that says where a scheduled mutation stands. It changes in the mutation's own
 * transaction, so the mutation happens once if the document says that it did, and else not at all.
 */
export interface JobRecord {
  readonly tablet: Tablet;
  readonly id: string;
  /** Fields that the document must have for the mutation to run. */
  readonly expected: JsonObject;
  /** Fields that only the mutation itself sees. */
  readonly running: JsonObject;
  readonly succeeded: JsonObject;
  /** The field that gets the time of success, in milliseconds. */
  readonly completionField: string | null;
}

export interface FunctionCall {
  readonly path: FunctionPath;
  /** JSON text of the argument array, `[{...}]`, internal encoding. */
  readonly args: string;
  readonly context: RequestContext;
  /** Of a scheduled mutation. */
  readonly jobRecord?: JobRecord;
  /** Hears of each run of a mutation that could not be committed. */
  readonly onConflict?: (attempt: ConflictedAttempt) => void;
}

/** A run of a mutation of which nothing stays, since others wrote what it had read. */
export interface ConflictedAttempt {
  /** Runs before this one. */
  readonly retries: number;
  readonly willRetry: boolean;
  /** The text that its caller gets if there is no further run. */
  readonly message: string;
  readonly table: string | null;
  readonly documentId: string | null;
  /** The function that wrote. */
  readonly source: string | null;
  readonly logLines: readonly LogLine[];
  readonly stats: ExecutionStats;
}

export type LogLevel = "LOG" | "DEBUG" | "INFO" | "WARN" | "ERROR";

/** One structured log line (spec function-runtime 4.1). */
export interface LogLine {
  readonly level: LogLevel;
  /** Arguments already formatted. */
  readonly messages: readonly string[];
  readonly isTruncated: boolean;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly systemCode?: string;
  readonly componentPath?: string;
  readonly udfPath?: string;
}

/** An error of the developer's function, in the text form T of spec function-runtime 5. */
export interface FunctionError {
  /** Message, newline, frames each ended by a newline. */
  readonly text: string;
  /** JSON text of a ConvexError's data, internal encoding. */
  readonly data?: string;
}

/** `value` is JSON text of the internal encoding. */
export type FunctionResult =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly error: FunctionError };

export interface ExecutionStats {
  readonly executionMs: number;
  readonly documentsRead: number;
  readonly bytesRead: number;
  readonly documentsWritten: number;
  readonly bytesWritten: number;
}

export interface QueryOutcome {
  readonly result: FunctionResult;
  /** The snapshot that was read; everything in `readSet` is as of it. */
  readonly ts: Timestamp;
  readonly readSet: FlatReadSet;
  /** End cursor of the page, opaque; null if the run did not paginate. */
  readonly journal: string | null;
  readonly logLines: readonly LogLine[];
  /** The run looked at who is calling: its result may not be shared with others. */
  readonly observedIdentity: boolean;
  /** The run looked at the clock: its result ages. */
  readonly observedTime: boolean;
  readonly stats: ExecutionStats;
}

export interface MutationOutcome {
  readonly result: FunctionResult;
  /** Commit timestamp (or the snapshot's, when nothing was written). Null on failure. */
  readonly ts: Timestamp | null;
  readonly logLines: readonly LogLine[];
  /** The outcome came from the session's record; the function did not run again. */
  readonly replayed: boolean;
  /** The job record was not as expected, or the deployment is paused: nothing ran. */
  readonly isSuperseded?: boolean;
  readonly stats: ExecutionStats;
}

/** What runs a function. */
export type Environment = "isolate" | "node";

export interface ActionOutcome {
  readonly result: FunctionResult;
  readonly logLines: readonly LogLine[];
  readonly stats: ExecutionStats;
  /** Default: isolate. */
  readonly environment?: Environment;
}

/** A request to an HTTP action, without its body. */
export interface HttpRequestHead {
  readonly method: string;
  /** As the client sees it, without the prefix of the API port. */
  readonly url: string;
  /**
   * The path that chooses the route among those of the component, percent-encoded as in the URL;
   * null if none of them can match.
   */
  readonly path: string | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly hasBody: boolean;
  /** Why the credentials of the request prove nothing; thrown where the action asks who calls. */
  readonly authError: string | null;
}

/** The answer of an HTTP action, without its body. */
export interface HttpResponseHead {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /**
   * "none": there is no body. "arrived": all of it came before the head. "stream": it comes.
   */
  readonly body: "none" | "arrived" | "stream";
  /** The registered route, `/prefix/*` for one with a prefix; null: none matched. */
  readonly route: string | null;
}

/** One request and its answer, as the runtime needs it. */
export interface HttpExchange {
  readonly request: HttpRequestHead;
  readonly body: ReadableStream<Uint8Array> | null;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
  /** Called at most once. The body fails if the action fails while it sends it. */
  respond(head: HttpResponseHead, body: ReadableStream<Uint8Array> | Uint8Array | null): void;
}

export interface HttpActionRunner {
  /** Resolves when the action has ended, which is after the last byte of its answer. */
  runHttpAction(
    call: FunctionCall,
    exchange: HttpExchange,
    onLog?: (line: LogLine) => void,
  ): Promise<ActionOutcome>;
}

/**
 * Runs functions by path. Developer errors are results; platform errors (overload, internal, OCC
 * retries used up) are thrown as `PlatformError`. All checks of spec function-runtime 2 (existence,
 * visibility, kind, arguments) happen inside, at the snapshot that the function reads.
 */
export interface FunctionRunner {
  /** Reads exactly at `ts` (at most the latest durable commit). */
  runQuery(call: FunctionCall, ts: Timestamp, journal: string | null): Promise<QueryOutcome>;
  /**
   * Resolves when the commit is durable. `session` makes it idempotent. `onAccepted` is called, at
   * most once, as soon as the committer has accepted the mutation: its place in the order is fixed
   * and later runs see its writes, so a connection's next mutation may start before the disk is done.
   * With a `turn` it may be asked for before those that go before it are accepted: it is not, until its
   * turn has come. @throws TurnLostError when it never comes
   */
  runMutation(
    call: FunctionCall,
    session?: { readonly sessionId: string; readonly requestId: number },
    onAccepted?: () => void,
    turn?: Turn,
  ): Promise<MutationOutcome>;
  /** Runs to its end even if nobody waits. `onLog` sees lines while it runs. */
  runAction(call: FunctionCall, onLog?: (line: LogLine) => void): Promise<ActionOutcome>;
  /** Finds out what kind of function the path names, or null. Checks no visibility. */
  kindOf(path: FunctionPath): FunctionKind | null;
}
