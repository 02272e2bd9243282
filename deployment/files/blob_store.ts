// Where the bytes of files are kept. Keys are chosen by the server: 32 hexadecimal digits, never used
// twice, so that no back end needs to think about names or about overwriting.

/** A part of a file: from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface BlobStore {
  /**
   * Keeps the bytes under the key. When it resolves they survive a crash of the machine; when it
   * rejects, nothing is left under the key that {@link list} would not show. A chunk is valid only
   * until the next one is asked for.
   */
  write(key: string, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** The bytes of the range, which lies within the blob. Null: there is no such blob. */
  read(key: string, range: ByteRange): Promise<ReadableStream<Uint8Array> | null>;
  /** Removing what is not there is fine. */
  remove(key: string): Promise<void>;
  /** The keys of all blobs, in any order. */
  list(): AsyncIterable<string>;
}

/** The place itself failed; not the user's error. */
export class BlobStoreError extends Error {
  override readonly name = "BlobStoreError";
}
