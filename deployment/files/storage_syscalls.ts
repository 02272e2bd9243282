// Files in actions: each call is a transaction of its own, and bytes come and go as streams.

import { requireMounted } from "../../engine/components.ts";
import { userError } from "../../engine/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { ActionSyscalls, SyscallArguments } from "../../runtime/action_syscalls.ts";
import {
  deleteFile,
  fileMetadataJson,
  fileUrl,
  findFile,
  uploadUrl,
} from "../../runtime/stored_files.ts";
import type { UploadTokens } from "../../runtime/upload_tokens.ts";
import { checkContentType, checkSha256 } from "./file_headers.ts";
import type { DeclaredFile, FileStorage } from "./file_storage.ts";

export interface StorageSyscallOptions {
  readonly engine: Engine;
  readonly files: FileStorage;
  readonly uploadTokens: UploadTokens;
  /** The public origin of the API. */
  readonly cloudUrl: (tx: Transaction) => string;
}

/** Registers what `ctx.storage` does in actions and HTTP actions (spec function-runtime 1.4). */
export function registerStorageSyscalls(
  syscalls: ActionSyscalls,
  { engine, files, uploadTokens, cloudUrl }: StorageSyscallOptions,
): void {
  // An action may only learn of what is durable.
  const read = async <T>(body: (tx: Transaction) => T): Promise<T> => {
    const { value, ts } = engine.read(body);
    await engine.committer.whenDurable(ts);
    return value;
  };

  syscalls.register(
    "1.0/storageGetUrl",
    async ({ storageId }, { path: { component } }) =>
      await read((tx) => {
        const file = findFile(tx, component, storageId, "getUrl");
        return JSON.stringify(file === null ? null : fileUrl(file, component, cloudUrl(tx)));
      }),
  );

  syscalls.register(
    "1.0/storageGetMetadata",
    async ({ storageId }, { path: { component } }) =>
      await read((tx) => fileMetadataJson(findFile(tx, component, storageId, "getMetadata"))),
  );

  syscalls.register(
    "1.0/storageGenerateUploadUrl",
    async (_args, { path: { component } }) =>
      await read((tx) =>
        JSON.stringify(uploadUrl(uploadTokens.issue(component, engine.clock()), cloudUrl(tx)))
      ),
  );

  syscalls.register("1.0/storageDelete", async ({ storageId }, { path: { component } }) => {
    await engine.transact((tx) => {
      requireMounted(tx, component);
      deleteFile(tx, component, storageId);
    }, "storage.delete");
    return "null";
  });

  syscalls.register("storage/storeBlob", async (args, { path: { component } }, streams) => {
    const id = await files.store(streams.input(), { component, ...declaredFile(args) });
    return JSON.stringify(id);
  });

  syscalls.register("storage/getBlob", async ({ storageId }, { path: { component } }, streams) => {
    const file = await read((tx) => findFile(tx, component, storageId, "get"));
    if (file === null) return "null";
    const bytes = await files.read(file, { start: 0, end: file.size });
    if (bytes === null) throw userError("FileNotFound", `File ${file.storageId} not found`);
    streams.output(bytes);
    return JSON.stringify({ contentType: file.contentType });
  });
}

/**
 * What the code that stores a file says about it.
 * @throws PlatformError `InvalidContentTypeHeader`, `InvalidDigestHeader`
 */
export function declaredFile({ contentType, sha256 }: SyscallArguments): DeclaredFile {
  return {
    contentType: contentType === "" || contentType === undefined || contentType === null
      ? null
      : checkContentType(String(contentType), "InvalidContentTypeHeader"),
    sha256: sha256 === undefined || sha256 === null
      ? null
      : checkSha256(String(sha256), "InvalidDigestHeader"),
  };
}
