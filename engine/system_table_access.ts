// Reads and writes of one system table by the server's own code. Reads are recorded like any other,
// so that live queries and mutations that depend on them re-run; nothing counts in the limits.

import type { IndexInfo, TableInfo } from "./catalog.ts";
import { assert } from "./errors.ts";
import { IndexScan } from "./query/index_scan.ts";
import type { Transaction } from "./transaction.ts";
import type { Order, Revision } from "./types.ts";
import { canonicalJson, decodeValue } from "./values/json.ts";
import { encodeKey, encodeKeyPart, KEY_AFTER } from "./values/key.ts";
import type { Json } from "./values/value.ts";

export interface SystemDocument {
  readonly _id: string;
  readonly _creationTime: number;
  readonly [field: string]: Json;
}

/** Fields of a document without the system fields; undefined ones are left out. */
export type SystemFields = Readonly<Record<string, Json | undefined>>;

export interface SystemRangeOptions {
  readonly order?: Order;
  readonly limit?: number;
  /** Rows fetched at once; for tables with large documents. */
  readonly batchRows?: number;
  /** Bounds on the index field after those in `eq`. */
  readonly gt?: Json;
  readonly gte?: Json;
  readonly lt?: Json;
  readonly lte?: Json;
}

export class SystemTableAccess {
  constructor(readonly tx: Transaction, readonly table: TableInfo) {}

  /** The new document's id. */
  insert(fields: SystemFields): string {
    const { id, creationTime } = this.tx.newDocument(this.table);
    this.#write(id, creationTime, fields, true);
    return id;
  }

  /** Changes the given fields; undefined removes a field. The document must exist. */
  patch(id: string, fields: SystemFields): void {
    const { _id, _creationTime, ...before } = this.#existing(id);
    this.#write(id, _creationTime, { ...before, ...fields }, false);
  }

  /** Replaces all fields. The document must exist. */
  replace(id: string, fields: SystemFields): void {
    this.#write(id, this.#existing(id)._creationTime, fields, false);
  }

  /** Deletes the document, which must exist. */
  remove(id: string): void {
    this.#existing(id);
    this.tx.write(this.table.tablet, id, null);
  }

  get(id: string): SystemDocument | null {
    const revision = this.tx.readDocument(this.table, id);
    return revision === null ? null : parse(revision);
  }

  /** All documents whose first index fields have these values, in index order. */
  find(index: string, eq: readonly Json[]): SystemDocument[] {
    return this.range(index, eq);
  }

  first(index: string, eq: readonly Json[]): SystemDocument | null {
    return this.range(index, eq, { limit: 1 })[0] ?? null;
  }

  /** All documents in the order of their creation. */
  all(): SystemDocument[] {
    return this.range("by_creation_time", []);
  }

  range(index: string, eq: readonly Json[], options: SystemRangeOptions = {}): SystemDocument[] {
    return [...this.scan(index, eq, options)];
  }

  /** Like {@link range}, but reads only as far as the caller goes. */
  *scan(
    index: string,
    eq: readonly Json[],
    options: SystemRangeOptions = {},
  ): Generator<SystemDocument, void> {
    const { order = "asc", limit = Infinity, batchRows = Infinity } = options;
    const prefix = encodeKey(eq.map((value) => decodeValue(value)));
    const key = (value: Json): string => prefix + encodeKeyPart(decodeValue(value));
    let start = prefix;
    let end = prefix + KEY_AFTER;
    if (options.gte !== undefined) start = key(options.gte);
    if (options.gt !== undefined) start = key(options.gt) + KEY_AFTER;
    if (options.lt !== undefined) end = key(options.lt);
    if (options.lte !== undefined) end = key(options.lte) + KEY_AFTER;

    const scan = new IndexScan(this.tx, this.table, this.#index(index), { start, end }, order);
    for (let count = 0; count < limit; count++) {
      const row = scan.next(Math.min(limit - count, batchRows));
      if (row === null) return;
      yield parse(row);
    }
  }

  #index(name: string): IndexInfo {
    const index = this.tx.catalog.indexByName(this.table.tablet, name);
    assert(index !== null, () => `${this.table.name} has no index ${name}`);
    return index;
  }

  #existing(id: string): SystemDocument {
    const document = this.get(id);
    assert(document !== null, () => `${this.table.name} has no document ${id}`);
    return document;
  }

  #write(id: string, creationTime: number, fields: SystemFields, isNew: boolean): void {
    const document: Record<string, Json> = {};
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) document[name] = value;
    }
    document._id = id;
    document._creationTime = creationTime;
    this.tx.write(this.table.tablet, id, canonicalJson(document), isNew);
  }
}

function parse(revision: Revision): SystemDocument {
  return JSON.parse(revision.json) as SystemDocument;
}
