// The bytes of files that mutations store and get. They are durable before the mutation goes on, so
// before it can commit; the document is written by the mutation itself, in its transaction.

import { userError } from "../../engine/errors.ts";
import { KEEP_BLOB, READ_BLOB } from "../../runtime/stored_files.ts";
import type { TransactionSyscalls } from "../../runtime/transaction_syscalls.ts";
import type { FileStorage } from "./file_storage.ts";
import { declaredFile } from "./storage_syscalls.ts";

/** What the host gives out as keys. */
const BLOB_KEY = /^[0-9a-f]{32}$/;

/** @param readBytesMax that a mutation may get at a time */
export function registerMutationFiles(
  syscalls: TransactionSyscalls,
  files: FileStorage,
  readBytesMax: number,
): void {
  syscalls.register(KEEP_BLOB, async ({ args, bytes, whenDecided }) => {
    const blob = await files.keep(once(bytes), declaredFile(args));
    // Also after an attempt that ran again, or whose isolate died.
    whenDecided(() => files.settle(blob.blobKey));
    return { value: JSON.stringify(blob) };
  });

  syscalls.register(READ_BLOB, async ({ args: { blobKey, size } }) => {
    const isValid = typeof blobKey === "string" && BLOB_KEY.test(blobKey) &&
      typeof size === "number" && size >= 0 && size <= readBytesMax;
    if (!isValid) throw userError("InvalidArgument", "Invalid file");
    const stream = await files.read({ blobKey }, { start: 0, end: size });
    if (stream === null) return { value: "null" };
    return { value: "null", bytes: await new Response(stream).bytes() };
  });
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
