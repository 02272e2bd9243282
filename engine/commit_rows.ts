// Turns the writes of an accepted transaction into rows, and keeps the catalog as of the last commit.
// Tables, indexes and schemas are documents too: a commit that changes them is applied catalog first,
// so that its other documents find their table and all indexes of it.

import { Catalog, INITIAL_COUNTERS, isCatalogTablet } from "./catalog.ts";
import type { ChangedDocument } from "./commit_log.ts";
import { COMMIT_TS_TOKEN, resolveCommitTs } from "./commit_ts_token.ts";
import type { DocumentWriter } from "./document_writer.ts";
import { assert } from "./errors.ts";
import { changeOf, type DocumentChange } from "./index_changes.ts";
import { failedSchemaWrites, isWaiting } from "./schema_violation.ts";
import { META } from "./storage_schema.ts";
import { byCreationTimeIndex, isConfigurationTablet, SYSTEM_TABLES } from "./system_tables.ts";
import type { Timestamp } from "./timestamp.ts";
import type { Conflict, DocumentWrite, IndexId, IndexKey } from "./types.ts";
import { KEY_AFTER } from "./values/key.ts";

/** What a transaction did in the end. */
export interface AppliedCommit {
  readonly documents: readonly ChangedDocument[];
  readonly writes: readonly DocumentWrite[];
}

/** More schemas than retention ever leaves. */
const SCHEMAS_MAX = 1_000_000;

/** Key in `meta` of an index that is not in the catalog any more but still has entries. */
export const DROPPED_INDEX_PREFIX = "dropped_index:";

function droppedIndexKey(index: IndexId): string {
  return DROPPED_INDEX_PREFIX + index;
}

export class CommitRows {
  readonly #writer: DocumentWriter;
  #catalog: Catalog;
  /** Whether any component has a schema that a push waits for. */
  #schemasWait: boolean;

  constructor(writer: DocumentWriter) {
    this.#writer = writer;
    this.#catalog = Catalog.load(
      writer,
      (writer.readMeta(META.catalog) ?? 0) as Timestamp,
      {
        nextTablet: writer.readMeta(META.nextTablet) ?? INITIAL_COUNTERS.nextTablet,
        nextIndex: writer.readMeta(META.nextIndex) ?? INITIAL_COUNTERS.nextIndex,
      },
    );
    this.#schemasWait = this.#findWaitingSchemas();
  }

  #findWaitingSchemas(): boolean {
    const index = byCreationTimeIndex(SYSTEM_TABLES.schemas.number);
    return this.#writer.scan(index, { start: "", end: KEY_AFTER }, "asc", SCHEMAS_MAX)
      .some(({ json }) => isWaiting(JSON.parse(json)));
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /**
   * Finds what a read set cannot show: two transactions that chose the same id, or gave the same
   * number to different new tables or indexes.
   */
  findClash(writes: readonly DocumentWrite[]): Conflict | null {
    for (const write of writes) {
      if (!write.isNew || write.json === null) continue;
      if (this.#clashes(write, write.json)) {
        return { ts: this.#catalog.version, table: null, id: write.id, source: null };
      }
    }
    return null;
  }

  #clashes(write: DocumentWrite, json: string): boolean {
    const catalog = this.#catalog;
    if (write.tablet === SYSTEM_TABLES.tables.number) {
      const table = JSON.parse(json);
      if (catalog.tableByTablet(table.tablet) !== null) return true;
      if (table.tablet < catalog.counters.nextTablet) return true;
      return table.state === "active" &&
        catalog.tableByNumber(table.component, table.number) !== null;
    }
    if (write.tablet === SYSTEM_TABLES.indexes.number) {
      return JSON.parse(json).indexId < catalog.counters.nextIndex;
    }
    return false;
  }

  /**
   * Writes the rows of one commit.
   * @throws Error when a write makes no sense, in which case no row of the commit is left.
   */
  apply(writes: readonly DocumentWrite[], ts: Timestamp): AppliedCommit {
    const resolved = resolveTokens(writes, ts);
    const first = resolved.filter((write) => isCatalogTablet(write.tablet));
    if (first.length === 0) return this.#applyDocuments(resolved, [], ts);
    const before = this.#catalog;
    const schemasWaited = this.#schemasWait;
    try {
      return this.#writer.atomically(() => {
        const changes = this.#plan(first);
        this.#write(changes, ts);
        if (changes.length > 0) {
          this.#noteDroppedIndexes(changes, ts);
          this.#catalogChanged(ts);
        }
        const rest = resolved.filter((write) => !isCatalogTablet(write.tablet));
        return this.#applyDocuments(rest, changes, ts);
      });
    } catch (error) {
      this.#catalog = before;
      this.#schemasWait = schemasWaited;
      throw error;
    }
  }

  /** Writes the documents outside the catalog, and ends the commit. */
  #applyDocuments(
    writes: readonly DocumentWrite[],
    written: readonly DocumentChange[],
    ts: Timestamp,
  ): AppliedCommit {
    const changes = this.#plan(writes);
    const failed = this.#schemasWait
      ? this.#plan(failedSchemaWrites(this.#catalog, changes, this.#writer))
      : [];
    const all = [...written, ...changes, ...failed];
    if (all.length === 0) return { documents: [], writes: [] };
    this.#write(changes, ts);
    this.#write(failed, ts);
    this.#writer.insertCommit(ts);
    if (all.some(({ write }) => isConfigurationTablet(write.tablet))) {
      this.#writer.writeMeta(META.configuration, ts);
    }
    if (failed.length > 0) this.#catalogChanged(ts);
    return {
      documents: all.map(({ write, keys }) => ({ tablet: write.tablet, id: write.id, keys })),
      writes: all.map((change) => change.write),
    };
  }

  /** Compares the writes with what is stored, leaving out those that change nothing. */
  #plan(writes: readonly DocumentWrite[]): DocumentChange[] {
    const changes: DocumentChange[] = [];
    for (const write of writes) {
      const { tablet, id } = write;
      const indexes = this.#catalog.indexesOf(tablet);
      assert(indexes.length > 0, () => `there is no tablet ${tablet}`);
      const stored = this.#writer.find(tablet, id);
      if ((stored?.json ?? null) === write.json) continue;
      assert(!write.isNew || stored === null, () => `${id} is new but exists`);
      assert(
        write.isNew || stored !== null,
        () => `${id} is to be replaced but does not exist`,
      );
      changes.push(changeOf(write, stored, indexes));
    }
    return changes;
  }

  #write(changes: readonly DocumentChange[], ts: Timestamp): void {
    const writer = this.#writer;
    for (const { write, stored, after, removed, added } of changes) {
      const { tablet, id, json } = write;
      let doc = stored?.doc ?? 0;
      if (json === null) writer.delete(stored!, id, ts);
      else if (stored !== null) writer.update(stored, id, ts, json, after!);
      else doc = writer.insert(tablet, id, ts, json, after!);
      for (let i = 0; i < removed.length; i += 2) {
        writer.deleteEntry(removed[i] as IndexId, removed[i + 1] as IndexKey);
      }
      for (let i = 0; i < added.length; i += 2) {
        writer.insertEntry(added[i] as IndexId, added[i + 1] as IndexKey, doc);
      }
    }
  }

  #catalogChanged(ts: Timestamp): void {
    this.#catalog = Catalog.load(this.#writer, ts, this.#catalog.counters);
    this.#schemasWait = this.#findWaitingSchemas();
    const { nextTablet, nextIndex } = this.#catalog.counters;
    this.#writer.writeMeta(META.catalog, ts);
    this.#writer.writeMeta(META.nextTablet, nextTablet);
    this.#writer.writeMeta(META.nextIndex, nextIndex);
  }

  /** Older snapshots may still read the entries of a dropped index: retention removes them later. */
  #noteDroppedIndexes(changes: readonly DocumentChange[], ts: Timestamp): void {
    for (const { write, stored } of changes) {
      if (write.tablet !== SYSTEM_TABLES.indexes.number) continue;
      if (write.json !== null || stored === null) continue;
      this.#writer.writeMeta(droppedIndexKey(JSON.parse(stored.json).indexId), ts);
      this.#writer.writeMeta(META.rowsUsed, this.#writer.lastDoc);
    }
  }
}

/** Puts the commit's timestamp where documents hold its placeholder. */
function resolveTokens(writes: readonly DocumentWrite[], ts: Timestamp): readonly DocumentWrite[] {
  if (!writes.some((write) => write.json?.includes(COMMIT_TS_TOKEN))) return writes;
  return writes.map((write) =>
    write.json === null ? write : { ...write, json: resolveCommitTs(write.json, ts) }
  );
}
