// Fills new indexes with the documents that existed before them, in bounded steps between the
// commits. From the commit that adds an index on, the committer maintains it, so a step only has to
// add what nobody has changed since; done twice it does no harm. How far it came is kept in the file.

import type { DatabaseSync } from "node:sqlite";
import { BackfillChunk, ChunkSource, progressKey } from "./backfill_chunk.ts";
import { BackgroundTask } from "./background_task.ts";
import type { IndexDocument, IndexInfo } from "./catalog.ts";
import type { Engine } from "./engine.ts";
import { type Timestamp, TIMESTAMP_ZERO } from "./timestamp.ts";
import type { IndexId } from "./types.ts";

const REST_MS_MAX = 20;
/** Rest for each millisecond of work while others write. */
const REST_SHARE = 2;

export class IndexBackfill {
  readonly #engine: Engine;
  readonly #source: ChunkSource;
  readonly #task: BackgroundTask;
  #chunk: BackfillChunk | null = null;
  /** The last commit when the last step ended. */
  #latest: Timestamp = TIMESTAMP_ZERO;

  /** @param reading a connection that only reads */
  constructor(engine: Engine, reading: DatabaseSync) {
    this.#engine = engine;
    this.#source = new ChunkSource(reading);
    this.#task = new BackgroundTask("index backfill", () => this.#step());
  }

  wake(): void {
    this.#task.wake();
  }

  idle(): Promise<void> {
    return this.#task.idle();
  }

  stop(): Promise<void> {
    return this.#task.stop();
  }

  /** One step of one index. */
  async #step(): Promise<boolean> {
    const waiting =
      this.#engine.read((tx) =>
        tx.table("indexes").all().find((index) => index.state === "backfilling")
      ).value;
    if (waiting === undefined) {
      this.#chunk = null;
      return false;
    }
    const { indexId: id, tablet } = waiting as unknown as IndexDocument;
    const index = this.#engine.catalog.indexesOf(tablet).find((info) => info.id === id);
    // Dropped meanwhile; or nothing to copy: only database indexes have entries.
    const isComplete = index === undefined || index.kind !== "database" ||
      await this.#advance(index);
    if (isComplete) await this.#markBackfilled(waiting._id, id);
    return true;
  }

  /** Reads or writes some documents of a chunk; true when all documents have their entries. */
  async #advance(index: IndexInfo): Promise<boolean> {
    if (this.#chunk?.index.id !== index.id) this.#chunk = new BackfillChunk(index, this.#source);
    const chunk = this.#chunk;
    const startedAt = performance.now();
    if (!chunk.isCollected) chunk.collect();
    else await this.#engine.committer.maintain((writer) => chunk.write(writer));
    await this.#rest(performance.now() - startedAt);
    if (!chunk.isWritten) return false;
    this.#chunk = null;
    return chunk.isLast;
  }

  /** Leaves thread and disk to those who write meanwhile, for longer than they were taken from them. */
  async #rest(workedMs: number): Promise<void> {
    const { latest } = this.#engine.committer;
    const othersWrite = latest !== this.#latest;
    this.#latest = latest;
    await new Promise((resolve) =>
      othersWrite
        ? setTimeout(resolve, Math.min(workedMs * REST_SHARE, REST_MS_MAX))
        : setImmediate(resolve)
    );
  }

  async #markBackfilled(documentId: string, id: IndexId): Promise<void> {
    await this.#engine.transact((tx) => {
      const index = tx.table("indexes").get(documentId);
      if (index?.state === "backfilling") {
        tx.table("indexes").patch(documentId, { state: "backfilled" });
      }
    });
    await this.#engine.committer.maintain((writer) => writer.deleteMeta(progressKey(id)));
  }
}
