// What one write does to the indexes of its table. The keys are computed here, from the stored and the
// new document, whatever the isolate that ran the function may have thought.

import type { IndexInfo } from "./catalog.ts";
import type { IndexKeys, StoredDocument } from "./document_writer.ts";
import { assert } from "./errors.ts";
import type { DocumentWrite, IndexId, IndexKey } from "./types.ts";
import { parseDocument } from "./values/json.ts";
import { byIdKey, indexKey } from "./values/key.ts";
import type { ValueObject } from "./values/value.ts";

export interface DocumentChange {
  readonly write: DocumentWrite;
  readonly stored: StoredDocument | null;
  /** The keys of the document that is written; null for a deletion. */
  readonly after: IndexKeys | null;
  /** All old and new keys, unchanged ones once: index, key, index, key, … */
  readonly keys: readonly (IndexId | IndexKey)[];
  /** Entries to remove and to add: index, key, index, key, … */
  readonly removed: readonly (IndexId | IndexKey)[];
  readonly added: readonly (IndexId | IndexKey)[];
}

/** Compares the stored document with what the write makes of it. */
export function changeOf(
  write: DocumentWrite,
  stored: StoredDocument | null,
  indexes: readonly IndexInfo[],
): DocumentChange {
  const { id } = write;
  const before = stored === null ? null : keysOfStored(stored, indexes, id);
  let after: IndexKeys | null = null;
  if (write.json !== null) {
    const document = parseDocument(write.json);
    assert(document._id === id, () => `the document written as ${id} has another _id`);
    after = keysOf(indexes, document, id);
  }
  const keys: (IndexId | IndexKey)[] = [];
  const removed: (IndexId | IndexKey)[] = [];
  const added: (IndexId | IndexKey)[] = [];
  for (let i = 0; i < indexes.length; i++) {
    const index = indexes[i]!;
    if (index.kind !== "database") continue;
    const oldKey = before === null ? null : before.keys[i]!;
    const newKey = after === null ? null : after.keys[i]!;
    if (oldKey !== null) keys.push(index.id, oldKey);
    if (newKey === oldKey) continue;
    if (oldKey !== null) removed.push(index.id, oldKey);
    if (newKey !== null) {
      keys.push(index.id, newKey);
      added.push(index.id, newKey);
    }
  }
  return { write, stored, after, keys, removed, added };
}

/** The key of a document in an index. */
export function keyOf(index: IndexInfo, document: ValueObject, id: string): IndexKey {
  return index.fields.length === 0 ? byIdKey(id) : indexKey(index.paths, document);
}

function keysOf(indexes: readonly IndexInfo[], document: ValueObject, id: string): IndexKeys {
  // Indexes that are no lists of keys have an empty one here, to keep the positions.
  const keys = indexes.map((index) => index.kind === "database" ? keyOf(index, document, id) : "");
  return { indexes, keys };
}

/** Keys are remembered with the document, and hold for one and the same list of indexes. */
function keysOfStored(
  stored: StoredDocument,
  indexes: readonly IndexInfo[],
  id: string,
): IndexKeys {
  if (stored.indexKeys?.indexes === indexes) return stored.indexKeys;
  return stored.indexKeys = keysOf(indexes, parseDocument(stored.json), id);
}
