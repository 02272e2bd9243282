// Bytes on the pipe between host and isolate: HTTP bodies and files. A stream belongs to a call and
// has a number that is unique in its direction; the sender may be ahead of the receiver by a window,
// which the receiver renews as it consumes, so that no side ever holds more than that.

/** The stream of an HTTP action's request (to the isolate) and of its response (from it). */
export const HTTP_BODY_STREAM = 0;

/** Bytes, in a binary frame of its own form. */
export interface ChunkFrame {
  readonly type: "chunk";
  readonly callId: number;
  readonly stream: number;
  readonly bytes: Uint8Array;
}

export type StreamFrame =
  | ChunkFrame
  /** From the sender: nothing follows; with an error, the bytes so far are not all. */
  | {
    readonly type: "end";
    readonly callId: number;
    readonly stream: number;
    readonly error: string | null;
  }
  /** From the receiver: the sender may send so many bytes more. */
  | {
    readonly type: "credit";
    readonly callId: number;
    readonly stream: number;
    readonly bytes: number;
  }
  /** From the receiver: it wants no more. */
  | { readonly type: "stop"; readonly callId: number; readonly stream: number };

/** Bytes that a sender may be ahead of its receiver. */
export const STREAM_WINDOW_BYTES = 256 * 1024;
/** Most bytes of one frame: frames of other calls need not wait long behind it. */
export const CHUNK_BYTES_MAX = 64 * 1024;

/** What stands before the bytes of a chunk: call and stream. */
export const CHUNK_HEADER_BYTES = 12;

/** Writes the header of a chunk at `position`. */
export function writeChunkHeader(frame: ChunkFrame, target: Uint8Array, position: number): void {
  const view = new DataView(target.buffer, target.byteOffset + position, CHUNK_HEADER_BYTES);
  view.setFloat64(0, frame.callId, true);
  view.setUint32(8, frame.stream, true);
}

/**
 * The chunk in the payload of a binary frame, with bytes of its own.
 * @throws RangeError when the payload is too short to be one
 */
export function readChunk(payload: Uint8Array): ChunkFrame {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  return {
    type: "chunk",
    callId: view.getFloat64(0, true),
    stream: view.getUint32(8, true),
    bytes: payload.slice(CHUNK_HEADER_BYTES),
  };
}

export function isChunk(frame: unknown): frame is ChunkFrame {
  return typeof frame === "object" && frame !== null && "type" in frame && frame.type === "chunk";
}
