// The total order of values (spec 3): the order of every index and of every comparison in queries.

import { sortedFields, type Value, type ValueObject } from "./value.ts";

export type Ordering = -1 | 0 | 1;

const { is } = Object;
const { isArray } = Array;
const { min } = Math;

const RANK_UNDEFINED = 0;
const RANK_NULL = 1;
const RANK_INT64 = 2;
const RANK_FLOAT64 = 3;
const RANK_BOOLEAN = 4;
const RANK_STRING = 5;
const RANK_BYTES = 6;
const RANK_ARRAY = 7;
const RANK_OBJECT = 8;

/**
 * Compares two values, `undefined` being a missing one. Types come first; `1n` and `1` differ, and so
 * do `0` and `-0`. NaN equals NaN and is the greatest float64.
 */
export function compareValues(a: Value | undefined, b: Value | undefined): Ordering {
  const rank = typeRank(a);
  const rankB = typeRank(b);
  if (rank !== rankB) return rank < rankB ? -1 : 1;
  switch (rank) {
    case RANK_INT64:
    case RANK_BOOLEAN:
      return order(a as bigint | boolean, b as bigint | boolean);
    case RANK_FLOAT64:
      return compareFloats(a as number, b as number);
    case RANK_STRING:
      return compareStrings(a as string, b as string);
    case RANK_BYTES:
      return compareBytes(new Uint8Array(a as ArrayBuffer), new Uint8Array(b as ArrayBuffer));
    case RANK_ARRAY:
      return compareArrays(a as Value[], b as Value[]);
    case RANK_OBJECT:
      return compareObjects(a as ValueObject, b as ValueObject);
    default:
      return 0;
  }
}

function typeRank(value: Value | undefined): number {
  switch (typeof value) {
    case "undefined":
      return RANK_UNDEFINED;
    case "bigint":
      return RANK_INT64;
    case "number":
      return RANK_FLOAT64;
    case "boolean":
      return RANK_BOOLEAN;
    case "string":
      return RANK_STRING;
  }
  if (value === null) return RANK_NULL;
  if (isArray(value)) return RANK_ARRAY;
  return value instanceof ArrayBuffer ? RANK_BYTES : RANK_OBJECT;
}

function order<T extends bigint | boolean | number>(a: T, b: T): Ordering {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareFloats(a: number, b: number): Ordering {
  if (a < b) return -1;
  if (a > b) return 1;
  if (is(a, b)) return 0;
  if (a !== a) return 1;
  if (b !== b) return -1;
  return is(a, -0) ? -1 : 1;
}

/** Order of the UTF-8 bytes, that is of the code points: surrogates come after U+E000..U+FFFF. */
export function compareStrings(a: string, b: string): Ordering {
  if (a === b) return 0;
  const length = min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA === unitB) continue;
    const surrogateA = (unitA & 0xf800) === 0xd800;
    const surrogateB = (unitB & 0xf800) === 0xd800;
    if (surrogateA !== surrogateB) return surrogateA ? 1 : -1;
    return unitA < unitB ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
}

function compareBytes(a: Uint8Array, b: Uint8Array): Ordering {
  const length = min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  }
  return order(a.length, b.length);
}

function compareArrays(a: Value[], b: Value[]): Ordering {
  const length = min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const ordering = compareValues(a[i], b[i]);
    if (ordering !== 0) return ordering;
  }
  return order(a.length, b.length);
}

function compareObjects(a: ValueObject, b: ValueObject): Ordering {
  const fieldsA = sortedFields(a);
  const fieldsB = sortedFields(b);
  const length = min(fieldsA.length, fieldsB.length);
  for (let i = 0; i < length; i++) {
    const fieldA = fieldsA[i]!;
    const fieldB = fieldsB[i]!;
    if (fieldA !== fieldB) return fieldA < fieldB ? -1 : 1;
    const ordering = compareValues(a[fieldA], b[fieldB]);
    if (ordering !== 0) return ordering;
  }
  return order(fieldsA.length, fieldsB.length);
}
