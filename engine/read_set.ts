// The intervals of index keys that a transaction has looked at, kept disjoint and sorted. A later
// commit that touches a key inside conflicts with the transaction.

import type { FlatReadSet, IndexId, IndexKey } from "./types.ts";

/** Disjoint, non-adjacent intervals of one index in key order. */
interface IntervalList {
  readonly starts: IndexKey[];
  readonly ends: IndexKey[];
}

export class ReadSet {
  readonly #indexes = new Map<IndexId, IntervalList>();
  #intervalCount = 0;

  /** Number of intervals, after merging overlapping and adjacent ones. */
  get intervalCount(): number {
    return this.#intervalCount;
  }

  /** Adds `start <= key < end`; an empty interval adds nothing. */
  add(index: IndexId, start: IndexKey, end: IndexKey): void {
    if (start >= end) return;
    let list = this.#indexes.get(index);
    if (list === undefined) {
      list = { starts: [start], ends: [end] };
      this.#indexes.set(index, list);
      this.#intervalCount++;
      return;
    }
    const { starts, ends } = list;
    // Intervals in [from, to) overlap or touch the new one.
    const from = lowerBound(ends, start);
    let to = from;
    while (to < starts.length && starts[to]! <= end) to++;
    if (from === to) {
      starts.splice(from, 0, start);
      ends.splice(from, 0, end);
      this.#intervalCount++;
      return;
    }
    if (start < starts[from]!) starts[from] = start;
    const lastEnd = ends[to - 1]!;
    ends[from] = lastEnd > end ? lastEnd : end;
    const merged = to - from - 1;
    if (merged > 0) {
      starts.splice(from + 1, merged);
      ends.splice(from + 1, merged);
      this.#intervalCount -= merged;
    }
  }

  /** Whether the key is in one of the intervals. */
  has(index: IndexId, key: IndexKey): boolean {
    const list = this.#indexes.get(index);
    if (list === undefined) return false;
    // The first interval that ends after the key.
    const at = lowerBound(list.ends, key + "\0");
    return at < list.starts.length && list.starts[at]! <= key;
  }

  toFlat(): FlatReadSet {
    const flat: (IndexId | IndexKey)[] = [];
    for (const [index, { starts, ends }] of this.#indexes) {
      for (let i = 0; i < starts.length; i++) flat.push(index, starts[i]!, ends[i]!);
    }
    return flat;
  }
}

/** Position of the first element that is not smaller than `key`. */
function lowerBound(sorted: readonly IndexKey[], key: IndexKey): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
