// Size and nesting of values as the platform counts them (spec 1, 1.2), and how sizes are shown.

import type { Value } from "./value.ts";

const { keys } = Object;
const { isArray } = Array;
const { isInteger } = Number;
const { max } = Math;
const encoder = new TextEncoder();

const TAG_BYTES = 1;
const NUMBER_BYTES = 9;
const DELIMITED_BYTES = 2;
/** Longer strings are counted by the native encoder, whose fixed cost is then worth it. */
const COUNTED_LENGTH_MAX = 512;

/** Length of the string in UTF-8. */
export function utf8Length(text: string): number {
  if (text.length > COUNTED_LENGTH_MAX) return encoder.encode(text).length;
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // Each half of a surrogate pair counts two: together the four bytes of their code point.
    length += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return length;
}

/** Size in bytes by the platform's measure; a missing value has none. */
export function sizeOf(value: Value | undefined): number {
  switch (typeof value) {
    case "undefined":
      return 0;
    case "string":
      return DELIMITED_BYTES + utf8Length(value);
    case "number":
    case "bigint":
      return NUMBER_BYTES;
    case "boolean":
      return TAG_BYTES;
  }
  if (value === null) return TAG_BYTES;
  if (value instanceof ArrayBuffer) return DELIMITED_BYTES + value.byteLength;
  let size = DELIMITED_BYTES;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) size += sizeOf(value[i]);
    return size;
  }
  const fields = keys(value);
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    size += field.length + 1 + sizeOf(value[field]);
  }
  return size;
}

/** Levels of arrays and objects: 0 for a scalar, 1 for an empty container. */
export function nestingOf(value: Value): number {
  if (typeof value !== "object" || value === null || value instanceof ArrayBuffer) return 0;
  let deepest = 0;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) deepest = max(deepest, nestingOf(value[i]!));
  } else {
    const fields = keys(value);
    for (let i = 0; i < fields.length; i++) deepest = max(deepest, nestingOf(value[fields[i]!]!));
  }
  return deepest + 1;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A size with its binary unit: a whole number when exact, else two decimals (`1.05 MiB`). */
export function formatSize(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  while (amount >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${isInteger(amount) ? amount : amount.toFixed(2)} ${UNITS[unit]}`;
}
