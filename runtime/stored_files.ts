// The documents of stored files, and what functions may do with them in a transaction (spec
// services 3, function-runtime 1.4). Used in isolates by queries and mutations, in the host for actions.

import { userError } from "../engine/errors.ts";
import { SYSTEM_TABLES } from "../engine/system_tables.ts";
import type { SystemDocument } from "../engine/system_table_access.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import { tableNumberOf } from "../engine/values/id.ts";
import type { Json } from "../engine/values/value.ts";

/** A document of `_file_storage`; the first four fields are what functions see of it. */
export interface StoredFile {
  readonly _id: string;
  /** Base64. */
  readonly sha256: string;
  readonly size: number;
  readonly contentType: string | null;
  /** UUID, the file's name in URLs. */
  readonly storageId: string;
  /** Under which the bytes are kept; says nothing to those who know the URL. */
  readonly blobKey: string;
}

/** The bytes of a file that a mutation stores, kept by the host; the document is still to be written. */
export type KeptBlob = Omit<StoredFile, "_id">;

/** What isolates ask the host for the bytes of a mutation's files. */
export const KEEP_BLOB = "storage/keepBlob";
export const READ_BLOB = "storage/readBlob";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The name of a file in a URL, as it is stored; null if the text cannot be one. */
export function parseFileUuid(text: string): string | null {
  return UUID.test(text) ? text.toLowerCase() : null;
}

/** The file with that name in URLs. */
export function fileByUuid(
  tx: Transaction,
  component: ComponentId,
  uuid: string,
): StoredFile | null {
  return asFile(tx.table("fileStorage", component).first("by_storage_id", [uuid]));
}

/**
 * The file that a function names, by its document id or by its UUID.
 * @param method `getUrl`, …, for messages
 * @throws PlatformError `InvalidArgument`
 */
export function findFile(
  tx: Transaction,
  component: ComponentId,
  storageId: Json | undefined,
  method: string,
): StoredFile | null {
  const text = typeof storageId === "string" ? storageId : String(storageId);
  const uuid = parseFileUuid(text);
  if (uuid !== null) return fileByUuid(tx, component, uuid);
  const number = tableNumberOf(text);
  if (number === null) {
    throw userError(
      "InvalidArgument",
      `Invalid argument \`storageId\` for \`storage.${method}\`: Invalid storage ID: "${text}". ` +
        "Storage ID should be an Id of '_storage' table, or a UUID string.",
    );
  }
  if (number !== SYSTEM_TABLES.fileStorage.number) {
    throw userError(
      "InvalidArgument",
      "Invalid storage ID. Storage ID cannot be an ID on any table other than '_storage'.",
    );
  }
  return asFile(tx.table("fileStorage", component).get(text));
}

/** Writes the document of a file whose bytes are kept; returns its id. */
export function insertFile(tx: Transaction, component: ComponentId, blob: KeptBlob): string {
  const { storageId, sha256, size, contentType, blobKey } = blob;
  const fields = { storageId, sha256, size, contentType, blobKey };
  return tx.table("fileStorage", component).insert(fields);
}

/** JSON text for `storage.getMetadata`. */
export function fileMetadataJson(file: StoredFile | null): string {
  if (file === null) return "null";
  const { storageId, size, contentType } = file;
  const sha256 = Uint8Array.fromBase64(file.sha256).toHex();
  return JSON.stringify({ storageId, sha256, size, contentType });
}

/** The address of a file. */
export function fileUrl(file: StoredFile, component: ComponentId, cloudUrl: string): string {
  const query = component === "" ? "" : `?component=${encodeURIComponent(component)}`;
  return `${cloudUrl}/api/storage/${file.storageId}${query}`;
}

export function uploadUrl(token: string, cloudUrl: string): string {
  return `${cloudUrl}/api/storage/upload?token=${token}`;
}

/**
 * Deletes the file's document; the bytes go when that is durable.
 * @throws PlatformError `InvalidArgument`, `StorageIdNotFound`
 */
export function deleteFile(
  tx: Transaction,
  component: ComponentId,
  storageId: Json | undefined,
): void {
  const file = findFile(tx, component, storageId, "delete");
  if (file === null) {
    throw userError("StorageIdNotFound", `storage id ${storageId} not found`);
  }
  tx.table("fileStorage", component).remove(file._id);
}

function asFile(document: SystemDocument | null): StoredFile | null {
  return document as unknown as StoredFile | null;
}
