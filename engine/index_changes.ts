// What one write does to the indexes of its table. The keys are computed here, from the stored and the
// new document, whatever the isolate that ran the function may have thought.

import type { IndexInfo } from "./catalog.ts";
import type { StoredDocument } from "./document_writer.ts";
import { assert } from "./errors.ts";
import type { DocumentWrite, IndexId, IndexKey } from "./types.ts";
import { parseDocument } from "./values/json.ts";
import { byIdKey, indexKey } from "./values/key.ts";
import type { ValueObject } from "./values/value.ts";

export interface DocumentChange {
  readonly write: DocumentWrite;
  readonly stored: StoredDocument | null;
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
  const before = stored === null ? null : parseDocument(stored.json);
  const after = write.json === null ? null : parseDocument(write.json);
  assert(
    after === null || after._id === write.id,
    () => `the document written as ${write.id} has another _id`,
  );
  const keys: (IndexId | IndexKey)[] = [];
  const removed: (IndexId | IndexKey)[] = [];
  const added: (IndexId | IndexKey)[] = [];
  for (const index of indexes) {
    if (index.kind !== "database") continue;
    const oldKey = before === null ? null : keyOf(index, before, write.id);
    const newKey = after === null ? null : keyOf(index, after, write.id);
    if (oldKey !== null) keys.push(index.id, oldKey);
    if (newKey === oldKey) continue;
    if (oldKey !== null) removed.push(index.id, oldKey);
    if (newKey !== null) {
      keys.push(index.id, newKey);
      added.push(index.id, newKey);
    }
  }
  return { write, stored, keys, removed, added };
}

/** The key of a document in an index. */
export function keyOf(index: IndexInfo, document: ValueObject, id: string): IndexKey {
  return index.fields.length === 0 ? byIdKey(id) : indexKey(index.paths, document);
}
