// `main.ts check`: verifies a data directory that no server uses, without changing anything in it.

import { checkDatabase } from "../engine/check.ts";
import { DataLock } from "../engine/data_lock.ts";
import { openReadOnly, SnapshotReader } from "../engine/snapshot.ts";
import { byIdIndex, SYSTEM_TABLES } from "../engine/system_tables.ts";
import { KEY_AFTER } from "../engine/values/key.ts";
import type { DataDirectory } from "./data_directory.ts";
import type { BlobStore } from "./files/blob_store.ts";

/** Files whose bytes are looked up between two reads of the database. */
const BATCH_FILES = 1000;

/**
 * Yields a sentence for each thing that is wrong.
 * @throws DatabaseOpenError when a server uses the directory, or the database cannot be opened
 */
export async function* checkData(
  data: Pick<DataDirectory, "databasePath">,
  blobs: Pick<BlobStore, "read">,
): AsyncGenerator<string> {
  const lock = DataLock.acquire(data.databasePath);
  try {
    let isBroken = false;
    for (const problem of checkDatabase(data.databasePath)) {
      isBroken = true;
      yield problem;
    }
    if (!isBroken) yield* checkFiles(data.databasePath, blobs);
  } finally {
    lock.release();
  }
}

/** Every stored file has its bytes. Bytes without a file are an upload that was cut off: no harm. */
async function* checkFiles(
  path: string,
  blobs: Pick<BlobStore, "read">,
): AsyncGenerator<string> {
  for (const { id, blobKey } of storedFiles(path)) {
    const bytes = await blobs.read(blobKey, { start: 0, end: 0 });
    if (bytes === null) yield `The bytes of the stored file ${id} are not there.`;
    else await bytes.cancel();
  }
}

function* storedFiles(path: string): Generator<{ id: string; blobKey: string }> {
  const db = openReadOnly(path);
  const snapshot = new SnapshotReader(db).open();
  try {
    const { name } = SYSTEM_TABLES.fileStorage;
    const components = new Set(allComponents(snapshot));
    for (const component of components) {
      const table = snapshot.catalog.tableByName(component, name);
      if (table === null) continue;
      let start = "";
      while (true) {
        const interval = { start, end: KEY_AFTER };
        const rows = snapshot.scan(byIdIndex(table.tablet), interval, "asc", BATCH_FILES);
        for (const { id, json } of rows) yield { id, blobKey: JSON.parse(json).blobKey };
        const last = rows.at(-1);
        if (last === undefined) break;
        start = last.key + KEY_AFTER;
      }
    }
  } finally {
    snapshot.close();
    db.close();
  }
}

/** The components that have tables. */
function allComponents(snapshot: ReturnType<SnapshotReader["open"]>): string[] {
  const index = byIdIndex(SYSTEM_TABLES.tables.number);
  return snapshot.scan(index, { start: "", end: KEY_AFTER }, "asc", Number.MAX_SAFE_INTEGER)
    .map(({ json }) => JSON.parse(json).component as string);
}
