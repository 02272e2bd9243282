// The pushed code for an action: read when it is needed, each time from the latest state. Actions
// last long; no read transaction stays open for them.

import type { SnapshotReader } from "../../engine/snapshot.ts";
import type { Catalog } from "../../engine/catalog.ts";
import { Transaction, type TransactionOptions } from "../../engine/transaction.ts";
import { type CodeAccess, type CodeCache, CodeView } from "./code_view.ts";

interface OpenView {
  readonly code: CodeAccess;
  readonly catalog: Catalog;
}

export class ActionCode {
  readonly #reader: SnapshotReader;
  readonly #cache: CodeCache;
  readonly #options: Pick<TransactionOptions, "limits" | "cursorCipher">;
  #open: OpenView | null = null;

  constructor(
    reader: SnapshotReader,
    cache: CodeCache,
    options: Pick<TransactionOptions, "limits" | "cursorCipher">,
  ) {
    this.#reader = reader;
    this.#cache = cache;
    this.#options = options;
  }

  /** Runs `body`, synchronous, over one view of the database; nested uses share it. */
  use<T>(body: (view: OpenView) => T): T {
    if (this.#open !== null) return body(this.#open);
    return this.#reader.batch(({ latest, configuration }) => {
      const { limits, cursorCipher } = this.#options;
      // Nobody wants the read set, and nothing is written.
      const tx = new Transaction(latest, {
        nowMs: 0,
        randomBytes: (count) => new Uint8Array(count),
        limits,
        cursorCipher,
      });
      this.#open = {
        code: new CodeView(latest, this.#cache, configuration).access(tx),
        catalog: latest.catalog,
      };
      try {
        return body(this.#open);
      } finally {
        this.#open = null;
      }
    });
  }
}
