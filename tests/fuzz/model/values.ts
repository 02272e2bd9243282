// Values as the naive model sees them: their order, sizes, validators and filter expressions, written
// from the specification (values-and-queries 1, 3, 4.1, 9) without a look at the engine.

import type { Json, JsonObject, Value, ValueObject } from "../../../engine/values/value.ts";

export type Maybe = Value | undefined;
export type Compare = (a: Maybe, b: Maybe) => number;

/** An error of the model; only its code is compared with the engine's. */
export class ModelError extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

const TYPE_ORDER = [
  "undefined",
  "null",
  "int64",
  "float64",
  "boolean",
  "string",
  "bytes",
  "array",
  "object",
];

export function typeOf(value: Maybe): string {
  if (value === undefined) return "undefined";
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof ArrayBuffer) return "bytes";
  switch (typeof value) {
    case "bigint":
      return "int64";
    case "number":
      return "float64";
    case "boolean":
    case "string":
    case "object":
      return typeof value;
    default:
      throw new Error("no value of the model");
  }
}

/** The total order of the specification. */
export function compareInOrder(a: Maybe, b: Maybe): number {
  const [typeA, typeB] = [typeOf(a), typeOf(b)];
  if (typeA !== typeB) return TYPE_ORDER.indexOf(typeA) - TYPE_ORDER.indexOf(typeB);
  switch (typeA) {
    case "undefined":
    case "null":
      return 0;
    case "float64":
      return rankOfFloat(a as number) - rankOfFloat(b as number) || compareRaw(a, b);
    case "string":
      return compareLists(codePoints(a as string), codePoints(b as string), compareRaw);
    case "bytes":
      return compareLists(bytesOf(a as ArrayBuffer), bytesOf(b as ArrayBuffer), compareRaw);
    case "array":
      return compareLists(a as Value[], b as Value[], compareInOrder);
    case "object":
      return compareLists(
        entriesOf(a as ValueObject),
        entriesOf(b as ValueObject),
        (x, y) => compareInOrder(x[0], y[0]) || compareInOrder(x[1], y[1]),
      );
    default:
      return compareRaw(a, b);
  }
}

/** Everything that `<` cannot tell apart: minus zero before zero, NaN after all. */
function rankOfFloat(value: number): number {
  if (Number.isNaN(value)) return 4;
  if (value < 0) return 0;
  if (value > 0) return 3;
  return Object.is(value, -0) ? 1 : 2;
}

function compareRaw(a: unknown, b: unknown): number {
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
}

function compareLists<T>(a: readonly T[], b: readonly T[], compare: (x: T, y: T) => number) {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const ordering = compare(a[i]!, b[i]!);
    if (ordering !== 0) return ordering;
  }
  return a.length - b.length;
}

function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0)!);
}

function bytesOf(buffer: ArrayBuffer): number[] {
  return [...new Uint8Array(buffer)];
}

function entriesOf(object: ValueObject): [string, Value][] {
  return Object.entries(object).sort(([a], [b]) => compareRaw(a, b));
}

/** Size by the table of section 1. */
export function sizeInBytes(value: Value): number {
  const utf8 = (text: string) => new TextEncoder().encode(text).length;
  switch (typeOf(value)) {
    case "null":
    case "boolean":
      return 1;
    case "int64":
    case "float64":
      return 9;
    case "string":
      return 2 + utf8(value as string);
    case "bytes":
      return 2 + (value as ArrayBuffer).byteLength;
    case "array":
      return (value as Value[]).reduce<number>((sum, item) => sum + sizeInBytes(item), 2);
    default:
      return entriesOf(value as ValueObject).reduce(
        (sum, [field, item]) => sum + utf8(field) + 1 + sizeInBytes(item),
        2,
      );
  }
}

/** The value at a path; only objects have something inside. */
export function at(value: Maybe, path: string): Maybe {
  for (const field of path.split(".")) {
    if (typeOf(value) !== "object" || !Object.hasOwn(value as ValueObject, field)) return undefined;
    value = (value as ValueObject)[field];
  }
  return value;
}

export interface Comparison {
  readonly compare: Compare;
  readonly decode: (json: Json) => Maybe;
}

const HOLDS: Record<string, (ordering: number) => boolean> = {
  $eq: (o) => o === 0,
  $neq: (o) => o !== 0,
  $lt: (o) => o < 0,
  $lte: (o) => o <= 0,
  $gt: (o) => o > 0,
  $gte: (o) => o >= 0,
};

/** A filter expression; throws ModelError "EvalError". */
export function evaluate(expression: Json, document: ValueObject, by: Comparison): Maybe {
  const [operator, operand] = Object.entries(expression as JsonObject)[0]!;
  const value = (json: Json) => evaluate(json, document, by);
  const list = operand as Json[];
  if (operator in HOLDS) {
    return HOLDS[operator]!(by.compare(value(list[0]!), value(list[1]!)));
  }
  switch (operator) {
    case "$field":
      return at(document, operand as string);
    case "$literal":
      return by.decode(operand!);
    case "$and":
      for (const item of list) if (!truth(value(item))) return false;
      return true;
    case "$or":
      for (const item of list) if (truth(value(item))) return true;
      return false;
    case "$not":
      return !truth(value(operand!));
    case "$neg": {
      const inner = value(operand!);
      if (typeof inner === "number") return -inner;
      if (typeof inner === "bigint") return int64(-inner);
      throw new ModelError("EvalError");
    }
    default:
      return calculate(operator, value(list[0]!), value(list[1]!));
  }
}

export function truth(value: Maybe): boolean {
  if (typeof value !== "boolean") throw new ModelError("EvalError");
  return value;
}

function calculate(operator: string, left: Maybe, right: Maybe): Value {
  if (typeof left === "number" && typeof right === "number") {
    switch (operator) {
      case "$add":
        return left + right;
      case "$sub":
        return left - right;
      case "$mul":
        return left * right;
      case "$div":
        return left / right;
      case "$mod":
        return left % right;
    }
  }
  if (typeof left === "bigint" && typeof right === "bigint") {
    switch (operator) {
      case "$add":
        return int64(left + right);
      case "$sub":
        return int64(left - right);
      case "$mul":
        return int64(left * right);
    }
    if (right === 0n) throw new ModelError("EvalError");
    // The quotient is checked for both: the remainder of the least int64 by -1 is out of range, too.
    int64(left / right);
    return operator === "$div" ? left / right : left % right;
  }
  throw new ModelError("EvalError");
}

function int64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new ModelError("EvalError");
  return value;
}

/** Whether a value matches a validator, in the JSON form of section 9. */
export function matches(
  validator: JsonObject,
  value: Value,
  tableOfId: (id: string) => string | null,
): boolean {
  const inner = (json: Json, item: Value) => matches(json as JsonObject, item, tableOfId);
  const type = typeOf(value);
  switch (validator.type) {
    case "any":
      return true;
    case "number":
      return type === "float64";
    case "bigint":
    case "commitTs":
      return type === "int64";
    case "null":
    case "boolean":
    case "string":
    case "bytes":
      return type === validator.type;
    case "literal":
      return value === validator.value;
    case "id":
      return type === "string" && tableOfId(value as string) === validator.tableName;
    case "array":
      return type === "array" && (value as Value[]).every((item) => inner(validator.value!, item));
    case "union":
      return (validator.value as Json[]).some((branch) => inner(branch, value));
    case "object": {
      if (type !== "object") return false;
      const fields = validator.value as Record<string, { fieldType: Json; optional: boolean }>;
      const object = value as ValueObject;
      return Object.keys(object).every((field) => Object.hasOwn(fields, field)) &&
        Object.entries(fields).every(([field, { fieldType, optional }]) =>
          Object.hasOwn(object, field) ? inner(fieldType, object[field]!) : optional
        );
    }
    case "record":
      return type === "object" &&
        Object.entries(value as ValueObject).every(([field, item]) =>
          inner(validator.keys!, field) && inner((validator.values as JsonObject).fieldType!, item)
        );
    default:
      throw new Error(`no validator of the model: ${validator.type}`);
  }
}
