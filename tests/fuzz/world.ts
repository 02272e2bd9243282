// A running database and the model of it, side by side.

import { COMMIT_LOG_AGE_MS_MAX } from "../../engine/commit_log.ts";
import { Engine } from "../../engine/engine.ts";
import { DEFAULT_TRANSACTION_LIMITS, type TransactionLimits } from "../../engine/limits.ts";
import { CursorCipher } from "../../engine/query/cursor.ts";
import { openReadOnly, SnapshotReader } from "../../engine/snapshot.ts";
import { encodeTimestamp, type Timestamp } from "../../engine/timestamp.ts";
import { Transaction } from "../../engine/transaction.ts";
import type { Snapshot } from "../../engine/types.ts";
import { tableNumberOf } from "../../engine/values/id.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import type { Created, Traced } from "./call.ts";
import { checkCalls, Mismatch } from "./compare.ts";
import { CursorBook } from "./model/cursor_book.ts";
import { withWritesNoted } from "./model/push.ts";
import { applied, canonical, type Difference, difference, type ModelState } from "./model/state.ts";
import { EMPTY_STATE, tableOfId } from "./model/state.ts";
import { type ModelOptions, ModelTransaction, resolved } from "./model/transaction.ts";
import type { Compare } from "./model/values.ts";
import { NO_ID } from "./program.ts";
import { SimulatedDisk } from "./simulated_disk.ts";
import type { Resolver } from "./subject.ts";
import { freshDatabase, START_MS } from "./template.ts";

const CURSOR_KEY = new Uint8Array(32);
const CIPHER = new CursorCipher(CURSOR_KEY);

/** A commit of the program. */
export interface Version {
  readonly ts: Timestamp;
  /** The state after it. */
  state: ModelState;
  readonly before: ModelState;
  readonly changes: Difference;
  readonly isolate: number | null;
}

const NO_CHANGES: Difference = { tables: new Map(), documents: new Map() };

export class World implements Resolver {
  readonly versions: Version[] = [];
  readonly ids: string[] = [];
  readonly cursors = new CursorBook();
  readonly limits: TransactionLimits;
  readonly model: ModelOptions;
  nowMs = START_MS;
  engine!: Engine;
  disk!: SimulatedDisk;
  #path = "";
  #openedAt = 0;
  #opened = 0;
  #randomState = 1;
  #reader: SnapshotReader | null = null;
  #closeReader = () => {};

  constructor(
    readonly directory: string,
    limits: Partial<TransactionLimits>,
    compare: Compare,
  ) {
    this.limits = { ...DEFAULT_TRANSACTION_LIMITS, ...limits };
    this.model = { limits: this.limits, compare, cursors: this.cursors };
  }

  /** Opens a new database, before the first step. */
  async start(): Promise<void> {
    await this.open(await freshDatabase(this.newPath()));
    this.begin();
  }

  /** The state so far is the first version. */
  begin(): void {
    const ts = this.engine.committer.latest;
    this.versions.push({
      ts,
      state: EMPTY_STATE,
      before: EMPTY_STATE,
      changes: NO_CHANGES,
      isolate: null,
    });
  }

  newPath(): string {
    const directory = `${this.directory}/${++this.#opened}`;
    Deno.mkdirSync(directory);
    return `${directory}/db.sqlite`;
  }

  get path(): string {
    return this.#path;
  }

  async open(path: string, disk = new SimulatedDisk()): Promise<void> {
    this.#path = path;
    this.disk = disk;
    this.engine = await Engine.open({
      path,
      cursorKey: CURSOR_KEY,
      limits: this.limits,
      clock: () => this.nowMs,
      randomBytes: (n) => this.randomBytes(n),
      disk: this.disk,
    });
    this.#openedAt = this.engine.committer.latest;
  }

  /** Clients are other processes, with connections of their own. */
  get reader(): SnapshotReader {
    if (this.#reader === null) {
      const db = openReadOnly(this.#path);
      this.#reader = new SnapshotReader(db);
      this.#closeReader = () => db.close();
    }
    return this.#reader;
  }

  async close(): Promise<void> {
    this.#closeReader();
    this.#closeReader = () => {};
    this.#reader = null;
    await this.engine.close();
  }

  get latest(): Version {
    return this.versions.at(-1)!;
  }

  /** The version that a snapshot at `ts` shows: the database also makes commits of its own. */
  versionAt(ts: Timestamp): Version {
    return this.versions.findLast((version) => version.ts <= ts) ?? this.versions[0]!;
  }

  /** A transaction of a client on a snapshot. */
  transaction(snapshot: Snapshot): Transaction {
    return new Transaction(snapshot, {
      nowMs: this.nowMs,
      randomBytes: (n) => this.randomBytes(n),
      limits: this.limits,
      cursorCipher: CIPHER,
    });
  }

  /** Checks a transaction as it was executed, on the state that it saw. */
  checkExecution(calls: readonly Traced[], begin: ModelState, what: string): ModelTransaction {
    const model = new ModelTransaction(begin, begin, this.model);
    checkCalls(calls, model, what);
    return model;
  }

  /**
   * Takes note of a commit. It must give the same results on the latest state, for the commits are
   * to look as if they had been executed one after the other.
   * @param begin what the transaction saw
   * @throws Mismatch
   */
  accept(
    calls: readonly Traced[],
    begin: ModelState,
    ts: Timestamp,
    isolate: number | null = null,
  ): void {
    const { latest } = this;
    const model = new ModelTransaction(latest.state, begin, this.model);
    checkCalls(calls, model, `committed at ${ts}, executed in order`);
    const written = difference(latest.state, model.state);
    if (written.documents.size === 0 && written.tables.size === 0) return;
    if (ts <= latest.ts) throw new Mismatch(`a commit at ${ts}, not after ${latest.ts}`);
    this.#checkNumbers(written, model.state);
    const changes = resolved(written, { $integer: encodeTimestamp(ts) });
    const state = withWritesNoted(applied(latest.state, changes), changes);
    this.versions.push({ ts, state, before: latest.state, changes, isolate });
  }

  /** Takes note of a commit that changes tables, indexes or schemas. */
  acceptPush(ts: Timestamp, state: ModelState): void {
    const { latest } = this;
    this.versions.push({
      ts,
      state,
      before: latest.state,
      changes: NO_CHANGES,
      isolate: null,
    });
  }

  /** The first commit after `begin` that touches what was read; commits of `isolate` do not count. */
  firstTouch(
    model: ModelTransaction,
    begin: Timestamp,
    isolate: number | null = null,
  ): Timestamp | null {
    for (const { ts, before, changes, isolate: by } of this.versions) {
      if (ts <= begin || (isolate !== null && by === isolate)) continue;
      if (model.isTouchedBy(before, changes)) return ts;
    }
    return null;
  }

  /** Whether the committer may have forgotten commits after `ts`. */
  isForgotten(ts: Timestamp): boolean {
    return ts < this.#openedAt ||
      this.engine.committer.latest - ts > COMMIT_LOG_AGE_MS_MAX * 1000;
  }

  // Resolver.

  id(target: number): string {
    // The greatest number stands for something that is no id.
    if (target === NO_ID || this.ids.length === 0) return "no id at all";
    return this.ids[target % this.ids.length]!;
  }

  created(created: Created): void {
    if (this.ids.includes(created.id)) throw new Mismatch(`${created.id} is given out twice`);
    this.ids.push(created.id);
  }

  cursor(which: number | null, query: JsonObject, mixed: boolean): string | null {
    if (which === null) return null;
    const prefix = canonical(query) + " on ";
    const candidates = this.cursors.all.filter(({ fingerprint }) =>
      mixed || fingerprint.startsWith(prefix)
    );
    return candidates[which % candidates.length]?.text ?? null;
  }

  randomBytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => {
      this.#randomState = Math.imul(this.#randomState, 1_103_515_245) + 12_345 >>> 0;
      return this.#randomState >>> 24;
    });
  }

  #checkNumbers({ documents }: Difference, state: ModelState): void {
    for (const [id, document] of documents) {
      if (document === null || tableOfId(state, id) === document.table) continue;
      throw new Mismatch(`${id} of ${document.table} has the number ${tableNumberOf(id)}`);
    }
  }
}
