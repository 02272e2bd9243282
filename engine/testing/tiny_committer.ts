// The shortest possible writer of the storage layout, so that tests of the reading half need no
// committer: no validation, one SQLite transaction a commit.

import { DatabaseSync } from "node:sqlite";
import { type Catalog, isCatalogTablet } from "../catalog.ts";
import { SnapshotReader } from "../snapshot.ts";
import { META, STORAGE_SCHEMA } from "../storage_schema.ts";
import type { Timestamp } from "../timestamp.ts";
import type { DocumentWrite } from "../types.ts";
import { parseDocument } from "../values/json.ts";
import { indexKey } from "../values/key.ts";

export class TinyCommitter {
  readonly db: DatabaseSync;
  readonly #reader: SnapshotReader;

  constructor(path = ":memory:") {
    this.db = new DatabaseSync(path);
    this.db.exec(STORAGE_SCHEMA);
    this.#reader = new SnapshotReader(this.db);
  }

  /** Writes a commit. The catalog comes first: it says which indexes the other documents are in. */
  commit(ts: Timestamp, writes: readonly DocumentWrite[]): void {
    const definitions = writes.filter((write) => isCatalogTablet(write.tablet));
    if (definitions.length > 0) this.#write(ts, definitions);
    this.#write(ts, writes.filter((write) => !isCatalogTablet(write.tablet)));
  }

  #write(ts: Timestamp, writes: readonly DocumentWrite[]): void {
    const catalog = this.#reader.batch((view) => view.latest.catalog);
    const { db } = this;
    db.exec("BEGIN");
    for (const write of writes) this.#apply(ts, write, catalog);
    db.prepare("INSERT OR REPLACE INTO commits SELECT ?, COALESCE(max(seq), 0) FROM log").run(ts);
    if (writes.some((write) => isCatalogTablet(write.tablet))) {
      db.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)").run(META.catalog, ts);
    }
    db.exec("COMMIT");
  }

  #apply(ts: Timestamp, { tablet, id, json }: DocumentWrite, catalog: Catalog): void {
    const { db } = this;
    const before = db.prepare("SELECT doc, ts, json FROM documents WHERE tablet = ? AND id = ?")
      .get(tablet, id) as { doc: number; ts: number; json: string } | undefined;
    db.prepare("INSERT INTO log (ts, tablet, id, prev_ts, prev_json, deleted) VALUES (?,?,?,?,?,?)")
      .run(ts, tablet, id, before?.ts ?? null, before?.json ?? null, json === null ? 1 : 0);
    let doc = before?.doc;
    if (json === null) {
      db.prepare("DELETE FROM documents WHERE tablet = ? AND id = ?").run(tablet, id);
    } else if (doc === undefined) {
      doc = Number(
        db.prepare("INSERT INTO documents (tablet, id, ts, json) VALUES (?,?,?,?)")
          .run(tablet, id, ts, json).lastInsertRowid,
      );
    } else {
      db.prepare("UPDATE documents SET ts = ?, json = ? WHERE doc = ?").run(ts, json, doc);
    }
    for (const index of catalog.indexesOf(tablet)) {
      if (before !== undefined) {
        db.prepare("DELETE FROM entries WHERE idx = ? AND key = ?")
          .run(index.id, indexKey(index.paths, parseDocument(before.json)));
      }
      if (json !== null) {
        db.prepare("INSERT INTO entries VALUES (?, ?, ?)")
          .run(index.id, indexKey(index.paths, parseDocument(json)), doc!);
      }
    }
  }
}
