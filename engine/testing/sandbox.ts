// A small database for tests: transactions by callback, committed one by one.

import { DEFAULT_TRANSACTION_LIMITS, type TransactionLimits } from "../limits.ts";
import { CursorCipher } from "../query/cursor.ts";
import { SnapshotReader } from "../snapshot.ts";
import { createComponentTables } from "../table_creation.ts";
import type { Timestamp } from "../timestamp.ts";
import { Transaction } from "../transaction.ts";
import type { ComponentId, FlatReadSet, Snapshot } from "../types.ts";
import { TinyCommitter } from "./tiny_committer.ts";

const FIRST_TS_MICROS = 1_700_000_000_000_000;
const CIPHER = new CursorCipher(new Uint8Array(32));

export class Sandbox {
  readonly committer = new TinyCommitter();
  readonly reader = new SnapshotReader(this.committer.db);
  #ts = FIRST_TS_MICROS;
  #randomState = 1;

  constructor() {
    this.write((tx) => createComponentTables(tx, ""));
  }

  get ts(): Timestamp {
    return this.#ts as Timestamp;
  }

  /** Runs and commits a transaction. */
  write<T>(body: (tx: Transaction) => T): T {
    const snapshot = this.reader.open();
    const tx = this.#transaction(snapshot.ts === 0 ? undefined : snapshot.ts, snapshot);
    let result: T;
    let finished;
    try {
      result = body(tx);
      finished = tx.finish();
    } finally {
      snapshot.close();
    }
    this.#ts += 1000;
    this.committer.commit(this.ts, finished.writes);
    return result;
  }

  /** Runs a transaction and throws its writes away. */
  read<T>(
    body: (tx: Transaction) => T,
    options: { ts?: Timestamp; limits?: Partial<TransactionLimits> } = {},
  ): { value: T; readSet: FlatReadSet } {
    const snapshot = this.reader.open(options.ts);
    try {
      const tx = this.#transaction(options.ts, snapshot, options.limits);
      const value = body(tx);
      return { value, readSet: tx.finish().readSet };
    } finally {
      snapshot.close();
    }
  }

  /** Adds an enabled index to a table, before the table has documents. */
  createIndex(component: ComponentId, table: string, name: string, fields: string[]): void {
    this.write((tx) => {
      const { tablet } = tx.createTable(component, table);
      tx.addIndex(tablet, {
        name,
        fields: [...fields, "_creationTime"],
        kind: "database",
        state: "enabled",
        staged: false,
      });
    });
  }

  #transaction(
    ts: Timestamp | undefined,
    snapshot: Snapshot,
    limits: Partial<TransactionLimits> = {},
  ): Transaction {
    return new Transaction(snapshot, {
      nowMs: (ts ?? this.#ts) / 1000 + 1,
      randomBytes: (n) => this.#randomBytes(n),
      limits: { ...DEFAULT_TRANSACTION_LIMITS, ...limits },
      cursorCipher: CIPHER,
    });
  }

  /** A linear congruential generator: the same ids in every run of a test. */
  #randomBytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => {
      this.#randomState = Math.imul(this.#randomState, 1_103_515_245) + 12_345 >>> 0;
      return this.#randomState >>> 24;
    });
  }
}
