// What the tests of the writing half share: a committer on a temporary file, and a table to write to.

import { Committer, type CommitterOptions } from "../committer.ts";
import { openDatabaseFile, walPath } from "../database_file.ts";
import { type Disk, REAL_DISK } from "../disk.ts";
import { Durability } from "../durability.ts";
import { byCreationTimeIndex, byIdIndex, SYSTEM_TABLES } from "../system_tables.ts";
import type { DatabaseSync } from "node:sqlite";
import type { DocumentWrite, FinishedTransaction, FlatReadSet, Tablet } from "../types.ts";
import { encodeId, newInternalId } from "../values/id.ts";
import { stringifyValue } from "../values/json.ts";
import { byIdKey, KEY_AFTER } from "../values/key.ts";
import type { ValueObject } from "../values/value.ts";

/** A table of users' documents with one declared index, on `k`. */
export const TABLET: Tablet = 100_000;
export const TABLE_NUMBER = 10_001;
export const BY_K = 2 ** 33;

export interface Stand {
  readonly committer: Committer;
  readonly db: DatabaseSync;
  readonly path: string;
  readonly fatal: Error[];
  close(): Promise<void>;
}

let idCounter = 0;

/** A fresh id of the table, deterministic within a run of the tests. */
export function newId(tableNumber = TABLE_NUMBER): string {
  const bytes = new Uint8Array(14);
  new DataView(bytes.buffer).setUint32(0, ++idCounter);
  return encodeId(tableNumber, newInternalId(bytes, 1_700_000_000_000));
}

export function openStand(
  path: string,
  options: { disk?: Disk; clock?: CommitterOptions["clock"] } = {},
): Stand {
  const disk = options.disk ?? REAL_DISK;
  const db = openDatabaseFile(path, disk);
  const fatal: Error[] = [];
  const durability = new Durability(disk.openForSync(walPath(path)));
  const committer = new Committer({
    db,
    durability,
    disk,
    clock: options.clock ?? Date.now,
    onFatal: (error) => fatal.push(error),
  });
  return {
    committer,
    db,
    path,
    fatal,
    async close() {
      await committer.close();
      await durability.close();
      db.close();
    },
  };
}

/** Runs a test with a stand of its own, the table already created. */
export async function withStand(
  body: (stand: Stand) => Promise<void>,
  options: Parameters<typeof openStand>[1] = {},
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "concave-committer-" });
  const stand = openStand(`${directory}/db.sqlite`, options);
  try {
    await createTable(stand.committer);
    await body(stand);
  } finally {
    await stand.close();
    await Deno.remove(directory, { recursive: true });
  }
}

export async function createTable(committer: Committer): Promise<void> {
  const table = newDocument(SYSTEM_TABLES.tables.number, newId(SYSTEM_TABLES.tables.number), {
    component: "",
    name: "things",
    number: TABLE_NUMBER,
    tablet: TABLET,
    state: "active",
  });
  const index = newDocument(SYSTEM_TABLES.indexes.number, newId(SYSTEM_TABLES.indexes.number), {
    tablet: TABLET,
    name: "by_k",
    indexId: BY_K,
    fields: ["k", "_creationTime"],
    kind: "database",
    spec: null,
    state: "enabled",
    staged: false,
  });
  await committer.commit(transaction(committer, [table, index]));
}

/** A transaction that begins at the latest commit, unless it is told otherwise. */
export function transaction(
  committer: Committer,
  writes: readonly DocumentWrite[],
  more: Partial<FinishedTransaction> = {},
): FinishedTransaction {
  return { begin: committer.latest, readSet: [], source: null, writes, ...more };
}

export function newDocument(tablet: Tablet, id: string, fields: ValueObject): DocumentWrite {
  return { ...document(tablet, id, fields), isNew: true };
}

export function document(tablet: Tablet, id: string, fields: ValueObject): DocumentWrite {
  const json = stringifyValue({ _id: id, _creationTime: 1_700_000_000_000, ...fields });
  return { tablet, id, json, isNew: false };
}

/** The read set of one `db.get`. */
export function readOf(id: string, tablet = TABLET): FlatReadSet {
  return [byIdIndex(tablet), byIdKey(id), byIdKey(id) + KEY_AFTER];
}

/** Everything in the table: documents by id, and the document ids under each index key. */
export function contentOf(db: DatabaseSync, tablet = TABLET, indexes = [BY_K]) {
  const documents = db.prepare("SELECT id, json FROM documents WHERE tablet = ? ORDER BY id")
    .all(tablet) as { id: string; json: string }[];
  const entries = db.prepare(
    "SELECT e.key, d.id FROM entries e LEFT JOIN documents d ON d.doc = e.doc WHERE e.idx = ? " +
      "ORDER BY e.key",
  );
  return {
    documents: new Map(documents.map(({ id, json }) => [id, json])),
    entries: [byIdIndex(tablet), byCreationTimeIndex(tablet), ...indexes].map((index) =>
      (entries.all(index) as { key: string; id: string }[]).map(({ key, id }) => `${key} → ${id}`)
    ),
  };
}
