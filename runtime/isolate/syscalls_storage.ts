// Files in queries and mutations: their documents, in the function's own transaction. The bytes of files
// that a mutation stores or reads are the host's: it keeps them before the document is written, and
// drops them when the document never comes.

import { requireMounted } from "../../engine/components.ts";
import { userError } from "../../engine/errors.ts";
import { chargeFileRead, chargeFileWrite } from "../../engine/limits.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import {
  deleteFile,
  fileMetadataJson,
  fileUrl,
  findFile,
  insertFile,
  KEEP_BLOB,
  type KeptBlob,
  READ_BLOB,
  uploadUrl,
} from "../stored_files.ts";
import type { TransactionSyscall } from "./syscalls_database.ts";
import { requireMutation, type TransactionRun } from "./transaction_run.ts";

export const STORAGE_SYSCALLS: ReadonlyMap<string, TransactionSyscall> = new Map<
  string,
  TransactionSyscall
>([
  ["1.0/storageGetUrl", storageGetUrl],
  ["1.0/storageGetMetadata", storageGetMetadata],
  ["1.0/storageGenerateUploadUrl", storageGenerateUploadUrl],
  ["1.0/storageDelete", storageDelete],
  ["1.0/storageStore", storageStore],
  ["1.0/storageGet", storageGet],
]);

function storageGetUrl(run: TransactionRun, { storageId }: JsonObject): string {
  const { component } = run.path;
  const file = findFile(run.tx, component, storageId, "getUrl");
  return JSON.stringify(file === null ? null : fileUrl(file, component, cloudUrl(run)));
}

function storageGetMetadata(run: TransactionRun, { storageId }: JsonObject): string {
  return fileMetadataJson(findFile(run.tx, run.path.component, storageId, "getMetadata"));
}

function storageGenerateUploadUrl(run: TransactionRun): string {
  requireMutation(run, "storage.generateUploadUrl");
  const token = run.state.files.uploadTokens.issue(run.path.component, run.tx.nowMs);
  return JSON.stringify(uploadUrl(token, cloudUrl(run)));
}

function storageDelete(run: TransactionRun, { storageId }: JsonObject): string {
  requireMutation(run, "storage.delete");
  deleteFile(run.tx, run.path.component, storageId);
  return "null";
}

function storageStore(run: TransactionRun, args: JsonObject): string {
  requireMutation(run, "storage.store");
  const { component } = run.path;
  const bytes = decodeBlob(args.blob);
  const { contentType = null, sha256 = null } = args;
  requireMounted(run.tx, component);
  chargeFileWrite(run.tx.usage, run.tx.limits, bytes.length);
  const answer = run.state.ask(KEEP_BLOB, { contentType, sha256 }, bytes);
  return JSON.stringify(insertFile(run.tx, component, JSON.parse(answer.value) as KeptBlob));
}

function storageGet(run: TransactionRun, { storageId }: JsonObject): string {
  requireMutation(run, "storage.get", "read the bytes of files");
  const file = findFile(run.tx, run.path.component, storageId, "get");
  if (file === null) return "null";
  const { blobKey, size, contentType } = file;
  chargeFileRead(run.tx.usage, run.tx.limits, size);
  const { bytes } = run.state.ask(READ_BLOB, { blobKey, size });
  if (bytes === null) throw userError("FileNotFound", `File ${file.storageId} not found`);
  return JSON.stringify({ blob: bytes.toBase64(), contentType });
}

function decodeBlob(text: unknown): Uint8Array {
  try {
    return Uint8Array.fromBase64(text as string);
  } catch {
    throw userError(
      "InvalidArgument",
      "Invalid argument `blob` for `storage.store`: expected the bytes in base64",
    );
  }
}

function cloudUrl(run: TransactionRun): string {
  return run.code.deployment()?.convexCloudUrl ?? run.state.files.cloudUrl;
}
