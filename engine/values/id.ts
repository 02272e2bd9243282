// Document ids (spec 2): table number, 16 bytes of internal id and a checksum, as base 32 text.

import { userError } from "../errors.ts";
import { utf8Length } from "./size.ts";

const INTERNAL_ID_BYTES = 16;
const RANDOM_BYTES = 14;
const FOOTER_BYTES = 2;
const VINT_BYTES_MAX = 5;
const TABLE_NUMBER_MAX = 0xffffffff;
const LENGTH_MIN = 31;
const LENGTH_MAX = 37;
const MS_PER_DAY = 86_400_000;
const { floor } = Math;

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const INVALID = 255;
const DIGITS = new Uint8Array(128).fill(INVALID);
for (let digit = 0; digit < ALPHABET.length; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit;

/** Scratch space: an id is coded without allocating. */
const bytes = new Uint8Array(VINT_BYTES_MAX + INTERNAL_ID_BYTES + FOOTER_BYTES);

export interface DecodedId {
  readonly tableNumber: number;
  /** 14 random bytes and a day number; never interpreted. */
  readonly internal: Uint8Array<ArrayBuffer>;
}

/** The text of an id. `internal` has 16 bytes, the table number is from 1 to 2^32 - 1. */
export function encodeId(tableNumber: number, internal: Uint8Array): string {
  let length = 0;
  let rest = tableNumber;
  while (rest > 0x7f) {
    bytes[length++] = rest & 0x7f | 0x80;
    rest >>>= 7;
  }
  bytes[length++] = rest;
  bytes.set(internal, length);
  length += INTERNAL_ID_BYTES;
  const sum = fletcher16(length);
  bytes[length++] = sum & 0xff;
  bytes[length++] = sum >> 8;

  let text = "";
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < length; i++) {
    pending = (pending << 8 | bytes[i]!) & 0xfff;
    pendingBits += 8;
    while (pendingBits >= 5) {
      pendingBits -= 5;
      text += ALPHABET[pending >> pendingBits & 31]!;
    }
  }
  return pendingBits === 0 ? text : text + ALPHABET[pending << (5 - pendingBits) & 31]!;
}

/**
 * Reads the text of an id, strictly.
 * @throws PlatformError `InvalidArgument` — "Unable to decode ID: …" (spec 2). Callers that know the
 * argument and the method put them in front of the message.
 */
export function decodeId(text: string): DecodedId {
  const tableNumber = scanId(text);
  if (typeof tableNumber === "string") {
    throw userError("InvalidArgument", `Unable to decode ID: ${tableNumber}`);
  }
  const start = vintLength(tableNumber);
  return { tableNumber, internal: bytes.slice(start, start + INTERNAL_ID_BYTES) };
}

/** The table number of a well-formed id, else null. */
export function tableNumberOf(text: string): number | null {
  const tableNumber = scanId(text);
  return typeof tableNumber === "string" ? null : tableNumber;
}

/** A fresh internal id: 14 random bytes and the day, which is taken once per transaction. */
export function newInternalId(randomBytes: Uint8Array, nowMs: number): Uint8Array<ArrayBuffer> {
  const internal = new Uint8Array(INTERNAL_ID_BYTES);
  internal.set(randomBytes.subarray(0, RANDOM_BYTES));
  const day = floor(nowMs / MS_PER_DAY);
  internal[RANDOM_BYTES] = day >> 8;
  internal[RANDOM_BYTES + 1] = day;
  return internal;
}

/**
 * Decodes an id into the scratch space.
 * @returns its table number, or what is wrong with it.
 */
function scanId(text: string): number | string {
  const length = text.length;
  const lengthFits = length >= LENGTH_MIN && length <= LENGTH_MAX;
  if (!lengthFits || !decodeBase32(text)) {
    // The platform counts bytes, which beyond ASCII are more than the characters.
    const size = utf8Length(text);
    return size < LENGTH_MIN || size > LENGTH_MAX ? badLength(text) : "ID wasn't valid base32";
  }
  let tableNumber = 0;
  let payload = 0;
  let byte: number;
  do {
    if (payload === VINT_BYTES_MAX) return "Invalid table number";
    byte = bytes[payload]!;
    tableNumber += (byte & 0x7f) * 2 ** (7 * payload);
    payload++;
  } while (byte & 0x80);
  if (tableNumber === 0 || tableNumber > TABLE_NUMBER_MAX) return "Invalid table number";
  const shortest = payload === vintLength(tableNumber);
  payload += INTERNAL_ID_BYTES;
  const total = payload + FOOTER_BYTES;
  if (length * 5 >> 3 < total) return badLength(text);
  const found = bytes[payload]! | bytes[payload + 1]! << 8;
  const computed = fletcher16(payload);
  if (found !== computed) return `Invalid ID version ${found} (expected ${computed})`;
  // Only the text that encoding gives is an id: no spare bytes, unused bits zero, shortest number.
  const unusedBits = length * 5 - total * 8;
  const exact = unusedBits < 5 &&
    (DIGITS[text.charCodeAt(length - 1)]! & (1 << unusedBits) - 1) === 0;
  return exact && shortest ? tableNumber : badLength(text);
}

function badLength(text: string): string {
  return `Invalid ID length ${utf8Length(text)}`;
}

/** Fills the scratch space with the whole bytes of the text; false if it is not base 32. */
function decodeBase32(text: string): boolean {
  let pending = 0;
  let pendingBits = 0;
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const digit = code < 128 ? DIGITS[code]! : INVALID;
    if (digit === INVALID) return false;
    pending = (pending << 5 | digit) & 0xfff;
    pendingBits += 5;
    if (pendingBits >= 8) {
      pendingBits -= 8;
      bytes[length++] = pending >> pendingBits;
    }
  }
  return true;
}

function vintLength(tableNumber: number): number {
  if (tableNumber < 2 ** 7) return 1;
  if (tableNumber < 2 ** 14) return 2;
  if (tableNumber < 2 ** 21) return 3;
  return tableNumber < 2 ** 28 ? 4 : 5;
}

/** Fletcher-16 with modulus 256 over the first bytes of the scratch space. */
function fletcher16(length: number): number {
  let sum = 0;
  let sumOfSums = 0;
  for (let i = 0; i < length; i++) {
    sum = sum + bytes[i]! & 0xff;
    sumOfSums = sumOfSums + sum & 0xff;
  }
  return sumOfSums << 8 | sum;
}
