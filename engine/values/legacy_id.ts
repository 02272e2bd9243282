// Ids as the platform wrote them before they held a table number. They name no table, so only a
// caller who knows the table can read them (`db.normalizeId`, spec 2.2).

import { createHash } from "node:crypto";
import { decodeBase64 } from "./base64.ts";

const INTERNAL_ID_BYTES = 16;
/** Longer texts are the older form, in base 62. */
const BASE64_LENGTH_MAX = 22;
/** 17 bytes in base 62. */
const BASE62_LENGTH_MAX = 23;
const BASE62_BYTES = 17;
const HASHED_BYTES = 15;
const HASH_BYTES = 14;
const BASE62_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The internal id that the text stands for; null if it is in neither of the two old forms. */
export function decodeLegacyId(text: string): Uint8Array<ArrayBuffer> | null {
  return text.length <= BASE64_LENGTH_MAX ? fromBase64(text) : fromBase62(text);
}

/** The internal id itself, in the alphabet of URLs and without padding. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[\w-]*$/.test(text)) return null;
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  const bytes = decodeBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, "="));
  return bytes?.length === INTERNAL_ID_BYTES ? bytes : null;
}

/** 17 bytes of which the first 15 count by their hash. */
function fromBase62(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length > BASE62_LENGTH_MAX) return null;
  let number = 0n;
  for (const char of text) {
    const digit = BASE62_ALPHABET.indexOf(char);
    if (digit < 0) return null;
    number = number * 62n + BigInt(digit);
  }
  if (number >> BigInt(8 * BASE62_BYTES) !== 0n) return null;
  const bytes = new Uint8Array(BASE62_BYTES);
  for (let at = BASE62_BYTES - 1; at >= 0; at--) {
    bytes[at] = Number(number & 0xffn);
    number >>= 8n;
  }
  const hash = createHash("sha256").update(bytes.subarray(0, HASHED_BYTES)).digest();
  const internal = new Uint8Array(INTERNAL_ID_BYTES);
  internal.set(hash.subarray(0, HASH_BYTES));
  internal.set(bytes.subarray(HASHED_BYTES), HASH_BYTES);
  return internal;
}
