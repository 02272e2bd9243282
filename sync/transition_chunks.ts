// Cutting a big Transition into TransitionChunk messages (sync protocol 4).

import { Buffer } from "node:buffer";

/** A Transition longer than this is cut, in UTF-8 bytes; also the size of a piece. */
export const TRANSITION_CHUNK_BYTES = 5_000_000;

const UTF8_BYTES_PER_CODE_UNIT_MAX = 3;

/**
 * The messages that carry a Transition's JSON text, to be sent back to back. Pieces are cut at
 * character boundaries, so each of them is valid text.
 */
export function splitTransition(text: string, chunkBytes = TRANSITION_CHUNK_BYTES): string[] {
  if (text.length * UTF8_BYTES_PER_CODE_UNIT_MAX <= chunkBytes) return [text];
  const byteLength = Buffer.byteLength(text);
  if (byteLength <= chunkBytes) return [text];
  const pieces = byteLength === text.length
    ? cutAscii(text, chunkBytes)
    : cutUtf8(Buffer.from(text), chunkBytes);
  return pieces.map((piece, part) =>
    `{"type":"TransitionChunk","chunk":${JSON.stringify(piece)},"partNumber":${part},` +
    `"totalParts":${pieces.length},"transitionId":"${byteLength}"}`
  );
}

function cutAscii(text: string, chunkBytes: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += chunkBytes) pieces.push(text.slice(at, at + chunkBytes));
  return pieces;
}

function cutUtf8(bytes: Buffer, chunkBytes: number): string[] {
  const pieces: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    let end = Math.min(at + chunkBytes, bytes.length);
    while (end < bytes.length && isContinuation(bytes[end]!)) end--;
    pieces.push(bytes.toString("utf8", at, end));
    at = end;
  }
  return pieces;
}

/** 10xxxxxx: not the first byte of a character. */
function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
