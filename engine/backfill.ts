// Fills new indexes with the documents that existed before them, in bounded batches between the
// commits. From the commit that adds an index on, the committer maintains it, so a batch only has to
// add what the documents say now; done twice it does no harm. How far it came is kept in the file.

import { BackgroundTask } from "./background_task.ts";
import type { IndexDocument, IndexInfo } from "./catalog.ts";
import { BACKFILL_PROGRESS_PREFIX, type DocumentWriter } from "./document_writer.ts";
import type { Engine } from "./engine.ts";
import { keyOf } from "./index_changes.ts";
import { byIdIndex } from "./system_tables.ts";
import type { IndexId, IndexKey } from "./types.ts";
import { parseDocument } from "./values/json.ts";
import { byIdKey, KEY_AFTER } from "./values/key.ts";

/** Documents of one batch: about a millisecond of the host's thread. */
export const BATCH_DOCUMENTS = 128;

/** Key in `meta` of how far the index is. */
export function progressKey(index: IndexId): string {
  return BACKFILL_PROGRESS_PREFIX + index;
}

export class IndexBackfill {
  readonly #engine: Engine;
  readonly #task: BackgroundTask;

  constructor(engine: Engine) {
    this.#engine = engine;
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

  /** One batch of one index. */
  async #step(): Promise<boolean> {
    const waiting =
      this.#engine.read((tx) =>
        tx.table("indexes").all().find((index) => index.state === "backfilling")
      ).value;
    if (waiting === undefined) return false;
    const { indexId: id, tablet } = waiting as unknown as IndexDocument;
    const isComplete = await this.#engine.committer.maintain((writer) => {
      const index = this.#engine.catalog.indexesOf(tablet).find((info) => info.id === id);
      // Dropped meanwhile; or nothing to copy: only database indexes have entries.
      if (index === undefined || index.kind !== "database") return true;
      return addBatch(writer, index);
    });
    if (isComplete) await this.#markBackfilled(waiting._id, id);
    return true;
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

/** Adds the entries of the next documents; true when there are no more. */
export function addBatch(writer: DocumentWriter, index: IndexInfo): boolean {
  const start = nextKey(writer, index);
  const rows = writer.scanRows(
    byIdIndex(index.tablet),
    { start, end: KEY_AFTER },
    BATCH_DOCUMENTS,
  );
  for (const { doc, id, json } of rows) {
    writer.insertEntry(index.id, keyOf(index, parseDocument(json), id), doc);
  }
  const last = rows.at(-1);
  if (last !== undefined) writer.writeMeta(progressKey(index.id), last.doc);
  return rows.length < BATCH_DOCUMENTS;
}

/** Where in `by_id` the next batch begins. */
function nextKey(writer: DocumentWriter, index: IndexInfo): IndexKey {
  const doc = writer.readMeta(progressKey(index.id));
  const id = doc === null ? null : writer.idOfRow(doc, index.tablet);
  // Without a trace of the last document, because it was deleted, the walk starts over.
  return id === null ? "" : byIdKey(id) + KEY_AFTER;
}
