// Files in actions: blobs are live objects for user code and base64 text on the pipe.

import { decodeBase64, encodeBase64 } from "../../engine/values/base64.ts";

export const STORE_BLOB = "storage/storeBlob";
export const GET_BLOB = "storage/getBlob";

/** What travels for `storage/getBlob`. */
interface BlobText {
  readonly blob: string;
  readonly contentType: string | null;
}

/** Arguments of `storage/storeBlob` for the host, as JSON text. */
export async function storeBlobArgs(args: Record<string, unknown>): Promise<string> {
  const { blob, options, ...rest } = args;
  if (!(blob instanceof Blob)) {
    throw new Error(
      "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will " +
        "give you the correct input.",
    );
  }
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const { sha256 } = (options ?? {}) as { sha256?: unknown };
  return JSON.stringify({ ...rest, blob: encodeBase64(bytes), contentType: blob.type, sha256 });
}

/** The live object for the host's answer to `storage/getBlob`. */
export function blobFromJson(text: string): Blob | null {
  const stored = JSON.parse(text) as BlobText | null;
  if (stored === null) return null;
  const bytes = decodeBase64(stored.blob);
  if (bytes === null) throw new Error("the stored blob cannot be read");
  return new Blob([bytes], { type: stored.contentType ?? "" });
}
