// Reads a body as fast as it comes, ahead of who stores it. Deno's server (2.9.6) takes up to 64 KiB from
// the socket each time it hands out a chunk of a `Transfer-Encoding: chunked` body. Of smaller chunks
// ever more wait in a buffer of its own, which it moves each time, unless the reader is faster than the
// sender: then nothing waits. So the waiting is done here, in two blocks that do not grow.

import { readingBody } from "./request_bytes.ts";

/** While one block is stored the other one fills. A sender that fills it waits. */
const BLOCK_BYTES = 8 * 1024 * 1024;

/** Pieces are stored one after the other, so that the reader has its turns in between. */
const PIECE_BYTES = 256 * 1024;

/** The two blocks, and who waits for which. */
class Blocks {
  #filling = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  #resting = new Uint8Array(BLOCK_BYTES);
  #changed = Promise.withResolvers<void>();

  /** Copies the bytes in; waits while the block is full. */
  async put(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) {
      while (this.#filled === BLOCK_BYTES) await this.#changed.promise;
      const part = bytes.subarray(0, BLOCK_BYTES - this.#filled);
      this.#filling.set(part, this.#filled);
      this.#filled += part.length;
      bytes = bytes.subarray(part.length);
      this.wake();
    }
  }

  /** What has come since the last time, valid until the next; null: nothing. */
  take(): Uint8Array | null {
    if (this.#filled === 0) return null;
    const taken = this.#filling.subarray(0, this.#filled);
    [this.#filling, this.#resting] = [this.#resting, this.#filling];
    this.#filled = 0;
    this.wake();
    return taken;
  }

  change(): Promise<void> {
    return this.#changed.promise;
  }

  wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/**
 * The body in large chunks. A chunk is valid until the next one is asked for.
 * @throws BodyCutError
 */
export async function* readAhead(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const blocks = new Blocks();
  let end: "complete" | { error: unknown } | null = null;
  const fill = async () => {
    for (;;) {
      const { done, value } = await readingBody(reader.read());
      if (done) return;
      await blocks.put(value);
    }
  };
  fill().then(() => end = "complete", (error) => end = { error }).finally(() => blocks.wake());
  try {
    for (;;) {
      const taken = blocks.take();
      if (taken !== null) {
        for (let at = 0; at < taken.length; at += PIECE_BYTES) {
          yield taken.subarray(at, at + PIECE_BYTES);
        }
      } else if (end === null) await blocks.change();
      else if (end === "complete") return;
      else throw (end as { error: unknown }).error;
    }
  } finally {
    // Whoever stops early does not wait for a sender that says nothing.
    if (end === null) reader.cancel().catch(() => {});
  }
}
