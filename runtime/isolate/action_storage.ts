// Files in actions: blobs are live objects for user code and byte streams on the pipe.

export const STORE_BLOB = "storage/storeBlob";
export const GET_BLOB = "storage/getBlob";

/** The answer to `storage/getBlob`; the bytes follow as a stream. */
interface BlobHead {
  readonly contentType: string | null;
}

/** What `storage/storeBlob` sends to the host: the file, and JSON text that describes it. */
export interface StoreRequest {
  readonly blob: Blob;
  readonly args: string;
}

/** @throws Error when the code stores something else than a blob */
export function storeRequest(args: Record<string, unknown>): StoreRequest {
  const { blob, options, ...rest } = args;
  if (!(blob instanceof Blob)) {
    throw new Error(
      "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will " +
        "give you the correct input.",
    );
  }
  const { sha256 } = (options ?? {}) as { sha256?: unknown };
  return { blob, args: JSON.stringify({ ...rest, contentType: blob.type, sha256 }) };
}

/** The live object for the host's answer to `storage/getBlob`. */
export async function receiveBlob(
  answer: string,
  bytes: () => ReadableStream<Uint8Array>,
): Promise<Blob | null> {
  const head = JSON.parse(answer) as BlobHead | null;
  if (head === null) return null;
  const chunks: BlobPart[] = [];
  const reader = bytes().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value as Uint8Array<ArrayBuffer>);
  }
  return new Blob(chunks, { type: head.contentType ?? "" });
}
