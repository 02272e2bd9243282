// The messages between the host and an isolate process, and their form on the pipe. A frame is four
// bytes of length, little-endian, then that many bytes of UTF-8 JSON. Function arguments, results
// and documents are JSON *texts* inside the frame: neither side parses what it only passes on. Chunks
// of byte streams are not JSON: the highest bit of their length is set.

import type { PackageVersion } from "./node_packages.ts";
import type { TransactionLimits } from "../engine/limits.ts";
import type { DocumentWrite, FlatReadSet } from "../engine/types.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { HighestUse } from "./limit_usage.ts";
import type { RuntimeLimits } from "./limits.ts";
import type { NestedFrame, NestedTrace, NestsFrame } from "./nested_overruns.ts";
import {
  CHUNK_HEADER_BYTES,
  type ChunkFrame,
  isChunk,
  readChunk,
  type StreamFrame,
  writeChunkHeader,
} from "./stream_frames.ts";
import type {
  Caller,
  Environment,
  ExecutionStats,
  FunctionKind,
  FunctionPath,
  FunctionResult,
  HttpRequestHead,
  HttpResponseHead,
  Identity,
  JobRecord,
  JobReference,
  LogLevel,
  LogLine,
} from "./types.ts";

/** Where a process writes its frames whose stdout is open to user code (isolate_process.ts). */
export const FRAMES_FILE = "/dev/fd/3";

/** The syscall with which an isolate hands a checked action over to a Node process. */
export const RUN_IN_NODE = "node/run";

/** The syscall with which a mutation's isolate, which has no keys, asks for a signed token. */
export const SIGN_JWT = "auth/signJwt";

/** "transactions": queries, mutations and push-time evaluation. "actions": actions, with network. */
export type IsolateMode = "transactions" | "actions";

/** Always the first frame. */
export interface InitFrame {
  readonly type: "init";
  /** Never used for another process again; names the isolate's chain. */
  readonly isolate: number;
  readonly mode: IsolateMode;
  /** Actions connect to IPv4 addresses only (outbound_policy.ts). */
  readonly ipv4Only: boolean;
  readonly dbPath: string;
  /** What functions are told. */
  readonly deploymentName: string;
  /** Key of the cursor cipher, hexadecimal. */
  readonly cursorKey: string;
  /** Key of the tokens in upload URLs, hexadecimal. */
  readonly uploadKey: string;
  readonly env: { readonly cloudUrl: string; readonly siteUrl: string };
  readonly limits: TransactionLimits;
  readonly runtimeLimits: RuntimeLimits;
}

/** One function to run. */
export interface RunCall {
  readonly callId: number;
  /** What the caller wants it to be; the isolate checks what it is. */
  readonly kind: FunctionKind;
  readonly path: FunctionPath;
  /** JSON text of the argument array. */
  readonly args: string;
  readonly identity: Identity;
  readonly requestId: string;
  /** Names the execution of an action in the log. */
  readonly executionId?: string;
  readonly visibility: "public" | "all";
  readonly notFoundWording?: "client" | "runByName";
  readonly journal: string | null;
  /** A query reads exactly here; null (mutations): the latest state, with the chain's overlay. */
  readonly at: Timestamp | null;
  /** Seed of the run's random numbers, 16 bytes in hexadecimal. */
  readonly seed: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly caller: Caller;
  /** The scheduled job that this is, or that it is part of. */
  readonly job?: JobReference;
  readonly jobRecord?: JobRecord;
  readonly nested?: NestedTrace;
}

/**
 * Queries and mutations, run one after another in one SQLite read transaction. Results go out
 * together when the batch is done, or sooner: before a call starts when the results held back are
 * older than {@link RESULTS_HELD_MS_MAX}.
 */
export interface RunFrame {
  readonly type: "run";
  readonly epoch: number;
  readonly calls: readonly RunCall[];
}

/** Members of the chain up to `upTo` are accepted: the overlay forgets them once the snapshot has them. */
export interface ConfirmFrame {
  readonly type: "confirm";
  readonly upTo: number;
}

/**
 * A member of the chain was refused. The isolate drops all members after `upTo` from its overlay
 * (those up to it are accepted and stay until the snapshot has them), goes on with the next
 * position, and marks its results with the new epoch. The host ignores mutations of older epochs.
 */
export interface ResetFrame {
  readonly type: "reset";
  readonly epoch: number;
  readonly upTo: number;
}

/** A module ready to be stored and run. */
export interface PreparedModule {
  /** `dir/file.js`. */
  readonly path: string;
  readonly environment: "isolate" | "node";
  /** SHA-256 of source and source map, hexadecimal. */
  readonly hash: string;
  readonly source: string;
  readonly sourceMap: string | null;
  /** The module as CommonJS text. */
  readonly code: string;
  /** Source map from `code` to `source`. */
  readonly codeMap: string | null;
  /** Why instances of the module may never serve several runs; null if the isolate may try. */
  readonly reuseObstacle: string | null;
  /** Specifiers as written that the module imports, statically or dynamically. */
  readonly imports: readonly string[];
}

/** The configuration under which modules are imported (`_udf_config`). */
export interface UdfConfig {
  readonly serverVersion: string;
  /** 32 bytes in base64. */
  readonly importPhaseRngSeed: string;
  /** Milliseconds since the epoch. */
  readonly importPhaseUnixTimestamp: number;
  /** Of the app only. */
  readonly node?: NodeSettings;
}

/** What a push says about Node. */
export interface NodeSettings {
  /** What the project asks for; only recorded. */
  readonly version: string | null;
  /** External packages of the app's Node actions. */
  readonly packages: readonly PackageVersion[];
}

/**
 * Push-time evaluation, in an isolate of its own. `load` comes first and names the modules that the
 * later requests evaluate, each in fresh instances; none of them can use the database except
 * `testQuery`, whose module is the loaded one at `call.path`.
 */
export type AnalyzeRequest =
  | {
    readonly kind: "load";
    readonly modules: readonly PreparedModule[];
    /** User variables; null: none are visible beside the system's (components). */
    readonly env: Readonly<Record<string, string>> | null;
    readonly config: UdfConfig;
    /** Default exports of `_componentDeps/…` modules for definitions: specifier → JSON text of
     * `{componentDefinitionPath, defaultName, metadata}`. */
    readonly componentDependencies?: Readonly<Record<string, string>>;
  }
  /** Value: JSON of {@link ModuleAnalysis}. */
  | { readonly kind: "module"; readonly path: string }
  /** Value: the text that the schema's `export()` returned. */
  | { readonly kind: "schema"; readonly path: string }
  /** Value: JSON text of the default export. */
  | { readonly kind: "authConfig"; readonly path: string }
  /** Value: JSON text of the definition's `export()`. */
  | {
    readonly kind: "definition";
    readonly path: string;
    /** "" for the app, whose definition alone may read variables. */
    readonly definitionPath: string;
  }
  /** Value: JSON of {@link TestQueryResult}. */
  | { readonly kind: "testQuery"; readonly call: RunCall };

/** The answer. A message of the developer's error is the text T of spec function-runtime 5. */
export type AnalyzeOutcome =
  | { readonly ok: true; readonly value: string }
  | {
    readonly ok: false;
    /** The platform's code where the spec names one. */
    readonly code: string | null;
    readonly message: string;
  };

export interface TestQueryResult {
  readonly result: FunctionResult;
  readonly logLines: readonly LogLine[];
}

/** One function of {@link ModuleAnalysis}, as spec deploy 6 and 7 show it. */
export interface AnalyzedFunction {
  readonly name: string;
  readonly pos: SourcePosition | null;
  readonly udfType: "Query" | "Mutation" | "Action";
  readonly visibility: { readonly kind: "public" | "internal" } | null;
  /** JSON text of a validator. */
  readonly args: string;
  /** JSON text of a validator, or "null". */
  readonly returns: string;
}

export interface SourcePosition {
  readonly path: string;
  readonly start_lineno: number;
  readonly start_col: number;
}

/** What evaluation at push found in a module; this JSON goes to the CLI as it is. */
export interface ModuleAnalysis {
  readonly functions: readonly AnalyzedFunction[];
  readonly httpRoutes:
    | readonly {
      readonly route: { readonly path: string; readonly method: string };
      readonly pos: SourcePosition | null;
    }[]
    | null;
  readonly cronSpecs:
    | readonly { readonly identifier: string; readonly spec: Readonly<Record<string, unknown>> }[]
    | null;
  readonly sourceMapped: null;
}

export type SyscallResult =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly message: string; readonly data?: string };

/** What an operation came to. Bytes beside it are the stream `opId`: for a mutation, one chunk in front of it. */
export interface ReplyFrame {
  readonly type: "reply";
  readonly callId: number;
  readonly opId: number;
  readonly result: SyscallResult;
}

export type ToIsolate =
  | InitFrame
  | RunFrame
  | ConfirmFrame
  | ResetFrame
  | { readonly type: "analyze"; readonly id: number; readonly request: AnalyzeRequest }
  | {
    readonly type: "action";
    readonly callId: number;
    readonly call: RunCall;
    /** For HTTP actions; the body follows as a stream. */
    readonly http?: HttpRequestHead;
    /**
     * Others run there, and one of them may keep the process to itself: the isolate says "begun" first,
     * or, after this moment (milliseconds since the epoch), "late", and does not run it.
     */
    readonly startBefore?: number;
  }
  | ReplyFrame
  | StreamFrame
  /** A line of the part of an action that runs in Node; its messages are of any length. */
  | {
    readonly type: "log";
    readonly callId: number;
    readonly level: LogLevel;
    readonly messages: readonly string[];
  }
  /** The client of an HTTP action left; the action goes on. */
  | { readonly type: "disconnect"; readonly callId: number }
  /** Ends an action: it is out of time. */
  | { readonly type: "cancel"; readonly callId: number };

/** Outcome of one call of a run frame. */
export interface RunResult {
  readonly callId: number;
  /** Epoch of the isolate when it ran the call. */
  readonly epoch: number;
  /** Position in the chain; every mutation takes one, even a failed one. 0 for queries. */
  readonly chainSeq: number;
  readonly result: FunctionResult;
  /** The call's job record was not as expected: nothing ran, and `result` says nothing. */
  readonly isSuperseded?: boolean;
  readonly begin: Timestamp;
  readonly readSet: FlatReadSet;
  /** Empty when the function failed. */
  readonly writes: readonly DocumentWrite[];
  readonly journal: string | null;
  readonly logLines: readonly LogLine[];
  readonly observedIdentity: boolean;
  readonly observedTime: boolean;
  readonly stats: ExecutionStats;
}

export type FromIsolate =
  /** The database is open and the process locked down. */
  | { readonly type: "ready" }
  | { readonly type: "results"; readonly results: readonly RunResult[] }
  /**
   * Sign of life of a running call, sent from a syscall at most every {@link PROGRESS_INTERVAL_MS}:
   * how much of its limits it has used. Resets the host's watchdog.
   */
  | {
    readonly type: "progress";
    readonly callId: number;
    readonly userMs: number;
    readonly systemMs: number;
  }
  | NestsFrame
  | NestedFrame
  /**
   * Mutations that did not run: what they would see is known only when an earlier one, whose result
   * came before this frame, is committed. They must be sent again.
   */
  | { readonly type: "deferred"; readonly callIds: readonly number[] }
  /** Marks that rose since the last such frame; in front of the results that raised them. */
  | { readonly type: "usage"; readonly highest: HighestUse }
  /** The call cannot run at all (a system failure, not the developer's): it is the host's error. */
  | { readonly type: "failed"; readonly callId: number; readonly message: string }
  | { readonly type: "analyzed"; readonly id: number; readonly outcome: AnalyzeOutcome }
  | {
    readonly type: "actionResult";
    readonly callId: number;
    readonly result: FunctionResult;
    readonly logLines: readonly LogLine[];
    readonly stats: ExecutionStats;
    readonly environment: Environment;
  }
  /** An action with `startBefore` begins, or does not. */
  | { readonly type: "begun" | "late"; readonly callId: number }
  /** An HTTP action answers; its result comes when the body is complete. */
  | { readonly type: "responseHead"; readonly callId: number; readonly head: HttpResponseHead }
  | StreamFrame
  | { readonly type: "log"; readonly callId: number; readonly line: LogLine }
  | SyscallFrame;

/**
 * An operation that only the host can do. An action goes on meanwhile; a mutation's isolate waits.
 * Bytes beside it are the stream `opId`: of a mutation, one chunk in front of this frame.
 */
export interface SyscallFrame {
  readonly type: "syscall";
  readonly callId: number;
  readonly opId: number;
  /** `1.0/actions/query`, `storage/storeBlob`, … */
  readonly name: string;
  /** JSON text. */
  readonly args: string;
}

/**
 * Results wait at most this long for the end of their batch. The host commits what it has while the
 * isolate runs the rest: with 10 ms, longer than most batches, each of the two waited for the other,
 * and 16 clients made 14 % fewer transfers on two processors.
 */
export const RESULTS_HELD_MS_MAX = 0.5;
/** Least time between two progress frames. */
export const PROGRESS_INTERVAL_MS = 100;
/** No frame may be longer; a longer one is a fault of the sender. */
export const FRAME_BYTES_MAX = 512 * 1024 * 1024;

const HEADER_BYTES = 4;
/** Set in the length of a frame that is a chunk. */
const CHUNK_FLAG = 0x8000_0000;
const INITIAL_BUFFER_BYTES = 64 * 1024;
/** Buffers that grew beyond this are not kept for the next use. */
const KEPT_BUFFER_BYTES_MAX = 1024 * 1024;
/** UTF-8 needs at most three bytes for a UTF-16 code unit. */
const UTF8_BYTES_PER_UNIT_MAX = 3;

/**
 * Collects frames and hands them out as one run of bytes, so that many frames cost one write.
 * The bytes of {@link take} are valid until the next {@link add}.
 */
export class FrameEncoder {
  readonly #encoder = new TextEncoder();
  #buffer = new Uint8Array(INITIAL_BUFFER_BYTES);
  #used = 0;

  /** Bytes collected so far. */
  get size(): number {
    return this.#used;
  }

  add(message: unknown): void {
    if (isChunk(message)) return this.#addChunk(message);
    const text = JSON.stringify(message);
    const start = this.#used + HEADER_BYTES;
    this.#reserve(start + text.length * UTF8_BYTES_PER_UNIT_MAX);
    const { written } = this.#encoder.encodeInto(text, this.#buffer.subarray(start));
    if (written > FRAME_BYTES_MAX) throw new RangeError(`frame of ${written} bytes is too long`);
    writeLength(this.#buffer, this.#used, written);
    this.#used = start + written;
  }

  #addChunk(chunk: ChunkFrame): void {
    const length = CHUNK_HEADER_BYTES + chunk.bytes.length;
    const start = this.#used + HEADER_BYTES;
    this.#reserve(start + length);
    writeLength(this.#buffer, this.#used, length + CHUNK_FLAG);
    writeChunkHeader(chunk, this.#buffer, start);
    this.#buffer.set(chunk.bytes, start + CHUNK_HEADER_BYTES);
    this.#used = start + length;
  }

  /** Everything added since the last call. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    if (this.#buffer.length > KEPT_BUFFER_BYTES_MAX) {
      this.#buffer = new Uint8Array(INITIAL_BUFFER_BYTES);
    }
    return bytes;
  }

  #reserve(size: number): void {
    if (size <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(size, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = larger;
  }
}

/** Cuts the bytes of a pipe into frames again. */
export class FrameDecoder<T = FromIsolate> {
  readonly #decoder = new TextDecoder();
  /** Bytes of an incomplete frame, in `[0, #used)`. */
  #buffer = new Uint8Array(INITIAL_BUFFER_BYTES);
  #used = 0;

  /**
   * The frames that `chunk` completes.
   * @throws RangeError for a length beyond {@link FRAME_BYTES_MAX}, SyntaxError for text that is not JSON.
   */
  push(chunk: Uint8Array): T[] {
    const frames: T[] = [];
    if (this.#used === 0) {
      const rest = this.#cut(chunk, frames);
      if (rest < chunk.length) this.#keep(chunk.subarray(rest));
      return frames;
    }
    this.#keep(chunk);
    const rest = this.#cut(this.#buffer.subarray(0, this.#used), frames);
    if (rest > 0) {
      this.#buffer.copyWithin(0, rest, this.#used);
      this.#used -= rest;
      if (this.#used === 0 && this.#buffer.length > KEPT_BUFFER_BYTES_MAX) {
        this.#buffer = new Uint8Array(INITIAL_BUFFER_BYTES);
      }
    }
    return frames;
  }

  /** Parses the complete frames at the start of `bytes`; returns where the incomplete rest begins. */
  #cut(bytes: Uint8Array, frames: T[]): number {
    let position = 0;
    while (bytes.length - position >= HEADER_BYTES) {
      const header = readLength(bytes, position);
      const isChunk = header >= CHUNK_FLAG;
      const length = isChunk ? header - CHUNK_FLAG : header;
      if (length > FRAME_BYTES_MAX) throw new RangeError(`frame of ${length} bytes is too long`);
      const start = position + HEADER_BYTES;
      if (bytes.length - start < length) break;
      const payload = bytes.subarray(start, start + length);
      frames.push(isChunk ? readChunk(payload) as T : JSON.parse(this.#decoder.decode(payload)));
      position = start + length;
    }
    return position;
  }

  #keep(chunk: Uint8Array): void {
    let needed = this.#used + chunk.length;
    if (this.#used + chunk.length >= HEADER_BYTES && this.#used >= HEADER_BYTES) {
      // The length of the awaited frame is known: reserve it at once instead of doubling up to it.
      const length = readLength(this.#buffer, 0) % CHUNK_FLAG;
      needed = Math.max(needed, HEADER_BYTES + Math.min(length, FRAME_BYTES_MAX));
    }
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#used));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#used);
    this.#used += chunk.length;
  }
}

function writeLength(bytes: Uint8Array, position: number, length: number): void {
  bytes[position] = length & 0xff;
  bytes[position + 1] = (length >>> 8) & 0xff;
  bytes[position + 2] = (length >>> 16) & 0xff;
  bytes[position + 3] = length >>> 24;
}

function readLength(bytes: Uint8Array, position: number): number {
  return (bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) |
    (bytes[position + 3]! << 24)) >>> 0;
}
