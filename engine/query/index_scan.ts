// Rows of an index interval, fetched in batches and recorded in the read set as they are consumed:
// a scan that stops early depends only on what it saw.

import type { IndexInfo, TableInfo } from "../catalog.ts";
import { SCAN_BATCH_ROWS_DEFAULT, SCAN_BATCH_ROWS_MAX } from "../limits.ts";
import type { GrowingRead, Transaction } from "../transaction.ts";
import type { IndexRow, Interval, Order } from "../types.ts";
import { KEY_AFTER } from "../values/key.ts";

export class IndexScan implements GrowingRead {
  /** The part that is not fetched yet. */
  #start: string;
  #end: string;
  #batch: IndexRow[] = [];
  #position = 0;
  /** The row that was consumed last. */
  #last: IndexRow | null = null;
  #isExhausted = false;
  #rowsFetched = 0;

  constructor(
    readonly tx: Transaction,
    readonly table: TableInfo,
    readonly index: IndexInfo,
    readonly interval: Interval,
    readonly order: Order,
  ) {
    this.#start = interval.start;
    this.#end = interval.end;
  }

  /** Rows that came from the snapshot so far, consumed or not. */
  get rowsFetched(): number {
    return this.#rowsFetched;
  }

  /** Whether the next row, if there is one, must be fetched. */
  get isBatchEmpty(): boolean {
    return this.#position >= this.#batch.length;
  }

  /**
   * Consumes the next row. Null: the interval has no more.
   * @param wanted how many more rows the caller will take, as far as it knows
   */
  next(wanted: number = SCAN_BATCH_ROWS_DEFAULT): IndexRow | null {
    if (this.isBatchEmpty && !this.#isExhausted) this.#fetch(wanted);
    const row = this.#batch[this.#position];
    const { start, end } = this.interval;
    if (row === undefined) {
      this.tx.recordInterval(this.table, this.index.id, start, end);
      return null;
    }
    this.#position++;
    const isFirst = this.#last === null;
    this.#last = row;
    // The first row is an interval more; those that follow only extend it.
    if (isFirst) this.record();
    else this.tx.grow(this);
    return row;
  }

  /** Records what was consumed so far. */
  record(): void {
    const { start, end } = this.interval;
    const { key } = this.#last!;
    if (this.order === "asc") {
      this.tx.recordInterval(this.table, this.index.id, start, key + KEY_AFTER);
    } else {
      this.tx.recordInterval(this.table, this.index.id, key, end);
    }
  }

  #fetch(wanted: number): void {
    const limit = Math.max(1, Math.min(wanted, SCAN_BATCH_ROWS_MAX));
    const interval = { start: this.#start, end: this.#end };
    this.#batch = this.#start < this.#end
      ? this.tx.view.scan(this.index.id, interval, this.order, limit)
      : [];
    this.tx.noteRows(this.table.tablet, this.#batch);
    this.#position = 0;
    this.#rowsFetched += this.#batch.length;
    if (this.#batch.length < limit) {
      this.#isExhausted = true;
      return;
    }
    const last = this.#batch.at(-1)!.key;
    if (this.order === "asc") this.#start = last + KEY_AFTER;
    else this.#end = last;
  }
}
