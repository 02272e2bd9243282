// The log of function executions: a bounded ring in memory that long polls read from a cursor
// (spec http-api 7, services 6.1).

import type {
  ConflictedAttempt,
  Environment,
  ExecutionStats,
  FunctionKind,
  Identity,
  LogLine,
} from "../runtime/types.ts";

/** Completions that are kept, with the progress entries between them. */
const COMPLETIONS_MAX = 1000;
/** Entries of any kind that are kept: an action may log without end. */
const ENTRIES_MAX = 10_000;
/** Estimated memory of the kept entries: a single one may have 256 lines of 32 KiB. */
export const LOG_BYTES_MAX = 32 * 2 ** 20;
/** Estimated memory of an entry, of a line in it, and of a UTF-16 code unit of its texts. */
const ENTRY_BYTES = 1000;
const LINE_BYTES = 200;
const CODE_UNIT_BYTES = 2;
/** Dropped entries are cleared away when they are so many, and at least half of all. */
const DROPPED_ENTRIES_MIN = 64;
/** How long a poll waits for the next entry. */
export const POLL_TIMEOUT_MS = 60_000;

interface Execution {
  readonly kind: FunctionKind;
  readonly componentPath: string | null;
  /** `dir/messages:list`. */
  readonly identifier: string;
  readonly requestId: string;
  readonly executionId: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** The end of an execution. Lines of actions were logged as progress and are not repeated. */
export interface CompletionEntry extends Execution {
  readonly type: "completion";
  readonly caller: string;
  /** The execution of the action that made the call. */
  readonly parentExecutionId: string | null;
  readonly identity: Identity["kind"];
  /** Milliseconds. */
  readonly duration: number;
  /** Text form of the error, null after success. */
  readonly error: string | null;
  readonly logLines: readonly LogLine[];
  readonly stats: ExecutionStats;
  readonly returnBytes: number | null;
  readonly environment: Environment;
  /** Of the answer of an HTTP action. */
  readonly httpStatus: number | null;
  /** A query was answered with what an earlier run, at `startedAt`, had found. */
  readonly isCached: boolean;
  /** What a mutation ran into. */
  readonly conflict: ConflictedAttempt | null;
}

/** Lines of an action that is still running. */
export interface ProgressEntry extends Execution {
  readonly type: "progress";
  readonly logLines: readonly LogLine[];
}

export type LogEntry = CompletionEntry | ProgressEntry;

/** An entry at its place: `time` is its cursor, milliseconds since the epoch. */
export interface StoredEntry {
  readonly time: number;
  readonly entry: LogEntry;
}

export interface LogPage {
  readonly entries: readonly StoredEntry[];
  readonly newCursor: number;
}

export class FunctionLogs {
  /** Ordered by time; the first `#start` are dropped already. */
  #entries: StoredEntry[] = [];
  #start = 0;
  #completions = 0;
  #bytes = 0;
  #lastTime = 0;
  #closed = false;
  readonly #waiters = new Set<() => void>();

  /** Adds an entry and wakes everybody who waits for one. */
  add(entry: LogEntry, nowMs: number): void {
    const time = nowMs > this.#lastTime ? nowMs : nextFloat(this.#lastTime);
    this.#lastTime = time;
    this.#entries.push({ time, entry });
    if (entry.type === "completion") this.#completions++;
    this.#bytes += bytesOf(entry);
    this.#trim();
    if (this.#waiters.size > 0) this.#wakeAll();
  }

  /**
   * Entries after `cursor` at once, or the next one when it comes; an empty page after a minute, or
   * when the log closes. A client that left is not noticed before that.
   */
  async poll(cursor: number): Promise<LogPage> {
    if (!this.#closed && this.#lastTime <= cursor) await this.#next();
    const entries = this.after(cursor);
    return { entries, newCursor: Math.max(cursor, this.#lastTime) };
  }

  /** The kept entries with a time greater than `cursor`. */
  after(cursor: number): StoredEntry[] {
    let low = this.#start;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.time <= cursor) low = middle + 1;
      else high = middle;
    }
    return this.#entries.slice(low);
  }

  /** Ends all waiting polls. */
  close(): void {
    this.#closed = true;
    this.#wakeAll();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiters.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, POLL_TIMEOUT_MS);
      this.#waiters.add(wake);
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  /** Drops the oldest entries; the newest one stays however large it is. */
  #trim(): void {
    while (this.#isTooMuch && this.#start < this.#entries.length - 1) {
      const { entry } = this.#entries[this.#start]!;
      if (entry.type === "completion") this.#completions--;
      this.#bytes -= bytesOf(entry);
      this.#start++;
    }
    // Moving the array for every dropped entry would make each addition cost as much as the ring.
    if (this.#start >= DROPPED_ENTRIES_MIN && this.#start * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
  }

  get #isTooMuch(): boolean {
    return this.#completions > COMPLETIONS_MAX || this.#bytes > LOG_BYTES_MAX ||
      this.#entries.length - this.#start > ENTRIES_MAX;
  }
}

function bytesOf(entry: LogEntry): number {
  let units = entry.type === "completion" ? entry.error?.length ?? 0 : 0;
  for (const { messages } of entry.logLines) {
    for (const message of messages) units += message.length;
  }
  return ENTRY_BYTES + entry.logLines.length * LINE_BYTES + units * CODE_UNIT_BYTES;
}

/** Scratch space of {@link nextFloat}. */
const bits = new DataView(new ArrayBuffer(8));

/** The smallest number greater than `value`, which is positive. */
function nextFloat(value: number): number {
  bits.setFloat64(0, value);
  bits.setBigUint64(0, bits.getBigUint64(0) + 1n);
  return bits.getFloat64(0);
}
