// What senders say about a file: its content type and its digest.

import { userError } from "../../engine/errors.ts";

/** `type/subtype`, then parameters (RFC 9110 8.3.1). */
const MEDIA_TYPE =
  /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+(?:\s*;\s*(?:[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"(?:[^"\\]|\\.)*"))?)*\s*$/;
const HEADER_LENGTH_MAX = 1024;
const SHA256_BYTES = 32;

/** @throws PlatformError with `code` when the text is no media type */
export function checkContentType(text: string, code = "BadHeader"): string {
  const isValid = text.length <= HEADER_LENGTH_MAX && MEDIA_TYPE.test(text) &&
    // Nothing else may travel in a header.
    /^[\x20-\x7e]*$/.test(text);
  if (isValid) return text.trim();
  throw userError(code, `Bad header for content-type: invalid media type ${JSON.stringify(text)}`);
}

/**
 * The checksum in a `Digest` header, in base64.
 * @throws PlatformError `BadHeader`
 */
export function parseDigest(header: string): string {
  const match = /^\s*sha-256=(\S+)\s*$/i.exec(header);
  if (match === null) {
    throw userError("BadHeader", "Bad header for digest: expected sha-256=<base64>");
  }
  return checkSha256(match[1]!, "BadHeader");
}

/**
 * The checksum as this server writes it.
 * @throws PlatformError with `code` when the text is not 32 bytes in padded base64
 */
export function checkSha256(text: string, code: string): string {
  try {
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
    if (bytes.length === SHA256_BYTES) return bytes.toBase64();
  } catch {
    // Not base64.
  }
  throw userError(code, "Bad header for digest: expected the base64 of a SHA-256 checksum");
}
