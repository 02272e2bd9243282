// One page of a query (spec values-and-queries 5).

import { PlatformError } from "../errors.ts";
import {
  PAGE_ROWS_MAX,
  PAGE_ROWS_SPLIT_RECOMMENDED,
  SCAN_BATCH_ROWS_DEFAULT,
  SCAN_BATCH_ROWS_MAX,
} from "../limits.ts";
import type { Transaction } from "../transaction.ts";
import type { IndexKey, Interval } from "../types.ts";
import { KEY_AFTER } from "../values/key.ts";
import type { CursorPosition } from "./cursor.ts";
import { type ConsumedRow, type QueryPlan, QueryStream } from "./execute.ts";
import type { QueryOperator } from "./parse.ts";

export type PageStatus = "SplitRecommended" | "SplitRequired" | null;

export interface PageRequest {
  /** Undefined: from the beginning, or to wherever the page is full. */
  readonly start: CursorPosition | undefined;
  readonly end: CursorPosition | undefined;
  readonly pageSize: number;
  /** Infinity if the function did not say. */
  readonly rowsReadMax: number;
  readonly bytesReadMax: number;
}

export interface PageRows {
  readonly page: readonly string[];
  readonly end: CursorPosition;
  readonly split: IndexKey | null;
  readonly status: PageStatus;
}

/** A page that used more than this part of a budget should be split. */
const SPLIT_RECOMMENDED_FRACTION = 3 / 4;
/** Pages with fewer consumed rows are not worth splitting. */
const SPLIT_ROWS_MIN = 3;

const READ_LIMIT_CODES: ReadonlySet<string> = new Set([
  "TooManyDocumentsRead",
  "TooManyBytesRead",
  "TooManyReads",
]);

/**
 * Reads the page.
 * @param plan null when the table does not exist
 * @throws PlatformError when a read limit does not even allow one row
 */
export function readPage(
  tx: Transaction,
  plan: QueryPlan | null,
  operators: readonly QueryOperator[],
  request: PageRequest,
): PageRows {
  if (plan === null || request.start === null) {
    return { page: [], end: request.end ?? null, split: null, status: null };
  }
  const interval = pageInterval(plan, request);
  return new PageReader(tx, { ...plan, interval }, operators, request).read();
}

/** The part of the query's interval after the start cursor, up to and including the end cursor. */
function pageInterval({ interval, order }: QueryPlan, request: PageRequest): Interval {
  let { start, end } = interval;
  const { start: after, end: upTo } = request;
  if (order === "asc") {
    if (typeof after === "string") start = greater(start, after + KEY_AFTER);
    if (typeof upTo === "string") end = lesser(end, upTo + KEY_AFTER);
  } else {
    if (typeof after === "string") end = lesser(end, after);
    if (typeof upTo === "string") start = greater(start, upTo);
  }
  return { start, end };
}

function greater(a: IndexKey, b: IndexKey): IndexKey {
  return a > b ? a : b;
}

function lesser(a: IndexKey, b: IndexKey): IndexKey {
  return a < b ? a : b;
}

class PageReader {
  readonly #stream: QueryStream;
  readonly #page: string[] = [];
  /** Keys of all rows taken from the index, those that a filter rejected included. */
  readonly #keys: IndexKey[] = [];
  #bytes = 0;

  constructor(
    readonly tx: Transaction,
    plan: QueryPlan,
    operators: readonly QueryOperator[],
    readonly request: PageRequest,
  ) {
    this.#stream = new QueryStream(tx, plan, operators);
  }

  read(): PageRows {
    const isPinned = this.request.end !== undefined;
    let isSplitRequired = false;
    let isExhausted = false;
    while (isPinned || this.#page.length < this.request.pageSize) {
      if (!isPinned && this.#keys.length > 0 && this.#isBudgetSpent()) {
        isSplitRequired = true;
        break;
      }
      const row = this.#consume();
      if (row === "limit") {
        isSplitRequired = true;
        break;
      }
      if (row === null) {
        isExhausted = true;
        break;
      }
      this.#keys.push(row.key);
      this.#bytes += row.bytes;
      if (row.json !== null) this.#page.push(row.json);
    }
    return {
      page: this.#page,
      end: this.request.end !== undefined
        ? this.request.end
        : isExhausted
        ? null
        : this.#keys.at(-1)!,
      split: this.#keys.length >= SPLIT_ROWS_MIN
        ? this.#keys[Math.floor(this.#keys.length / 2)]!
        : null,
      status: isSplitRequired
        ? "SplitRequired"
        : this.#isSplitRecommended()
        ? "SplitRecommended"
        : null,
    };
  }

  /** The next row; "limit" when a read limit of the transaction ends the page. */
  #consume(): ConsumedRow | null | "limit" {
    try {
      return this.#stream.consume(this.#batchRows());
    } catch (error) {
      const isLimit = error instanceof PlatformError && READ_LIMIT_CODES.has(error.code);
      if (isLimit && this.#keys.length > 0) return "limit";
      throw error;
    }
  }

  #batchRows(): number {
    if (this.request.end !== undefined) return SCAN_BATCH_ROWS_MAX;
    const wanted = this.#stream.hasFilter
      ? SCAN_BATCH_ROWS_DEFAULT
      : this.request.pageSize - this.#page.length;
    return Math.min(wanted, this.request.rowsReadMax - this.#stream.rowsFetched);
  }

  #isBudgetSpent(): boolean {
    const { rowsReadMax, bytesReadMax } = this.request;
    return this.#bytes >= bytesReadMax ||
      (this.#stream.needsFetch && this.#stream.rowsFetched >= rowsReadMax);
  }

  #isSplitRecommended(): boolean {
    const { request, tx: { limits } } = this;
    const isPinned = request.end !== undefined;
    const rowsMax = isPinned ? PAGE_ROWS_MAX : Math.min(request.rowsReadMax, PAGE_ROWS_MAX);
    const bytesMax = isPinned ? limits.bytesRead : Math.min(request.bytesReadMax, limits.bytesRead);
    // Rows taken, not rows fetched: what was fetched ahead is in nobody's read set, so the answer must
    // not depend on it.
    return this.#keys.length > Math.floor(SPLIT_RECOMMENDED_FRACTION * rowsMax) ||
      this.#bytes > Math.floor(SPLIT_RECOMMENDED_FRACTION * bytesMax) ||
      this.#page.length > PAGE_ROWS_SPLIT_RECOMMENDED;
  }
}
