// How values read in error messages (spec 1.4). Developers see these texts.

import { encodeBase64 } from "./base64.ts";
import { sortedFields, type Value } from "./value.ts";

const { is } = Object;
const { isArray } = Array;
const { abs } = Math;

/** From here on, and below the small bound, numbers are shown with an exponent. */
const EXPONENT_FROM = 1e16;
const EXPONENT_BELOW = 1e-4;

const PLAIN_TEXT = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const SHOWN_ESCAPED = /["\\]|(?! )[\p{C}\p{Z}\p{Grapheme_Extend}]/gu;
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\t": "\\t",
  "\r": "\\r",
};

/** A value as error messages show it; a missing value is `undefined`. */
export function printValue(value: Value | undefined): string {
  switch (typeof value) {
    case "number":
      return printFloat(value);
    case "string":
      return printString(value);
    case "undefined":
    case "bigint":
    case "boolean":
      return `${value}`;
  }
  if (value === null) return "null";
  if (value instanceof ArrayBuffer) return `b"${encodeBase64(new Uint8Array(value))}"`;
  if (isArray(value)) return `[${value.map(printValue).join(", ")}]`;
  const fields = sortedFields(value).map((field) => `${field}: ${printValue(value[field])}`);
  return `{${fields.join(", ")}}`;
}

/** A string in double quotes; field paths are shown the same way. */
export function printString(text: string): string {
  if (PLAIN_TEXT.test(text)) return `"${text}"`;
  const escaped = text.replace(
    SHOWN_ESCAPED,
    (char) => SHORT_ESCAPES[char] ?? `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );
  return `"${escaped}"`;
}

/** A list of names or field paths: `["a", "_creationTime"]`. */
export function printStrings(texts: readonly string[]): string {
  return `[${texts.map(printString).join(", ")}]`;
}

/** A float64, never to be mistaken for an int64: it has a fraction, an exponent or is not finite. */
export function printFloat(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  if (value !== value) return "NaN";
  return printFiniteFloat(value);
}

/** The shortest decimal that reads back as the same finite float64; also valid JSON. */
export function printFiniteFloat(value: number): string {
  if (value === 0) return is(value, -0) ? "-0.0" : "0.0";
  const magnitude = abs(value);
  if (magnitude >= EXPONENT_FROM || magnitude < EXPONENT_BELOW) {
    return value.toExponential().replace("e+", "e");
  }
  const text = `${value}`;
  return text.includes(".") ? text : `${text}.0`;
}
