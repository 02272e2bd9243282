// Document versions laid over a snapshot and merged into every get and scan. One mechanism for a
// transaction's own writes, an isolate's chain of unconfirmed mutations, and older timestamps.

import { Catalog, type IndexInfo, isCatalogTablet } from "./catalog.ts";
import type { Timestamp } from "./timestamp.ts";
import type {
  IndexId,
  IndexKey,
  IndexRow,
  Interval,
  Order,
  Revision,
  Snapshot,
  Tablet,
} from "./types.ts";
import { parseDocument } from "./values/json.ts";
import { indexKey, KEY_AFTER } from "./values/key.ts";
import type { ValueObject } from "./values/value.ts";

/** A version of a document in an overlay; `json` null hides the base's document. */
export interface OverlayVersion {
  readonly id: string;
  readonly ts: Timestamp;
  readonly json: string | null;
  /** The document did not exist below the overlay. */
  readonly isNew: boolean;
}

interface Entry {
  readonly version: OverlayVersion;
  /** The document, parsed once an index key was needed. */
  document?: ValueObject;
}

export class Overlay {
  readonly #layers = new Map<Tablet, OverlayLayer>();
  #catalogVersions = 0;
  #catalogGeneration = 0;

  /** Whether there are versions of documents that define tables, indexes and schemas. */
  get changesCatalog(): boolean {
    return this.#catalogVersions > 0;
  }

  /** Grows whenever such a version comes or goes. */
  get catalogGeneration(): number {
    return this.#catalogGeneration;
  }

  /** Number of versions. */
  get size(): number {
    let size = 0;
    for (const layer of this.#layers.values()) size += layer.size;
    return size;
  }

  /** Undefined: the overlay says nothing about the document. */
  get(tablet: Tablet, id: string): OverlayVersion | undefined {
    return this.#layers.get(tablet)?.get(id);
  }

  /** Lays a version over the document; `json` null hides it. */
  put(tablet: Tablet, id: string, json: string | null, ts: Timestamp, isNew = false): void {
    this.restore(tablet, id, { id, ts, json, isNew });
  }

  /** Takes the version away, so that the base shows through. */
  drop(tablet: Tablet, id: string): void {
    this.restore(tablet, id, undefined);
  }

  /** Sets what {@link get} returns, for undoing puts. */
  restore(tablet: Tablet, id: string, version: OverlayVersion | undefined): void {
    let layer = this.#layers.get(tablet);
    if (layer === undefined) {
      if (version === undefined) return;
      this.#layers.set(tablet, layer = new OverlayLayer());
    }
    const sizeBefore = layer.size;
    layer.set(id, version);
    if (isCatalogTablet(tablet)) {
      this.#catalogVersions += layer.size - sizeBefore;
      this.#catalogGeneration++;
    }
  }

  clear(): void {
    this.#layers.clear();
    this.#catalogVersions = 0;
    this.#catalogGeneration++;
  }

  /** All versions, by table in the order of their first put. */
  *versions(): Iterable<OverlayVersion & { readonly tablet: Tablet }> {
    for (const [tablet, layer] of this.#layers) {
      for (const { id, ts, json, isNew } of layer.versions()) yield { tablet, id, ts, json, isNew };
    }
  }

  /** The versions of one table, or undefined if there are none. */
  layer(tablet: Tablet): OverlayLayer | undefined {
    const layer = this.#layers.get(tablet);
    return layer === undefined || layer.size === 0 ? undefined : layer;
  }
}

/** The versions of one table's documents, with the index orders that were asked for so far. */
class OverlayLayer {
  readonly #entries = new Map<string, Entry>();
  readonly #orders = new Map<IndexId, SortedKeys>();

  get size(): number {
    return this.#entries.size;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  get(id: string): OverlayVersion | undefined {
    return this.#entries.get(id)?.version;
  }

  *versions(): Iterable<OverlayVersion> {
    for (const { version } of this.#entries.values()) yield version;
  }

  set(id: string, version: OverlayVersion | undefined): void {
    const before = this.#entries.get(id);
    const after = version === undefined ? undefined : { version };
    for (const order of this.#orders.values()) {
      const oldKey = before === undefined ? null : keyOf(order.index, before);
      if (oldKey !== null) order.remove(oldKey);
      const newKey = after === undefined ? null : keyOf(order.index, after);
      if (newKey !== null) order.add(newKey, id);
    }
    if (after === undefined) this.#entries.delete(id);
    else this.#entries.set(id, after);
  }

  /** The visible versions whose key is in the interval. */
  rows(index: IndexInfo, interval: Interval, order: Order, limit: number): IndexRow[] {
    return this.#order(index).range(interval, order, limit).map(([key, id]) => {
      const { ts, json } = this.#entries.get(id)!.version;
      return { key, id, ts, json: json! };
    });
  }

  #order(index: IndexInfo): SortedKeys {
    let order = this.#orders.get(index.id);
    if (order === undefined) {
      const pairs: [IndexKey, string][] = [];
      for (const [id, entry] of this.#entries) {
        const key = keyOf(index, entry);
        if (key !== null) pairs.push([key, id]);
      }
      this.#orders.set(index.id, order = new SortedKeys(index, pairs));
    }
    return order;
  }
}

/** The documents of a layer in the order of one index. */
class SortedKeys {
  readonly #keys: IndexKey[];
  readonly #ids: string[];

  constructor(readonly index: IndexInfo, pairs: [IndexKey, string][]) {
    pairs.sort((a, b) => a[0] < b[0] ? -1 : 1);
    this.#keys = pairs.map((pair) => pair[0]);
    this.#ids = pairs.map((pair) => pair[1]);
  }

  add(key: IndexKey, id: string): void {
    const at = this.#position(key);
    this.#keys.splice(at, 0, key);
    this.#ids.splice(at, 0, id);
  }

  remove(key: IndexKey): void {
    const at = this.#position(key);
    if (this.#keys[at] !== key) return;
    this.#keys.splice(at, 1);
    this.#ids.splice(at, 1);
  }

  range(interval: Interval, order: Order, limit: number): [IndexKey, string][] {
    let from = this.#position(interval.start);
    let to = this.#position(interval.end);
    if (order === "asc") to = Math.min(to, from + limit);
    else from = Math.max(from, to - limit);
    const pairs: [IndexKey, string][] = [];
    for (let i = from; i < to; i++) pairs.push([this.#keys[i]!, this.#ids[i]!]);
    return order === "asc" ? pairs : pairs.reverse();
  }

  /** Position of the first key that is not smaller. */
  #position(key: IndexKey): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The key of a version in the index; null for a hidden document. */
function keyOf(index: IndexInfo, entry: Entry): IndexKey | null {
  const { json } = entry.version;
  if (json === null) return null;
  entry.document ??= parseDocument(json);
  return indexKey(index.paths, entry.document);
}

/**
 * The base with the overlay on top, live: later puts are seen. `close` closes the base.
 * @param ts what the view calls its timestamp, if not the base's.
 */
export function overlaid(base: Snapshot, overlay: Overlay, ts: Timestamp = base.ts): Snapshot {
  return new OverlaidSnapshot(base, overlay, ts);
}

/** Rows hidden by an overlay make a scan fetch more; the batches grow up to this. */
const REFETCH_ROWS_MAX = 1024;

class OverlaidSnapshot implements Snapshot {
  #catalog: Catalog | null = null;
  #catalogGeneration = 0;

  constructor(
    readonly base: Snapshot,
    readonly overlay: Overlay,
    readonly ts: Timestamp,
  ) {}

  get catalog(): Catalog {
    if (!this.overlay.changesCatalog) return this.base.catalog;
    const generation = this.overlay.catalogGeneration;
    if (this.#catalog === null || this.#catalogGeneration !== generation) {
      const { counters } = this.base.catalog;
      this.#catalog = Catalog.load(this, this.ts, counters);
      this.#catalogGeneration = generation;
    }
    return this.#catalog;
  }

  get(tablet: Tablet, id: string): Revision | null {
    const version = this.overlay.get(tablet, id);
    if (version === undefined) return this.base.get(tablet, id);
    return version.json === null ? null : version as Revision;
  }

  scan(index: IndexId, interval: Interval, order: Order, limit: number): IndexRow[] {
    // The fields of an index never change, so the base may know it; while this view's own catalog is
    // being loaded, only indexes that every base knows are scanned.
    const info = this.base.catalog.findIndex(index) ?? this.catalog.findIndex(index);
    // Another overlay, on top of this one, has added the index.
    if (info === undefined) return [];
    const layer = this.overlay.layer(info.tablet);
    if (layer === undefined) return this.base.scan(index, interval, order, limit);
    const below = visibleRows(this.base, layer, index, interval, order, limit);
    const above = layer.rows(info, interval, order, limit);
    return above.length === 0 ? below : merge(below, above, order, limit);
  }

  close(): void {
    this.base.close();
  }
}

/** Rows of the base whose documents the layer does not replace. */
function visibleRows(
  base: Snapshot,
  layer: OverlayLayer,
  index: IndexId,
  interval: Interval,
  order: Order,
  limit: number,
): IndexRow[] {
  let { start, end } = interval;
  let fetch = limit;
  const visible: IndexRow[] = [];
  while (true) {
    const rows = base.scan(index, { start, end }, order, fetch);
    for (const row of rows) {
      if (!layer.has(row.id)) visible.push(row);
    }
    if (rows.length < fetch || visible.length >= limit) break;
    const last = rows.at(-1)!.key;
    if (order === "asc") start = last + KEY_AFTER;
    else end = last;
    fetch = Math.max(limit, Math.min(2 * fetch, REFETCH_ROWS_MAX));
  }
  if (visible.length > limit) visible.length = limit;
  return visible;
}

function merge(below: IndexRow[], above: IndexRow[], order: Order, limit: number): IndexRow[] {
  const rows: IndexRow[] = [];
  let b = 0;
  let a = 0;
  while (rows.length < limit && (b < below.length || a < above.length)) {
    const low = below[b];
    const high = above[a];
    if (high === undefined || (low !== undefined && (low.key < high.key) === (order === "asc"))) {
      rows.push(low!);
      b++;
    } else {
      rows.push(high);
      a++;
    }
  }
  return rows;
}
