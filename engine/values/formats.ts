// The output formats of values over HTTP: internal, clean JSON and export JSON (spec 1, http-api 6.3).

import { userError } from "../errors.ts";
import { encodeBase64 } from "./base64.ts";
import { parseValue, stringifyValue } from "./json.ts";
import { printFiniteFloat } from "./print.ts";
import { sortedFields, type Value } from "./value.ts";

/**
 * "encoded" is the internal encoding; "clean" loses types; "export" tells ints from floats.
 * "decimal" is the internal encoding for clients that tell floats by their decimal point.
 */
export type Format = "encoded" | "decimal" | "clean" | "export";

const { isFinite } = Number;
const { isArray } = Array;
const { is } = Object;
const { stringify } = JSON;

/**
 * Reads the request parameter `format`.
 * @throws PlatformError `BadFormat` for an unknown name.
 */
export function parseFormat(name: string): Format {
  switch (name) {
    case "json":
    case "convex_clean_json":
      return "clean";
    case "convex_encoded_json":
    case "convex_json":
      return "encoded";
    case "export_json":
      return "export";
  }
  throw userError("BadFormat", `format param must be one of [\`json\`]. Got ${name}`);
}

/** JSON text of a value, given as internal canonical text, in another format. */
export function formatValue(internalJsonText: string, format: Format): string {
  if (format === "encoded") return internalJsonText;
  // Without encoded scalars, clean JSON is the internal encoding.
  if (format === "clean" && !internalJsonText.includes('{"$')) return internalJsonText;
  return writeValue(parseValue(internalJsonText), format);
}

function writeValue(value: Value, format: Exclude<Format, "encoded">): string {
  switch (typeof value) {
    case "string":
    case "boolean":
      return stringify(value);
    case "bigint":
      if (format === "decimal") return stringifyValue(value);
      return format === "clean" ? `"${value}"` : `${value}`;
    case "number":
      return format === "clean" ? cleanFloat(value) : exportFloat(value);
  }
  if (value === null) return "null";
  if (value instanceof ArrayBuffer) {
    const base64 = `"${encodeBase64(new Uint8Array(value))}"`;
    return format === "clean" ? base64 : `{"$bytes":${base64}}`;
  }
  if (isArray(value)) return `[${value.map((item) => writeValue(item, format)).join(",")}]`;
  const fields = sortedFields(value).map((field) =>
    `${stringify(field)}:${writeValue(value[field]!, format)}`
  );
  return `{${fields.join(",")}}`;
}

function cleanFloat(value: number): string {
  if (!isFinite(value)) return `"${value}"`;
  return is(value, -0) ? "-0.0" : `${value}`;
}

function exportFloat(value: number): string {
  if (isFinite(value)) return printFiniteFloat(value);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return `{"$float":"${encodeBase64(bytes)}"}`;
}
