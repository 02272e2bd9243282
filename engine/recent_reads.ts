// Documents that a transaction keeps at hand: what was just read is the most likely to be written, and
// a write begins with reading the document. Scans only hand over their batches; nothing is looked up
// or copied for a transaction that never asks.

import type { IndexRow, Revision, Tablet } from "./types.ts";

const DOCUMENTS_MAX = 1024;
/** Batches of rows that wait to be looked at. */
const BATCHES_MAX = 8;

interface Batch {
  readonly tablet: Tablet;
  readonly rows: readonly IndexRow[];
}

interface RecentRead {
  readonly tablet: Tablet;
  readonly revision: Revision | null;
}

export class RecentReads {
  readonly #byId = new Map<string, RecentRead>();
  readonly #batches: Batch[] = [];

  /** The document as it was read, null if it was not there; undefined: it was not read lately. */
  find(tablet: Tablet, id: string): Revision | null | undefined {
    for (const batch of this.#batches.splice(0)) {
      for (const row of batch.rows) this.add(batch.tablet, row.id, row);
    }
    const recent = this.#byId.get(id);
    return recent?.tablet === tablet ? recent.revision : undefined;
  }

  add(tablet: Tablet, id: string, revision: Revision | null): void {
    if (this.#byId.size >= DOCUMENTS_MAX) this.#byId.clear();
    this.#byId.set(id, { tablet, revision });
  }

  addRows(tablet: Tablet, rows: readonly IndexRow[]): void {
    if (this.#batches.length >= BATCHES_MAX) this.#batches.shift();
    this.#batches.push({ tablet, rows });
  }

  clear(): void {
    this.#byId.clear();
    this.#batches.length = 0;
  }
}
