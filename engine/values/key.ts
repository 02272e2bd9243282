// Index keys: printable ASCII strings whose code-unit order is the order of values (spec 3), in
// JavaScript and in SQLite (TEXT, BINARY) alike.
//
// A key part is a tag and a body that ends itself, so no part is a prefix of another and a
// concatenation of parts orders like the list of their values. Bodies never hold a character below
// the terminator, so a shorter body sorts first.

import { lookupPath } from "./field.ts";
import { sortedFields, type Value, type ValueObject } from "./value.ts";

const { isArray } = Array;
const { fromCharCode } = String;

const TAG_UNDEFINED = "0";
const TAG_NULL = "1";
const TAG_INT64 = "2";
const TAG_FLOAT64 = "3";
const TAG_FALSE = "4";
const TAG_TRUE = "5";
const TAG_STRING = "6";
const TAG_BYTES = "7";
const TAG_ARRAY = "8";
const TAG_OBJECT = "9";
const TERMINATOR = " ";

/** `prefix + KEY_AFTER` comes after every key that starts with `prefix`, and before all later ones. */
export const KEY_AFTER = "\x7f";

/** The key of a list of values. */
export function encodeKey(parts: readonly (Value | undefined)[]): string {
  let key = "";
  for (let i = 0; i < parts.length; i++) key += encodeKeyPart(parts[i]);
  return key;
}

/** The key of a document in an index on these field paths; the `_id` follows and breaks ties. */
export function indexKey(
  paths: readonly (readonly string[])[],
  document: ValueObject,
): string {
  let key = "";
  for (let i = 0; i < paths.length; i++) key += encodeKeyPart(lookupPath(document, paths[i]!));
  return key + byIdKey(document._id as string);
}

/** The key of a document in the index `by_id`. Ids are lower-case letters and digits. */
export function byIdKey(id: string): string {
  return TAG_STRING + id + TERMINATOR;
}

/** The key of one value; `undefined` stands for a missing one. */
export function encodeKeyPart(value: Value | undefined): string {
  switch (typeof value) {
    case "string":
      return TAG_STRING + stringBody(value) + TERMINATOR;
    case "number":
      return TAG_FLOAT64 + floatBody(value);
    case "undefined":
      return TAG_UNDEFINED;
    case "boolean":
      return value ? TAG_TRUE : TAG_FALSE;
    case "bigint":
      return TAG_INT64 + int64Body(value);
  }
  if (value === null) return TAG_NULL;
  if (isArray(value)) return TAG_ARRAY + encodeKey(value) + TERMINATOR;
  if (value instanceof ArrayBuffer) {
    return TAG_BYTES + bytesBody(new Uint8Array(value)) + TERMINATOR;
  }
  return TAG_OBJECT + objectBody(value) + TERMINATOR;
}

function objectBody(object: ValueObject): string {
  let body = "";
  for (const field of sortedFields(object)) {
    // The name is a whole part: its tag tells a field with an empty name from the end of the object.
    body += TAG_STRING + stringBody(field) + TERMINATOR + encodeKeyPart(object[field]);
  }
  return body;
}

// Strings and bytes: one character for most of printable ASCII, two for any other byte.

const PLAIN_KEY_TEXT = /^[\x22-\x7b]*$/;
const encoder = new TextEncoder();
/** Bytes joined in one piece of text, so that long values do not grow character by character. */
const BODY_CHUNK_BYTES = 4096;

const BYTE_TEXT: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x22) return "!" + fromCharCode(0x30 + byte);
  if (byte < 0x7c) return fromCharCode(byte);
  if (byte < 0x80) return "|" + fromCharCode(0x30 + byte - 0x7c);
  if (byte < 0xc0) return "}" + fromCharCode(0x30 + byte - 0x80);
  return "~" + fromCharCode(0x30 + byte - 0xc0);
});

function stringBody(text: string): string {
  return PLAIN_KEY_TEXT.test(text) ? text : bytesBody(encoder.encode(text));
}

function bytesBody(bytes: Uint8Array): string {
  let body = "";
  for (let start = 0; start < bytes.length; start += BODY_CHUNK_BYTES) {
    const end = Math.min(bytes.length, start + BODY_CHUNK_BYTES);
    let chunk = "";
    for (let i = start; i < end; i++) chunk += BYTE_TEXT[bytes[i]!]!;
    body += chunk;
  }
  return body;
}

// Numbers: 64 bits in the order of the values, as 11 digits of 6 bits (the last holds 4). Trailing
// zero digits carry nothing and are left out; the terminator sorts below every digit.

const DIGIT_ZERO = 0x30;
const NUMBER_DIGITS = 11;
const floatCell = new Float64Array(1);
const int64Cell = new BigInt64Array(floatCell.buffer);
const wordCells = new Uint32Array(floatCell.buffer);
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const LOW_WORD = LITTLE_ENDIAN ? 0 : 1;
const HIGH_WORD = 1 - LOW_WORD;
const SIGN_BIT = 0x80000000;
/** High word of the only NaN that keys know; its other bits are not preserved by JavaScript. */
const NAN_HIGH_WORD = 0x7ff80000;

function floatBody(value: number): string {
  if (value !== value) return wordsBody(NAN_HIGH_WORD | SIGN_BIT, 0);
  floatCell[0] = value;
  const high = wordCells[HIGH_WORD]!;
  const low = wordCells[LOW_WORD]!;
  // Negative numbers order backwards in their bits: invert them all.
  return high & SIGN_BIT ? wordsBody(~high, ~low) : wordsBody(high | SIGN_BIT, low);
}

function int64Body(value: bigint): string {
  int64Cell[0] = value;
  return wordsBody(wordCells[HIGH_WORD]! ^ SIGN_BIT, wordCells[LOW_WORD]!);
}

const digits = new Array<number>(NUMBER_DIGITS).fill(0);

function wordsBody(high: number, low: number): string {
  digits[0] = high >>> 26;
  digits[1] = high >>> 20 & 63;
  digits[2] = high >>> 14 & 63;
  digits[3] = high >>> 8 & 63;
  digits[4] = high >>> 2 & 63;
  digits[5] = (high & 3) << 4 | low >>> 28;
  digits[6] = low >>> 22 & 63;
  digits[7] = low >>> 16 & 63;
  digits[8] = low >>> 10 & 63;
  digits[9] = low >>> 4 & 63;
  digits[10] = (low & 15) << 2;
  let length = NUMBER_DIGITS;
  while (length > 0 && digits[length - 1] === 0) length--;
  let body = "";
  for (let i = 0; i < length; i++) body += DIGIT_TEXT[digits[i]!]!;
  return body + TERMINATOR;
}

const DIGIT_TEXT: readonly string[] = Array.from(
  { length: 64 },
  (_, digit) => fromCharCode(DIGIT_ZERO + digit),
);
