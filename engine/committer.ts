// The only writer. Takes finished transactions, validates what they read against everything committed
// since, fixes their order, and makes them durable in groups.
//
// `commit` decides at once, in the order of the calls, and puts the rows into an open SQLite
// transaction; that transaction ends with the turn of the event loop ("group"), which makes the rows
// visible to snapshots. Then the write-ahead log is flushed off-thread, and only then is anyone told.

import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import type { Catalog } from "./catalog.ts";
import { CommitLog, keysByIndex } from "./commit_log.ts";
import { CommitRows } from "./commit_rows.ts";
import { resolveCommitTs } from "./commit_ts_token.ts";
import type { Disk } from "./disk.ts";
import { DocumentWriter, type SessionOutcome } from "./document_writer.ts";
import type { Durability } from "./durability.ts";
import { assert, PlatformError } from "./errors.ts";
import { SessionOutcomes } from "./session_outcomes.ts";
import { isSqliteError } from "./sqlite_error.ts";
import { nextTimestamp, type Timestamp } from "./timestamp.ts";
import type {
  CommitResult,
  Conflict,
  FinishedTransaction,
  FlatReadSet,
  PublishedCommit,
} from "./types.ts";

/** A group is handed to SQLite when it has this many commits, even if the turn is not over. */
const GROUP_COMMITS_MAX = 256;
/** Groups that wait for the disk; beyond, commits are refused. */
const UNSYNCED_GROUPS_MAX = 256;
/** Commits that wait while writes are held back; beyond, they are refused. */
const HELD_COMMITS_MAX = 16_384;

const INTERNAL = "InternalServerError";

export interface CommitterOptions {
  /** The connection that writes; nobody else uses it. */
  readonly db: DatabaseSync;
  readonly durability: Durability;
  readonly disk: Disk;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Called once, when commits cannot be made any more; the process should end. */
  readonly onFatal: (error: Error) => void;
}

export type CommitListener = (commit: PublishedCommit) => void;

/** Commits that go to SQLite together and become durable together. */
interface Group {
  upTo: Timestamp;
  readonly commits: PublishedCommit[];
  readonly waiting: { resolve(): void; reject(error: Error): void }[];
  changesCatalog: boolean;
}

export class Committer {
  readonly #db: DatabaseSync;
  readonly #writer: DocumentWriter;
  readonly #rows: CommitRows;
  readonly #sessions: SessionOutcomes;
  readonly #durability: Durability;
  readonly #disk: Disk;
  readonly #clock: () => number;
  readonly #onFatal: (error: Error) => void;
  readonly #log: CommitLog;
  readonly #listeners = new Set<CommitListener>();
  readonly #catalogListeners = new Set<() => void>();
  readonly #groupListeners = new Set<() => void>();
  /** Accepted chain positions that are not yet in the file. */
  readonly #chains = new Map<number, number>();
  #latest: Timestamp;
  #durable: Timestamp;
  #open: Group | null = null;
  /** Groups in the file that are not yet durable, oldest first. */
  readonly #unsynced: Group[] = [];
  /** While writes are held back: what to do once they are allowed again. */
  #held: (() => void)[] | null = null;
  /** Why nothing is written any more. */
  #failure: PlatformError | null = null;
  #isClosed = false;

  constructor(options: CommitterOptions) {
    this.#db = options.db;
    this.#writer = new DocumentWriter(options.db);
    this.#durability = options.durability;
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#onFatal = options.onFatal;
    this.#latest = this.#writer.lastCommit();
    this.#durable = this.#latest;
    this.#log = new CommitLog(this.#latest);
    this.#rows = new CommitRows(this.#writer);
    this.#sessions = new SessionOutcomes(this.#writer);
  }

  /** The last commit, durable or not. */
  get latest(): Timestamp {
    return this.#latest;
  }

  /** The last commit that survives a crash; everything before it does, too. */
  get durable(): Timestamp {
    return this.#durable;
  }

  /** Tables, indexes and schemas as of {@link latest}. */
  get catalog(): Catalog {
    return this.#rows.catalog;
  }

  /**
   * Commits a transaction, or says what it conflicts with; the order of the calls is the order of the
   * commits. Resolves when the commit is durable, a conflict at once.
   *
   * A conflict without a document means that the log does not reach back to the transaction's
   * snapshot, or that its session's request has an outcome already ({@link sessionOutcome}).
   * @param onAccepted called as soon as the commit's place in the order is fixed
   * @throws PlatformError "internal" when the disk has failed: the commit may or may not have happened;
   *   "overloaded" when too many wait for the disk already
   */
  commit(
    transaction: FinishedTransaction,
    onAccepted?: (ts: Timestamp) => void,
  ): Promise<CommitResult> {
    return this.submit(() => transaction, onAccepted);
  }

  /** Like {@link commit}; `build` runs when the transaction is to be validated, on the latest state. */
  submit(
    build: () => FinishedTransaction,
    onAccepted?: (ts: Timestamp) => void,
  ): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      if (this.#isFull()) return reject(committerFull());
      this.#whenWritable(() => this.#decide(build(), onAccepted, resolve, reject), reject);
    });
  }

  /**
   * Runs housekeeping writes that are not a commit: no timestamp, no log, no listeners.
   * Resolves when they are durable.
   */
  maintain<T>(body: (writer: DocumentWriter, db: DatabaseSync) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#whenWritable(() => {
        const group = this.#openGroup();
        const value = this.#writer.atomically(() => body(this.#writer, this.#db));
        group.waiting.push({ resolve: () => resolve(value), reject });
      }, reject);
    });
  }

  /** Holds all writes back while `body` runs; commits queue and are decided afterwards, in order. */
  async exclusively<T>(body: () => Promise<T>): Promise<T> {
    assert(this.#held === null, "writes are held already");
    this.flush();
    this.#held = [];
    try {
      return await body();
    } finally {
      const held = this.#held;
      this.#held = null;
      for (const run of held) run();
    }
  }

  /** Resolves when the commit at `ts`, and so everything before it, is durable. */
  whenDurable(ts: Timestamp): Promise<void> {
    if (ts <= this.#durable) return Promise.resolve();
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const group = this.#unsynced.find((g) => g.upTo >= ts) ?? this.#open;
    assert(group !== null && ts <= group.upTo, () => `no commit has reached ${ts}`);
    return new Promise((resolve, reject) => group.waiting.push({ resolve, reject }));
  }

  /**
   * The first commit after `after`, up to `upTo` (default: the latest), that touched the read set.
   * Null if there is none, "unknown" if the log does not reach back that far.
   */
  firstChange(
    readSet: FlatReadSet,
    after: Timestamp,
    upTo?: Timestamp,
  ): Timestamp | null | "unknown" {
    return this.#log.firstChange(readSet, after, upTo);
  }

  /** What the request of the session came to. It may not be durable yet: see {@link whenDurable}. */
  sessionOutcome(sessionId: string, requestId: number): SessionOutcome | null {
    return this.#sessions.find(sessionId, requestId);
  }

  /** Tells of every durable commit, in order. Returns how to stop. */
  onCommit(listener: CommitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells when tables, indexes or schemas have changed. Returns how to stop. */
  onCatalogChange(listener: () => void): () => void {
    this.#catalogListeners.add(listener);
    return () => this.#catalogListeners.delete(listener);
  }

  /** Tells when a group of commits has become durable. Returns how to stop. */
  onGroup(listener: () => void): () => void {
    this.#groupListeners.add(listener);
    return () => this.#groupListeners.delete(listener);
  }

  /** Hands the open group to SQLite now, so that snapshots see it. */
  flush(): void {
    const group = this.#open;
    if (group === null) return;
    try {
      for (const [isolate, seq] of this.#chains) this.#writer.writeChain(isolate, seq);
      this.#disk.willWrite();
      this.#writer.commit();
    } catch (error) {
      return this.#fail(error);
    }
    this.#open = null;
    this.#chains.clear();
    this.#unsynced.push(group);
    this.#durability.flush().then(() => this.#acknowledge(group))
      .catch((error) => this.#fail(error));
  }

  /** Accepts nothing more. Resolves when everything accepted is durable, or the disk has failed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    assert(this.#held === null, "writes are held while the committer closes");
    this.flush();
    if (this.#unsynced.length > 0) await this.#durability.flush().catch(() => {});
  }

  #isFull(): boolean {
    return this.#unsynced.length >= UNSYNCED_GROUPS_MAX ||
      (this.#held !== null && this.#held.length >= HELD_COMMITS_MAX);
  }

  #whenWritable(run: () => void, reject: (error: Error) => void): void {
    if (this.#isClosed) {
      return reject(new PlatformError("internal", INTERNAL, "The database is closed."));
    }
    const guarded = () => {
      if (this.#failure !== null) return reject(this.#failure);
      try {
        run();
      } catch (error) {
        // What SQLite refuses leaves rows of the group half written. Anything else was thrown before
        // the first row, or has been taken back.
        if (isSqliteError(error)) this.#fail(error);
        reject(this.#failure ?? (error as Error));
      }
    };
    if (this.#held === null) guarded();
    else this.#held.push(guarded);
  }

  #decide(
    transaction: FinishedTransaction,
    onAccepted: ((ts: Timestamp) => void) | undefined,
    resolve: (result: CommitResult) => void,
    reject: (error: Error) => void,
  ): void {
    // Building the transaction may have flushed, and the flush may have failed.
    if (this.#failure !== null) return reject(this.#failure);
    const { chain, session } = transaction;
    const conflict = this.#validate(transaction) ?? this.#rows.findClash(transaction.writes);
    if (conflict !== null) return resolve({ kind: "conflict", conflict });
    let ts: Timestamp;
    let group: Group | null;
    if (transaction.writes.length > 0) {
      group = this.#openGroup();
      ts = this.#apply(transaction, group);
    } else {
      // A member of a chain has seen unconfirmed writes: its point in time is now.
      ts = chain === undefined ? transaction.begin : this.#latest;
      group = session === undefined ? null : this.#openGroup();
    }
    if (session !== undefined) {
      this.#sessions.record({ ...session, result: resolveCommitTs(session.result, ts) }, ts);
    }
    if (chain !== undefined) this.#chains.set(chain.isolate, chain.seq);
    const result: CommitResult = { kind: "committed", ts };
    if (group === null) this.whenDurable(ts).then(() => resolve(result), reject);
    else group.waiting.push({ resolve: () => resolve(result), reject });
    if (group !== null && group.commits.length >= GROUP_COMMITS_MAX) this.flush();
    // Last: it may commit the next transaction before it returns.
    onAccepted?.(ts);
  }

  /** Why the transaction may not commit now, or null. */
  #validate({ begin, readSet, writes, chain, session }: FinishedTransaction): Conflict | null {
    assert(begin <= this.#latest, "a transaction begins at a commit that has happened");
    if (session !== undefined) {
      const outcome = this.#sessions.find(session.sessionId, session.requestId);
      if (outcome !== null) return { ts: outcome.ts, table: null, id: null, source: null };
    }
    // What only read saw one snapshot, and stands at that point of the order.
    if (writes.length === 0 && chain === undefined) return null;
    const found = this.#log.findConflict(readSet, begin, chain?.isolate ?? null);
    if (found === "unknown") return { ts: this.#latest, table: null, id: null, source: null };
    if (found === null) return null;
    const { commit, document } = found;
    const table = this.catalog.tableByTablet(document.tablet);
    return {
      ts: commit.ts,
      table: table === null || table.isSystem ? null : table.name,
      id: document.id,
      source: commit.source,
    };
  }

  /** Writes a validated transaction into the group's SQLite transaction; returns its timestamp. */
  #apply(transaction: FinishedTransaction, group: Group): Timestamp {
    const ts = nextTimestamp(this.#latest, this.#clock());
    const catalog = this.#rows.catalog;
    const { documents, writes } = this.#rows.apply(transaction.writes, ts);
    // Everything was as it is already: no commit, and the transaction stands at this point.
    if (documents.length === 0) return this.#latest;
    const { source, chain } = transaction;
    this.#latest = ts;
    this.#log.add({ ts, isolate: chain?.isolate ?? null, source, documents });
    group.upTo = ts;
    group.commits.push({ ts, keys: keysByIndex(documents), writes, source });
    if (this.#rows.catalog !== catalog) group.changesCatalog = true;
    return ts;
  }

  #openGroup(): Group {
    if (this.#open === null) {
      this.#writer.begin();
      const group: Group = { upTo: this.#latest, commits: [], waiting: [], changesCatalog: false };
      this.#open = group;
      // After the callbacks of this turn: whatever they commit joins the group.
      setImmediate(() => {
        if (this.#open === group) this.flush();
      });
    }
    return this.#open;
  }

  #acknowledge(group: Group): void {
    if (this.#failure !== null) return;
    assert(this.#unsynced.shift() === group, "groups become durable in order");
    this.#durable = group.upTo;
    try {
      for (const commit of group.commits) {
        for (const listener of this.#listeners) listener(commit);
      }
      if (group.changesCatalog) { for (const listener of this.#catalogListeners) listener(); }
    } catch (error) {
      // A listener that missed a commit would go on with stale answers.
      return this.#fail(error);
    }
    for (const { resolve } of group.waiting) resolve();
    for (const listener of this.#groupListeners) listener();
  }

  /** Nothing is written or acknowledged after this. */
  #fail(cause: unknown): void {
    if (this.#failure !== null) return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new PlatformError(
      "internal",
      INTERNAL,
      `The database cannot be written any more: ${reason}`,
    );
    const groups = this.#open === null ? this.#unsynced : [...this.#unsynced, this.#open];
    try {
      this.#writer.rollback();
    } catch {
      // The connection is broken as a whole; the file itself stays as its log says.
    }
    for (const group of groups) {
      for (const { reject } of group.waiting) reject(this.#failure);
    }
    this.#unsynced.length = 0;
    this.#open = null;
    this.#onFatal(cause instanceof Error ? cause : this.#failure);
  }
}

function committerFull(): PlatformError {
  return new PlatformError(
    "overloaded",
    "CommitterFullError",
    "Too many concurrent commits, please retry later",
  );
}
