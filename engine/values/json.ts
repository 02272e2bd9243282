// The internal JSON encoding of values (spec 1, 1.1): what clients and functions exchange, and, with
// sorted keys, what the database stores.

import { PlatformError, userError } from "../errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { checkFieldName } from "./field.ts";
import { formatSize, sizeOf } from "./size.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  setField,
  sortedFields,
  type Value,
  type ValueObject,
} from "./value.ts";

export const ARRAY_LENGTH_MAX = 8192;
export const OBJECT_FIELDS_MAX = 1024;
export const VALUE_NESTING_MAX = 64;
export const VALUE_SIZE_BYTES_MAX = 32 * 2 ** 20;

const { isArray } = Array;
const { hasOwn, is, keys } = Object;
const { isFinite } = Number;
const { parse, stringify } = JSON;
const { prototype: objectPrototype } = Object;
const { prototype: arrayPrototype } = Array;

const scalarBytes = new Uint8Array(8);
const scalarView = new DataView(scalarBytes.buffer);

/**
 * Decodes the internal encoding and checks everything that spec 1.1 and 1.2 ask of a value.
 * @param where put in front of the message of an error, as `{where}: {message}`.
 * @throws PlatformError with the texts of the spec.
 */
export function decodeValue(json: Json, where?: string): Value {
  try {
    sizeBound = 0;
    const value = decode(json, 0);
    // The bound is cheap and never too small; only a value that may be too large is measured.
    if (sizeBound > VALUE_SIZE_BYTES_MAX) checkSize(value);
    return value;
  } catch (error) {
    if (where === undefined || !(error instanceof PlatformError)) throw error;
    throw userError(error.code, `${where}: ${error.message}`);
  }
}

/** Like {@link decodeValue} where a missing value, `{"$undefined":null}`, is allowed (spec 1.3). */
export function decodeMaybeUndefined(json: Json, where?: string): Value | undefined {
  return isUndefinedMarker(json) ? undefined : decodeValue(json, where);
}

/** Whether the JSON is `{"$undefined":null}`. */
export function isUndefinedMarker(json: Json): boolean {
  return isJsonObject(json) && hasOwn(json, "$undefined") && json.$undefined === null &&
    keys(json).length === 1;
}

/** Upper bound of the size of what the running `decodeValue` has seen. */
let sizeBound = 0;
const UTF8_BYTES_PER_UNIT_MAX = 3;
const SCALAR_SIZE_MAX = 9;

function decode(json: Json, depth: number): Value {
  if (typeof json === "string") {
    sizeBound += 2 + json.length * UTF8_BYTES_PER_UNIT_MAX;
    if (!json.isWellFormed()) {
      throw userError(
        "SyscallArgsInvalidJson",
        "Received invalid json: lone surrogate in a string",
      );
    }
    return json;
  }
  sizeBound += SCALAR_SIZE_MAX;
  if (typeof json !== "object" || json === null) return json;
  if (isArray(json)) return decodeArray(json, depth + 1);
  const fields = keys(json);
  if (fields.length === 1) {
    const scalar = decodeScalar(fields[0]!, json);
    if (scalar !== undefined) return scalar;
  }
  return decodeObject(json, fields, depth + 1);
}

function decodeArray(json: Json[], depth: number): Value[] {
  checkDepth(depth);
  const length = json.length;
  if (length > ARRAY_LENGTH_MAX) {
    throw userError(
      "ArrayTooLong",
      `Array length is too long (${length} > maximum length ${ARRAY_LENGTH_MAX})`,
    );
  }
  const array = new Array<Value>(length);
  for (let i = 0; i < length; i++) array[i] = decode(json[i]!, depth);
  return array;
}

function decodeObject(json: JsonObject, fields: string[], depth: number): ValueObject {
  checkDepth(depth);
  if (fields.length > OBJECT_FIELDS_MAX) {
    throw userError(
      "TooManyFieldsError",
      `Object has too many fields (${fields.length} > maximum number ${OBJECT_FIELDS_MAX})`,
    );
  }
  const object: ValueObject = {};
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    checkFieldName(field);
    sizeBound += field.length + 1;
    setField(object, field, decode(json[field]!, depth));
  }
  return object;
}

function checkDepth(depth: number): void {
  if (depth > VALUE_NESTING_MAX) {
    throw userError(
      "TooNestedError",
      `Value is too nested (nested ${depth} levels deep > maximum nesting ${VALUE_NESTING_MAX})`,
    );
  }
}

function checkSize(value: Value): void {
  const size = sizeOf(value);
  if (size > VALUE_SIZE_BYTES_MAX) {
    throw userError(
      "ValueTooLargeError",
      `Value is too large (${formatSize(size)} > maximum size ${formatSize(VALUE_SIZE_BYTES_MAX)})`,
    );
  }
}

/** Decodes `{"$integer": …}` and the like; undefined when `tag` is an ordinary field. */
function decodeScalar(tag: string, json: JsonObject): Value | undefined {
  switch (tag) {
    case "$integer":
      return eightBytes(json, tag, "Int64").getBigInt64(0, true);
    case "$float": {
      const float = eightBytes(json, tag, "Float64").getFloat64(0, true);
      if (isFinite(float) && float !== 0) {
        throw userError("InvalidValue", `Float64 ${float} should be encoded as a number`);
      }
      return float;
    }
    case "$bytes": {
      const bytes = decodeTagged(json, tag);
      sizeBound += bytes.byteLength;
      return bytes.buffer;
    }
  }
  return undefined;
}

function eightBytes(json: JsonObject, tag: string, type: string): DataView {
  const bytes = decodeTagged(json, tag);
  if (bytes.length !== 8) throw userError("InvalidValue", `${type} must be exactly eight bytes`);
  return new DataView(bytes.buffer);
}

function decodeTagged(json: JsonObject, tag: string): Uint8Array<ArrayBuffer> {
  const text = json[tag];
  if (typeof text !== "string") throw userError("InvalidValue", `${tag} must be a string`);
  const bytes = decodeBase64(text);
  if (bytes === null) throw userError("InvalidValue", `${tag} must be base64`);
  return bytes;
}

/** The internal encoding as JSON data. Keys are inserted in byte order. */
export function encodeValue(value: Value): Json {
  switch (typeof value) {
    case "number":
      return isPlainNumber(value) ? value : { $float: floatBase64(value) };
    case "bigint":
      return { $integer: int64Base64(value) };
    case "string":
    case "boolean":
      return value;
  }
  if (value === null) return null;
  if (isArray(value)) {
    const array = new Array<Json>(value.length);
    for (let i = 0; i < value.length; i++) array[i] = encodeValue(value[i]!);
    return array;
  }
  if (value instanceof ArrayBuffer) return { $bytes: encodeBase64(new Uint8Array(value)) };
  const object: JsonObject = {};
  for (const field of sortedFields(value)) {
    const item = value[field];
    // Our own records may hold optional fields; like `JSON.stringify`, leave missing ones out.
    if (item !== undefined) setField(object, field, encodeValue(item));
  }
  return object;
}

/** The canonical text of a value: internal encoding, keys in byte order, no white space. */
export function stringifyValue(value: Value): string {
  if (hasToJson()) return write(encodeValue(value));
  // The native writer is so much faster that even a sorted copy pays.
  if (isOwnJson(value)) return stringify(value);
  const encoded = encodeValue(value);
  // Integer-like names come first in every JavaScript object, whatever the order of insertion.
  return isOwnJson(encoded) ? stringify(encoded) : write(encoded);
}

/** Whether `JSON.stringify` gives the canonical text: sorted keys, and no scalar to encode. */
function isOwnJson(value: Value): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return isPlainNumber(value);
    case "bigint":
      return false;
  }
  if (value === null) return true;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (!isOwnJson(value[i]!)) return false;
    }
    return true;
  }
  if (value instanceof ArrayBuffer) return false;
  let previous = "";
  for (const field in value) {
    if (field < previous || !isOwnJson(value[field]!)) return false;
    previous = field;
  }
  return true;
}

/** Whether code that shares the realm has changed how `JSON.stringify` shows objects. */
function hasToJson(): boolean {
  return "toJSON" in objectPrototype || "toJSON" in arrayPrototype;
}

/** Writes internal JSON without the native writer for objects. */
function write(json: Json): string {
  if (typeof json !== "object" || json === null) return stringify(json);
  if (isArray(json)) {
    let text = "[";
    for (let i = 0; i < json.length; i++) {
      if (i > 0) text += ",";
      text += write(json[i]!);
    }
    return text + "]";
  }
  const fields = sortedFields(json);
  let text = "{";
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    if (i > 0) text += ",";
    text += stringify(field) + ":" + write(json[field]!);
  }
  return text + "}";
}

/**
 * Text of internal JSON that is already valid, with keys in byte order and no white space.
 * Numbers are written as {@link stringifyValue} writes them.
 */
export function canonicalJson(json: Json): string {
  // Valid internal JSON is made of values: a `{"$integer": …}` reads as an object with that field.
  return stringifyValue(json);
}

/** Reads a stored document. The text is trusted: our own canonical text, checked when it came in. */
export function parseDocument(json: string): ValueObject {
  const document = parse(json) as JsonObject;
  // In canonical text every encoded scalar starts with `{"$`, and no field name does.
  return json.includes('{"$') ? revive(document) as ValueObject : document;
}

/** Reads canonical text of any value; trusted like the text of {@link parseDocument}. */
export function parseValue(json: string): Value {
  const value = parse(json) as Json;
  return json.includes('{"$') ? revive(value) : value;
}

/** What the placeholder of a commit's own timestamp counts as until the commit (spec 6.4). */
export const UNRESOLVED_COMMIT_TS = 2n ** 63n - 1n;

/** Decodes the scalars in place. */
function revive(json: Json): Value {
  if (typeof json !== "object" || json === null) return json;
  if (isArray(json)) {
    const array: Value[] = json;
    for (let i = 0; i < array.length; i++) array[i] = revive(json[i]!);
    return array;
  }
  const object: ValueObject = json;
  const fields = keys(object);
  if (fields.length === 1) {
    const tag = fields[0]!;
    // Only documents that the running transaction wrote hold placeholders.
    if (tag === "$commitTs") return UNRESOLVED_COMMIT_TS;
    const scalar = decodeScalar(tag, json);
    if (scalar !== undefined) return scalar;
  }
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const child = json[field]!;
    if (typeof child === "object" && child !== null) setField(object, field, revive(child));
  }
  return object;
}

function isPlainNumber(value: number): boolean {
  return isFinite(value) && !is(value, -0);
}

function floatBase64(value: number): string {
  if (value !== value) return NAN_BASE64;
  scalarView.setFloat64(0, value, true);
  return encodeBase64(scalarBytes);
}

/** The one NaN that is stored; JavaScript does not keep its other bits. */
const NAN_BASE64 = "AAAAAAAA+H8=";

function int64Base64(value: bigint): string {
  scalarView.setBigInt64(0, value, true);
  return encodeBase64(scalarBytes);
}
