// The database of one deployment, as the rooms above see it: reads, transactions of the server itself,
// the committer for those of isolates, and the housekeeping that runs beside them.

import type { DatabaseSync } from "node:sqlite";
import { IndexBackfill } from "./backfill.ts";
import type { Catalog } from "./catalog.ts";
import { Checkpointer } from "./checkpointer.ts";
import { type CommitListener, Committer } from "./committer.ts";
import { DataLock } from "./data_lock.ts";
import { openDatabaseFile, walPath } from "./database_file.ts";
import { type Disk, REAL_DISK } from "./disk.ts";
import { Durability } from "./durability.ts";
import { assert } from "./errors.ts";
import { DEFAULT_TRANSACTION_LIMITS, type TransactionLimits } from "./limits.ts";
import { DatabaseOpenError } from "./open_error.ts";
import { CursorCipher } from "./query/cursor.ts";
import { Retention, RETENTION_MS_DEFAULT } from "./retention.ts";
import { SchemaValidation } from "./schema_validation.ts";
import { openReadOnly, SnapshotReader } from "./snapshot.ts";
import { isSqliteError } from "./sqlite_error.ts";
import { bringSystemTablesUpToDate } from "./system_layout.ts";
import type { Timestamp } from "./timestamp.ts";
import { Transaction } from "./transaction.ts";
import type { FlatReadSet, Snapshot } from "./types.ts";

export interface EngineOptions {
  /** The database file; it is created if it does not exist. */
  readonly path: string;
  /** 32 random bytes, the same over restarts: pagination cursors are encrypted with them. */
  readonly cursorKey: Uint8Array;
  readonly limits?: Partial<TransactionLimits>;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly randomBytes?: (n: number) => Uint8Array;
  readonly disk?: Disk;
  /** How long older snapshots can be read. */
  readonly retentionMs?: number;
}

export class Engine {
  readonly committer: Committer;
  readonly path: string;
  readonly limits: TransactionLimits;
  readonly clock: () => number;
  readonly #lock: DataLock;
  readonly #writing: DatabaseSync;
  readonly #reading: DatabaseSync;
  readonly #reader: SnapshotReader;
  readonly #durability: Durability;
  readonly #cursorCipher: CursorCipher;
  readonly #randomBytes: (n: number) => Uint8Array;
  readonly #checkpointer: Checkpointer;
  readonly #backfill: IndexBackfill;
  readonly #schemaValidation: SchemaValidation;
  readonly #retention: Retention;
  readonly #fatalListeners = new Set<(error: Error) => void>();
  #fatal: Error | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: EngineOptions, lock: DataLock) {
    const disk = options.disk ?? REAL_DISK;
    this.path = options.path;
    this.limits = { ...DEFAULT_TRANSACTION_LIMITS, ...options.limits };
    this.clock = options.clock ?? Date.now;
    this.#randomBytes = options.randomBytes ?? ((n) => crypto.getRandomValues(new Uint8Array(n)));
    this.#cursorCipher = new CursorCipher(options.cursorKey);
    this.#lock = lock;
    this.#writing = openDatabaseFile(options.path, disk);
    this.#durability = new Durability(disk.openForSync(walPath(options.path)));
    this.committer = new Committer({
      db: this.#writing,
      durability: this.#durability,
      disk,
      clock: this.clock,
      onFatal: (error) => this.#failed(error),
    });
    this.#reading = openReadOnly(options.path);
    this.#reader = new SnapshotReader(this.#reading);
    this.#checkpointer = new Checkpointer(this.committer, options.path);
    this.#backfill = new IndexBackfill(this, this.#reading);
    this.#schemaValidation = new SchemaValidation(this);
    this.#retention = new Retention(
      this,
      this.#writing,
      options.retentionMs ?? RETENTION_MS_DEFAULT,
    );
  }

  /**
   * Opens the database, or creates it.
   * @throws DatabaseOpenError with one line that says why the file cannot be used
   */
  static async open(options: EngineOptions): Promise<Engine> {
    const lock = DataLock.acquire(options.path);
    let engine: Engine | null = null;
    try {
      engine = new Engine(options, lock);
      await engine.#start();
      return engine;
    } catch (error) {
      await engine?.close();
      lock.release();
      // The header was ours, but what follows cannot be read.
      throw isSqliteError(error)
        ? new DatabaseOpenError(`Cannot use the database ${options.path}: ${error.message}`)
        : error;
    }
  }

  async #start(): Promise<void> {
    // A process that was killed may have left commits in the log that never reached the disk. From now
    // on they are shown, so they must not get lost any more.
    await this.#durability.flush();
    await bringSystemTablesUpToDate(this);
    this.committer.onCatalogChange(() => this.#wake());
    this.committer.onGroup(() => this.#checkpointer.consider());
    this.#wake();
    this.#retention.start();
  }

  /** The tables, indexes and schemas of the last commit. */
  get catalog(): Catalog {
    return this.committer.catalog;
  }

  /**
   * A view for reading; close it in the same turn, there is one at a time. It may hold commits that
   * are not durable yet: wait for `committer.whenDurable(snapshot.ts)` before telling anyone.
   * @throws PlatformError "outOfRetention" when `ts` is too old
   */
  snapshot(ts?: Timestamp): Snapshot {
    return this.#reader.open(ts);
  }

  /** The last commit that changed code, variables or the deployment's state. */
  configuration(): Timestamp {
    return this.#reader.batch((view) => view.configuration);
  }

  /** Runs a transaction that only reads. See {@link snapshot} about durability. */
  read<T>(
    body: (tx: Transaction) => T,
    ts?: Timestamp,
  ): { value: T; ts: Timestamp; readSet: FlatReadSet } {
    const snapshot = this.snapshot(ts);
    try {
      const tx = this.#transaction(snapshot);
      const value = body(tx);
      const { readSet, writes } = tx.finish();
      assert(writes.length === 0, "a transaction that only reads has written");
      return { value, ts: snapshot.ts, readSet };
    } finally {
      snapshot.close();
    }
  }

  /** What a transaction of the server itself would give; what it writes is discarded. */
  attempt<T>(body: (tx: Transaction) => T): T {
    const snapshot = this.snapshot();
    try {
      return body(this.#transaction(snapshot));
    } finally {
      snapshot.close();
    }
  }

  /**
   * Runs a transaction of the server itself on the latest state, so it never conflicts. Resolves when
   * it is durable. If `body` throws, nothing is written.
   * @param body must not return a promise: reads and writes happen while it runs
   * @param source shown to those who conflict with it
   */
  async transact<T>(
    body: (tx: Transaction) => T,
    source: string | null = null,
  ): Promise<{ value: T; ts: Timestamp }> {
    let outcome: { value: T } | null = null;
    const result = await this.committer.submit(() => {
      this.committer.flush();
      const snapshot = this.snapshot();
      try {
        const tx = this.#transaction(snapshot);
        outcome = { value: body(tx) };
        return { ...tx.finish(), source };
      } finally {
        snapshot.close();
      }
    });
    assert(result.kind === "committed" && outcome !== null, "a transaction on the latest state");
    return { value: (outcome as { value: T }).value, ts: result.ts };
  }

  /** Tells of every durable commit, in order. Returns how to stop. */
  onCommit(listener: CommitListener): () => void {
    return this.committer.onCommit(listener);
  }

  /**
   * Tells when the database cannot be written any more: the process should end. Returns how to stop.
   */
  onFatal(listener: (error: Error) => void): () => void {
    this.#fatalListeners.add(listener);
    if (this.#fatal !== null) listener(this.#fatal);
    return () => this.#fatalListeners.delete(listener);
  }

  /** Resolves when index backfills and schema validations have nothing left to do. */
  async backgroundIdle(): Promise<void> {
    await Promise.all([this.#backfill.idle(), this.#schemaValidation.idle()]);
  }

  /** One round of what otherwise a timer does: trimming the log, expiring sessions. */
  async housekeeping(): Promise<void> {
    await this.#retention.round();
  }

  /** Finishes what was accepted, moves the write-ahead log into the file, and closes it. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.all([
      this.#backfill.stop(),
      this.#schemaValidation.stop(),
      this.#retention.stop(),
    ]);
    await this.#checkpointer.close();
    await this.committer.close();
    await this.#durability.close();
    this.#reading.close();
    try {
      if (this.#fatal === null) this.#writing.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } finally {
      this.#writing.close();
      this.#lock.release();
    }
  }

  #transaction(snapshot: Snapshot): Transaction {
    return new Transaction(snapshot, {
      nowMs: this.clock(),
      randomBytes: this.#randomBytes,
      limits: this.limits,
      cursorCipher: this.#cursorCipher,
    });
  }

  #wake(): void {
    this.#backfill.wake();
    this.#schemaValidation.wake();
  }

  #failed(error: Error): void {
    this.#fatal = error;
    if (this.#fatalListeners.size === 0) console.error(`database: ${error.message}`);
    for (const listener of this.#fatalListeners) listener(error);
  }
}
