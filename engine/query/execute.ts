// Runs a query over one table: the interval of the index it reads, then its operators in order.

import type { IndexInfo } from "../catalog.ts";
import { documentSize } from "../document_size.ts";
import { userError } from "../errors.ts";
import { chargeRead, SCAN_BATCH_ROWS_DEFAULT } from "../limits.ts";
import { byCreationTimeIndex } from "../system_tables.ts";
import type { Transaction } from "../transaction.ts";
import type { IndexKey, Interval, Order } from "../types.ts";
import { parseDocument } from "../values/json.ts";
import { KEY_AFTER } from "../values/key.ts";
import type { VisibleTable } from "../visible_table.ts";
import { IndexScan } from "./index_scan.ts";
import type { IndexRangeSource, QueryOperator, QuerySource, SearchSource } from "./parse.ts";
import { rangeInterval } from "./range.ts";

/** What a query reads, once its table and index are known. */
export interface QueryPlan {
  readonly table: VisibleTable;
  readonly index: IndexInfo;
  readonly interval: Interval;
  readonly order: Order;
}

/**
 * Finds the table and the index of a query.
 * @param table what the query's table name stands for; null if nothing
 * @returns null for the scan of a table that does not exist
 * @throws PlatformError with the texts of spec 4.2
 */
export function planQuery(
  tx: Transaction,
  source: QuerySource,
  table: VisibleTable | null,
): QueryPlan | null {
  switch (source.type) {
    case "tableScan": {
      if (table === null) return null;
      const index = tx.catalog.index(byCreationTimeIndex(table.info.tablet));
      return { table, index, interval: { start: "", end: KEY_AFTER }, order: source.order };
    }
    case "indexRange": {
      const name = `${source.table}.${source.index}`;
      if (table === null) throw indexNotFound(name);
      const index = databaseIndex(tx, table, source);
      const interval = rangeInterval(name, index, source.range);
      return { table, index, interval, order: source.order };
    }
    case "search":
      throw searchUnavailable(tx, table, source);
  }
}

function databaseIndex(tx: Transaction, table: VisibleTable, source: IndexRangeSource): IndexInfo {
  const name = `${source.table}.${source.index}`;
  const index = findIndex(tx, table, source.index);
  if (index === null) throw indexNotFound(name);
  if (index.kind !== "database") {
    throw userError("IndexNotADatabaseIndex", `Index ${name} is not a database index`);
  }
  if (index.staged) {
    throw userError(
      "IndexStagedError",
      `Index ${name} is currently staged and not available to query until it is enabled.`,
    );
  }
  if (index.state !== "enabled") {
    throw userError(
      "IndexBackfillingError",
      `Index ${name} is currently backfilling and not available to query yet.`,
    );
  }
  return index;
}

function findIndex(tx: Transaction, table: VisibleTable, name: string): IndexInfo | null {
  const { tablet } = table.info;
  const isImplicit = name === "by_id" || name === "by_creation_time";
  if (!isImplicit) {
    if (table.view !== null) return null;
    tx.dependOnIndexes(tablet);
  }
  return tx.catalog.indexByName(tablet, name);
}

function searchUnavailable(
  tx: Transaction,
  table: VisibleTable | null,
  source: SearchSource,
): Error {
  const name = `${source.table}.${source.index}`;
  const index = table === null ? null : findIndex(tx, table, source.index);
  if (index === null) return indexNotFound(name);
  if (index.kind !== "search") {
    return userError("IndexNotASearchIndexError", `Index ${name} is not a search index`);
  }
  return userError("SearchUnavailable", "Full text search is not available on this server.");
}

function indexNotFound(name: string): Error {
  return userError("IndexNotFoundError", `Index ${name} not found.`);
}

/** A row that left the index and went through the operators. */
export interface ConsumedRow {
  readonly key: IndexKey;
  readonly bytes: number;
  /** The document as the function sees it; null if a filter rejected it. */
  readonly json: string | null;
}

export class QueryStream {
  readonly #scan: IndexScan;
  /** Of each limit operator, how many rows it still lets through. */
  readonly #remaining: number[];
  /** Position of the limit operator before every filter; -1 if there is none. */
  readonly #leadingLimit: number;
  readonly #hasFilter: boolean;

  constructor(
    readonly tx: Transaction,
    readonly plan: QueryPlan,
    readonly operators: readonly QueryOperator[],
  ) {
    this.#scan = new IndexScan(tx, plan.table.info, plan.index, plan.interval, plan.order);
    this.#remaining = operators.map((op) => op.type === "limit" ? op.limit : Infinity);
    this.#hasFilter = operators.some((op) => op.type === "filter");
    this.#leadingLimit = operators[0]?.type === "limit" ? 0 : -1;
  }

  get hasFilter(): boolean {
    return this.#hasFilter;
  }

  /** Rows that were fetched, consumed or not. */
  get rowsFetched(): number {
    return this.#scan.rowsFetched;
  }

  get needsFetch(): boolean {
    return this.#scan.isBatchEmpty;
  }

  /** The next document that passes all operators, or null at the end. */
  next(): string | null {
    while (true) {
      const row = this.consume();
      if (row === null) return null;
      if (row.json !== null) return row.json;
    }
  }

  /**
   * Takes one row from the index; null at the end.
   * @param batchRows how many rows to fetch at once, if rows must be fetched
   * @throws PlatformError for read limits and errors of filters
   */
  consume(batchRows: number = SCAN_BATCH_ROWS_DEFAULT): ConsumedRow | null {
    for (const remaining of this.#remaining) {
      if (remaining === 0) return null;
    }
    const { tx, plan: { table } } = this;
    const leading = this.#remaining[this.#leadingLimit];
    const row = this.#scan.next(leading ?? batchRows);
    if (row === null) return null;
    const bytes = row.size ?? documentSize(row.json);
    if (!table.info.isSystem) chargeRead(tx.usage, tx.limits, bytes);
    const json = table.view === null ? row.json : table.view(row.json);
    return { key: row.key, bytes, json: this.#passes(json) ? json : null };
  }

  #passes(json: string): boolean {
    const document = this.#hasFilter ? parseDocument(json) : null;
    for (let i = 0; i < this.operators.length; i++) {
      const operator = this.operators[i]!;
      if (operator.type === "limit") this.#remaining[i]!--;
      else if (!operator.matches(document!)) return false;
    }
    return true;
  }
}
