// A part of an index that is being filled: the keys of some documents, collected in the order of their
// ids and written in the order of the index. Neighbours of an index share pages, so a sorted chunk
// changes, logs and flushes a fraction of the pages that documents in any other order would.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { arrayStatement } from "./array_statement.ts";
import type { IndexInfo } from "./catalog.ts";
import { BACKFILL_PROGRESS_PREFIX, type DocumentWriter } from "./document_writer.ts";
import { keyOf } from "./index_changes.ts";
import { byIdIndex } from "./system_tables.ts";
import type { IndexId, IndexKey } from "./types.ts";
import { parseDocument } from "./values/json.ts";
import { byIdKey, KEY_AFTER } from "./values/key.ts";

/** Documents that one step reads or writes: about half a millisecond of the host's thread. */
const STEP_DOCUMENTS = 64;

export interface ChunkBounds {
  readonly documents: number;
  /** Length of all keys together: memory in bytes, they are ASCII. */
  readonly keyCharacters: number;
}

const BOUNDS: ChunkBounds = { documents: 65_536, keyCharacters: 16 * 1024 * 1024 };

interface Entry {
  readonly key: IndexKey;
  readonly doc: number;
  /** Of the revision that has the key. */
  readonly ts: number;
}

type DocumentRow = [doc: number, id: string, ts: number, json: string];

/** Key in `meta` of the last document of the last chunk that was written. */
export function progressKey(index: IndexId): string {
  return BACKFILL_PROGRESS_PREFIX + index;
}

/** Reads documents for chunks, through a connection that only reads. */
export class ChunkSource {
  readonly #documents: StatementSync;
  readonly #lastId: StatementSync;

  constructor(db: DatabaseSync) {
    this.#documents = arrayStatement(
      db,
      "SELECT d.doc, d.id, d.ts, d.json FROM entries e CROSS JOIN documents d ON d.doc = e.doc " +
        "WHERE e.idx = ? AND e.key >= ? ORDER BY e.key LIMIT ?",
    );
    this.#lastId = arrayStatement(
      db,
      "SELECT d.id FROM meta m JOIN documents d ON d.doc = m.value WHERE m.key = ? AND d.tablet = ?",
    );
  }

  /** Where in `by_id` the next chunk begins. */
  start({ id, tablet }: IndexInfo): IndexKey {
    const row = this.#lastId.get(progressKey(id), tablet) as unknown as [string] | undefined;
    // Without a trace of the last document, because it was deleted, the walk starts over.
    return row === undefined ? "" : byIdKey(row[0]) + KEY_AFTER;
  }

  documents({ tablet }: IndexInfo, from: IndexKey): DocumentRow[] {
    return this.#documents.all(byIdIndex(tablet), from, STEP_DOCUMENTS) as unknown as DocumentRow[];
  }
}

export class BackfillChunk {
  readonly #entries: Entry[] = [];
  #keyCharacters = 0;
  #from: IndexKey;
  #lastDoc: number | null = null;
  #isLast = false;
  #isCollected = false;
  #written = 0;

  constructor(
    readonly index: IndexInfo,
    readonly source: ChunkSource,
    readonly bounds: ChunkBounds = BOUNDS,
  ) {
    this.#from = source.start(index);
  }

  /** Whether the chunk has all its documents: from then on it is to be written. */
  get isCollected(): boolean {
    return this.#isCollected;
  }

  get isWritten(): boolean {
    return this.#isCollected && this.#written === this.#entries.length;
  }

  /** Whether no document comes after those of the chunk. */
  get isLast(): boolean {
    return this.#isLast;
  }

  /** Reads the next documents. */
  collect(): void {
    const rows = this.source.documents(this.index, this.#from);
    for (const [doc, id, ts, json] of rows) {
      const key = keyOf(this.index, parseDocument(json), id);
      this.#entries.push({ key, doc, ts });
      this.#keyCharacters += key.length;
    }
    const last = rows.at(-1);
    if (last !== undefined) {
      const [doc, id] = last;
      this.#lastDoc = doc;
      this.#from = byIdKey(id) + KEY_AFTER;
    }
    this.#isLast = rows.length < STEP_DOCUMENTS;
    this.#isCollected = this.#isLast || this.#entries.length >= this.bounds.documents ||
      this.#keyCharacters >= this.bounds.keyCharacters;
    if (this.#isCollected) this.#entries.sort((a, b) => a.key < b.key ? -1 : 1);
  }

  /** Adds the next entries; with the last of them the chunk is done, also after a restart. */
  write(writer: DocumentWriter): void {
    const end = Math.min(this.#written + STEP_DOCUMENTS, this.#entries.length);
    for (; this.#written < end; this.#written++) {
      const { key, doc, ts } = this.#entries[this.#written]!;
      const current = writer.revisionOf(doc) === ts ? key : this.#currentKey(writer, doc);
      if (current !== null) writer.insertEntry(this.index.id, current, doc);
    }
    if (this.isWritten && this.#lastDoc !== null) {
      writer.writeMeta(progressKey(this.index.id), this.#lastDoc);
    }
  }

  /**
   * The key of a document that was changed since it was collected; null if it was deleted. The
   * committer has added the entry only if the change gave the document another key.
   */
  #currentKey(writer: DocumentWriter, doc: number): IndexKey | null {
    const document = writer.documentAt(doc);
    return document && keyOf(this.index, parseDocument(document.json), document.id);
  }
}
