// Moves the write-ahead log back into the database file, in a thread of its own so that its flushes
// never stop the host. The log can only start over at its beginning when nothing in it is left to
// move; under constant writing that moment does not come by itself, so past a size it is forced by
// holding the writes back for one short pass.

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { arrayStatement } from "./array_statement.ts";
import type { CheckpointReply } from "./checkpoint_worker.ts";
import type { Committer } from "./committer.ts";

/** When to do what, in pages of the log. */
export interface CheckpointBounds {
  /** Pages not yet moved that start a pass. */
  readonly passPagesMin: number;
  /** Pages in the log that make the writes wait for a pass. */
  readonly holdPagesMin: number;
}

/** 8 MiB and 64 MiB. */
const BOUNDS_DEFAULT: CheckpointBounds = { passPagesMin: 2048, holdPagesMin: 16_384 };

export class Checkpointer {
  readonly #committer: Committer;
  readonly #path: string;
  readonly #bounds: CheckpointBounds;
  /** A connection of its own: SQLite does not tell the log's size within a transaction. */
  readonly #db: DatabaseSync;
  readonly #logSize: StatementSync;
  #worker: Worker | null = null;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(committer: Committer, path: string, bounds = BOUNDS_DEFAULT) {
    this.#committer = committer;
    this.#path = path;
    this.#bounds = bounds;
    this.#db = new DatabaseSync(path);
    this.#db.exec("PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 0");
    this.#logSize = arrayStatement(this.#db, "PRAGMA wal_checkpoint(NOOP)");
  }

  /** Call it now and then, after writes: starts a pass if one is due. */
  consider(): void {
    if (this.#running !== null || this.#closed) return;
    const { pages, moved } = this.#size();
    if (pages - moved < this.#bounds.passPagesMin) return;
    this.#running = this.#run().finally(() => this.#running = null);
  }

  /** Resolves when no pass is running. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    this.#worker?.terminate();
    this.#db.close();
  }

  async #run(): Promise<void> {
    await this.#pass();
    if (this.#size().pages < this.#bounds.holdPagesMin) return;
    await this.#committer.exclusively(() => this.#pass());
  }

  /** One pass over what is in the log now. A pass that fails is tried again when the next is due. */
  #pass(): Promise<void> {
    const worker = this.#worker ??= new Worker(
      new URL("./checkpoint_worker.ts", import.meta.url),
      { type: "module", name: "checkpoint" },
    );
    return new Promise((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<CheckpointReply>) => {
        if (data.error !== null) console.error(`checkpoint: ${data.error}`);
        resolve();
      };
      worker.onerror = (event) => {
        event.preventDefault();
        console.error(`checkpoint: ${event.message}`);
        this.#worker = null;
        resolve();
      };
      worker.postMessage(this.#path);
    });
  }

  #size(): { pages: number; moved: number } {
    const [, pages, moved] = this.#logSize.get() as unknown as [number, number, number];
    return { pages, moved };
  }
}
