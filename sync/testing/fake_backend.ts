// An engine and a runner in one, over a versioned map of names to numbers: small enough to be
// obviously right, so that tests can compare what clients are told with what is true.

import type { Timestamp } from "../../engine/timestamp.ts";
import type { FlatReadSet, PublishedCommit } from "../../engine/types.ts";
import type {
  ActionOutcome,
  FunctionCall,
  FunctionKind,
  FunctionResult,
  FunctionRunner,
  LogLine,
  MutationOutcome,
  QueryOutcome,
} from "../../runtime/types.ts";
import type { Turn } from "../../runtime/turn.ts";
import type { CommitSource } from "../commit_source.ts";

const INDEX = 7;
const KEY_AFTER = "\x7f";
const STATS = {
  executionMs: 0,
  documentsRead: 0,
  bytesRead: 0,
  documentsWritten: 0,
  bytesWritten: 0,
};

interface Commit {
  readonly ts: Timestamp;
  readonly writes: ReadonlyMap<string, number>;
  readonly session: string | null;
}

/** What a fake function did besides returning. */
export interface FakeRun {
  readonly call: FunctionCall;
  readonly args: Record<string, unknown>;
  readonly ts: Timestamp;
  readonly journal: string | null;
  read(name: string): number;
  observeIdentity(): void;
  observeTime(): void;
  log(text: string): void;
  setJournal(journal: string): void;
}

type FakeQuery = (run: FakeRun) => unknown;
type FakeMutation = (args: Record<string, unknown>, call: FunctionCall) => Record<string, number>;

/** A developer's error, with ConvexError data if given. */
export class FakeFunctionError extends Error {
  constructor(message: string, readonly data?: unknown) {
    super(message);
  }
}

export class FakeBackend implements CommitSource, FunctionRunner {
  readonly commits: Commit[] = [];
  readonly queries = new Map<string, FakeQuery>();
  readonly mutations = new Map<string, FakeMutation>();
  readonly actions = new Map<string, (call: FunctionCall) => Promise<unknown>>();
  /** Runs since the start, by function name. */
  readonly runs: string[] = [];
  /** Tests hold back runs, the disk or the answers of mutations with these. */
  beforeQuery: (call: FunctionCall, ts: Timestamp) => Promise<void> = async () => {};
  beforeMutation: (call: FunctionCall) => Promise<void> = async () => {};
  beforeDurable: () => Promise<void> = async () => {};
  beforeAnswer: () => Promise<void> = async () => {};
  /** While true, commits become durable and listeners do not hear of it. */
  isPublishingHeld = false;
  #latest = 1000 as Timestamp;
  #durable = 1000 as Timestamp;
  #published = 1000 as Timestamp;
  #listeners = new Set<(commit: PublishedCommit) => void>();
  #durableWaiters: { ts: Timestamp; resolve: () => void }[] = [];
  #outcomes = new Map<string, { ts: Timestamp; result: string }>();

  readonly committer: CommitSource["committer"];

  constructor() {
    // deno-lint-ignore no-this-alias
    const backend = this;
    this.committer = {
      get durable() {
        return backend.#durable;
      },
      whenDurable: (ts) =>
        ts <= this.#durable
          ? Promise.resolve()
          : new Promise((resolve) => this.#durableWaiters.push({ ts, resolve })),
      firstChange: (readSet, after, upTo) => this.#firstChange(readSet, after, upTo),
      sessionOutcome: (sessionId, requestId) =>
        this.#outcomes.get(`${sessionId}|${requestId}`) ?? null,
    };
  }

  onCommit(listener: (commit: PublishedCommit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Commits at once, durable or not. */
  commit(writes: Record<string, number>, options: { durable?: boolean } = {}): Timestamp {
    const ts = (this.#latest + 1 + (this.#latest % 3)) as Timestamp;
    this.#latest = ts;
    this.commits.push({ ts, writes: new Map(Object.entries(writes)), session: null });
    if (options.durable ?? true) this.makeDurable();
    return ts;
  }

  /** Makes everything durable that is committed, and publishes it. */
  makeDurable(): void {
    this.#durable = this.#latest;
    if (!this.isPublishingHeld) this.publish();
    this.#durableWaiters = this.#durableWaiters.filter(({ ts, resolve }) => {
      if (ts > this.#durable) return true;
      resolve();
      return false;
    });
  }

  /** Tells the listeners of everything durable. */
  publish(): void {
    this.isPublishingHeld = false;
    const from = this.#published;
    this.#published = this.#durable;
    for (const commit of this.commits) {
      if (commit.ts <= from || commit.ts > this.#durable) continue;
      const keys = new Map([[INDEX, [...commit.writes.keys()]]]);
      for (const listener of this.#listeners) {
        listener({ ts: commit.ts, keys, writes: [], source: null });
      }
    }
  }

  /** The value of a name at a timestamp. */
  valueAt(name: string, ts: Timestamp): number {
    for (let i = this.commits.length - 1; i >= 0; i--) {
      const commit = this.commits[i]!;
      if (commit.ts > ts) continue;
      const value = commit.writes.get(name);
      if (value !== undefined) return value;
    }
    return 0;
  }

  get latest(): Timestamp {
    return this.#latest;
  }

  async runQuery(
    call: FunctionCall,
    ts: Timestamp,
    journal: string | null,
  ): Promise<QueryOutcome> {
    this.runs.push(functionName(call));
    await this.beforeQuery(call, ts);
    const readSet: (number | string)[] = [];
    const logLines: LogLine[] = [];
    const observed = { identity: false, time: false };
    let newJournal: string | null = null;
    const body = this.queries.get(functionName(call));
    const result = resultOf(() => {
      if (body === undefined) throw new FakeFunctionError("Could not find public function");
      return body({
        call,
        ts,
        journal,
        args: argumentOf(call),
        read: (name) => {
          readSet.push(INDEX, name, name + KEY_AFTER);
          return this.valueAt(name, ts);
        },
        observeIdentity: () => observed.identity = true,
        observeTime: () => observed.time = true,
        log: (text) => logLines.push(logLine(text)),
        setJournal: (text) => newJournal = text,
      });
    });
    return {
      result,
      ts,
      readSet,
      journal: newJournal,
      logLines,
      observedIdentity: observed.identity,
      observedTime: observed.time,
      stats: STATS,
    };
  }

  async runMutation(
    call: FunctionCall,
    session?: { readonly sessionId: string; readonly requestId: number },
    onAccepted?: () => void,
    turn?: Turn,
  ): Promise<MutationOutcome> {
    const key = session && `${session.sessionId}|${session.requestId}`;
    this.runs.push(functionName(call));
    await this.beforeMutation(call);
    const known = key === undefined ? undefined : this.#outcomes.get(key);
    if (known !== undefined) {
      await this.committer.whenDurable(known.ts);
      const result = { ok: true, value: known.result } as const;
      return { result, ts: known.ts, logLines: [], replayed: true, stats: STATS };
    }
    if (turn !== undefined && !turn.hasCome) await turn.whenCome();
    const body = this.mutations.get(functionName(call));
    let ts: Timestamp | null = null;
    const result = resultOf(() => {
      if (body === undefined) throw new FakeFunctionError("Could not find public function");
      const writes = body(argumentOf(call), call);
      ts = this.commit(writes, { durable: false });
      return Object.values(writes)[0] ?? null;
    });
    if (result.ok && key !== undefined) this.#outcomes.set(key, { ts: ts!, result: result.value });
    if (result.ok) {
      onAccepted?.();
      await this.beforeDurable();
      this.makeDurable();
    }
    await this.beforeAnswer();
    return { result, ts, logLines: [], replayed: false, stats: STATS };
  }

  async runAction(call: FunctionCall): Promise<ActionOutcome> {
    this.runs.push(functionName(call));
    const body = this.actions.get(functionName(call));
    try {
      const value = JSON.stringify(await body?.(call) ?? null);
      return { result: { ok: true, value }, logLines: [], stats: STATS };
    } catch (error) {
      return { result: errorResult(error), logLines: [], stats: STATS };
    }
  }

  kindOf(): FunctionKind | null {
    return null;
  }

  #firstChange(
    readSet: FlatReadSet,
    after: Timestamp,
    upTo: Timestamp = this.#latest,
  ): Timestamp | null {
    for (const commit of this.commits) {
      if (commit.ts <= after || commit.ts > upTo) continue;
      for (let i = 0; i + 2 < readSet.length; i += 3) {
        const [start, end] = [readSet[i + 1] as string, readSet[i + 2] as string];
        for (const name of commit.writes.keys()) if (start <= name && name < end) return commit.ts;
      }
    }
    return null;
  }
}

function functionName(call: FunctionCall): string {
  return call.path.name;
}

function argumentOf(call: FunctionCall): Record<string, unknown> {
  return JSON.parse(call.args)[0] ?? {};
}

function logLine(text: string): LogLine {
  return { level: "LOG", messages: [text], isTruncated: false, timestamp: 0 };
}

function resultOf(body: () => unknown): FunctionResult {
  try {
    return { ok: true, value: JSON.stringify(body() ?? null) };
  } catch (error) {
    return errorResult(error);
  }
}

function errorResult(error: unknown): FunctionResult {
  if (!(error instanceof FakeFunctionError)) throw error;
  const text = `Uncaught Error: ${error.message}\n`;
  const data = error.data === undefined ? {} : { data: JSON.stringify(error.data) };
  return { ok: false, error: { text, ...data } };
}
