// The bytes of a large request body, read into one buffer again and again: the host's memory does not
// grow with what it passes on, and leaves nothing for the collector.

import { PlatformError } from "../engine/errors.ts";

const BUFFER_BYTES = 256 * 1024;

/** The sender left, or broke the rules of HTTP, before its body was complete. */
export class BodyCutError extends Error {}

/**
 * What reading a body gives.
 * @throws BodyCutError; PlatformError of who reads it
 */
export async function readingBody<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw new BodyCutError("the body of the request is not complete", { cause: error });
  }
}

/**
 * The body in chunks. A chunk is valid until the next one is asked for.
 * @throws BodyCutError
 */
export async function* requestBytes(
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = byteReader(body);
  if (reader === null) return yield* body;
  let buffer = new Uint8Array(BUFFER_BYTES);
  let isComplete = false;
  try {
    for (;;) {
      const { done, value }: ReadableStreamReadResult<Uint8Array<ArrayBuffer>> = await readingBody(
        reader.read(buffer),
      );
      if (done) break;
      yield value;
      buffer = new Uint8Array(value.buffer);
    }
    isComplete = true;
  } finally {
    // Whoever stops early does not wait for a sender that says nothing.
    if (!isComplete) reader.cancel().catch(() => {});
  }
}

/** Null: the body arrived with its head and is in memory already. */
function byteReader(body: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | null {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return null;
  }
}
