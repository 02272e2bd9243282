// The value model (spec values-and-queries 1): a Convex value in memory is a plain JavaScript value.

/** A Convex value. Strings are well-formed Unicode, bigints fit 64 bits, objects are plain. */
export type Value =
  | null
  | bigint
  | number
  | boolean
  | string
  | ArrayBuffer
  | Value[]
  | ValueObject;

export type ValueObject = { [field: string]: Value };

/** Parsed JSON; also the type of the internal encoding before it is decoded. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

export type JsonObject = { [field: string]: Json };

const { isArray } = Array;
const { defineProperty, keys } = Object;

/** Name of a value's type in error messages; a missing value is `undefined`. */
export function typeName(value: Value | undefined): string {
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "bigint":
      return "Int64";
    case "number":
      return "Float64";
    case "boolean":
      return "Boolean";
    case "string":
      return "String";
  }
  if (value === null) return "Null";
  if (isArray(value)) return "Array";
  return value instanceof ArrayBuffer ? "Bytes" : "Object";
}

/** Whether the value is an object of the value model (no array, no bytes, not null). */
export function isValueObject(value: Value | undefined): value is ValueObject {
  return typeof value === "object" && value !== null && !isArray(value) &&
    !(value instanceof ArrayBuffer);
}

/** Whether parsed JSON is an object. */
export function isJsonObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !isArray(json);
}

/** Sets an own field. A plain assignment would not do: `__proto__` is a legal field name. */
export function setField<T>(object: { [field: string]: T }, field: string, value: T): void {
  if (field === "__proto__") {
    defineProperty(object, field, { value, configurable: true, enumerable: true, writable: true });
  } else {
    object[field] = value;
  }
}

/** Up to this length, insertion beats the general sort. */
const INSERTION_SORT_MAX = 20;

/**
 * Field names in byte order. Names are ASCII, so code unit order is byte order; JavaScript alone
 * would list integer-like names first.
 */
export function sortedFields(object: { readonly [field: string]: unknown }): string[] {
  const fields = keys(object);
  if (fields.length > INSERTION_SORT_MAX) return fields.sort();
  for (let i = 1; i < fields.length; i++) {
    const field = fields[i]!;
    let at = i;
    for (; at > 0 && fields[at - 1]! > field; at--) fields[at] = fields[at - 1]!;
    fields[at] = field;
  }
  return fields;
}
