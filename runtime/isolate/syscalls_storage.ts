// Files in queries and mutations: their documents, in the function's own transaction.

import { deleteFile, fileMetadataJson, fileUrl, findFile, uploadUrl } from "../stored_files.ts";
import type { JsonObject } from "../../engine/values/value.ts";
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

function cloudUrl(run: TransactionRun): string {
  return run.code.deployment()?.convexCloudUrl ?? run.state.files.cloudUrl;
}
