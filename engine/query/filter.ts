// Filter expressions (spec values-and-queries 4.1), compiled to closures over a document.

import { userError } from "../errors.ts";
import { lookupPath, parseFieldPath } from "../values/field.ts";
import { decodeMaybeUndefined } from "../values/json.ts";
import { compareValues, type Ordering } from "../values/order.ts";
import { printValue } from "../values/print.ts";
import {
  isJsonObject,
  type Json,
  typeName,
  type Value,
  type ValueObject,
} from "../values/value.ts";

/** Whether a document passes; throws PlatformError `EvalError`. */
export type Predicate = (document: ValueObject) => boolean;

type Expression = (document: ValueObject) => Value | undefined;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
/** Nesting of expressions; deeper ones would overflow the stack. */
const EXPRESSION_DEPTH_MAX = 512;

/** @throws PlatformError when the JSON is no expression. */
export function parseFilter(json: Json): Predicate {
  const expression = parse(json, 0);
  return (document) => toBoolean(expression(document));
}

const COMPARISONS: Readonly<Record<string, (ordering: Ordering) => boolean>> = {
  $eq: (ordering) => ordering === 0,
  $neq: (ordering) => ordering !== 0,
  $lt: (ordering) => ordering < 0,
  $lte: (ordering) => ordering <= 0,
  $gt: (ordering) => ordering > 0,
  $gte: (ordering) => ordering >= 0,
};

interface Arithmetic {
  readonly verb: string;
  float(left: number, right: number): number;
  /** The exact result; null when `right` is a zero that one cannot divide by. */
  integer(left: bigint, right: bigint): bigint | null;
}

const ARITHMETIC: Readonly<Record<string, Arithmetic>> = {
  $add: { verb: "add", float: (l, r) => l + r, integer: (l, r) => l + r },
  $sub: { verb: "subtract", float: (l, r) => l - r, integer: (l, r) => l - r },
  $mul: { verb: "multiply", float: (l, r) => l * r, integer: (l, r) => l * r },
  $div: { verb: "divide", float: (l, r) => l / r, integer: (l, r) => r === 0n ? null : l / r },
  $mod: {
    verb: "mod",
    float: (l, r) => l % r,
    // The platform checks the quotient: the remainder of INT64_MIN by -1 is out of range, too.
    integer: (l, r) => r === 0n ? null : l === INT64_MIN && r === -1n ? INT64_MAX + 1n : l % r,
  },
};

function parse(json: Json, depth: number): Expression {
  if (depth > EXPRESSION_DEPTH_MAX) throw invalid("Expression is too nested");
  if (!isJsonObject(json)) throw invalid("Expression must be an object");
  const [name, ...rest] = Object.keys(json);
  if (name === undefined || rest.length > 0) {
    throw invalid("Expression must be an object with exactly one field");
  }
  const operand = json[name]!;
  if (Object.hasOwn(COMPARISONS, name)) return comparison(name, operand, depth);
  if (Object.hasOwn(ARITHMETIC, name)) return arithmetic(name, operand, depth);
  switch (name) {
    case "$neg": {
      const inner = parse(operand, depth + 1);
      return (document) => negate(inner(document));
    }
    case "$not": {
      const inner = parse(operand, depth + 1);
      return (document) => !toBoolean(inner(document));
    }
    case "$and": {
      const inner = operands(name, operand, depth);
      return (document) => inner.every((expression) => toBoolean(expression(document)));
    }
    case "$or": {
      const inner = operands(name, operand, depth);
      return (document) => inner.some((expression) => toBoolean(expression(document)));
    }
    case "$field": {
      if (typeof operand !== "string") throw invalid("$field must be a string");
      const path = parseFieldPath(operand);
      return (document) => lookupPath(document, path);
    }
    case "$literal": {
      const value = decodeMaybeUndefined(operand);
      return () => value;
    }
  }
  throw invalid(`Unknown operator ${name}`);
}

function comparison(name: string, operand: Json, depth: number): Expression {
  const [left, right] = pair(name, operand, depth);
  const holds = COMPARISONS[name]!;
  return (document) => holds(compareValues(left(document), right(document)));
}

function arithmetic(name: string, operand: Json, depth: number): Expression {
  const [left, right] = pair(name, operand, depth);
  const operation = ARITHMETIC[name]!;
  return (document) => calculate(operation, left(document), right(document));
}

function calculate(
  { verb, float, integer }: Arithmetic,
  left: Value | undefined,
  right: Value | undefined,
): Value {
  if (typeof left === "number" && typeof right === "number") return float(left, right);
  if (typeof left === "bigint" && typeof right === "bigint") {
    const result = integer(left, right);
    if (result === null) throw evalError(`Cannot ${verb} ${printValue(left)} by zero`);
    if (result < INT64_MIN || result > INT64_MAX) {
      throw evalError(
        `Cannot ${verb} ${printValue(left)} and ${printValue(right)}: ` +
          "the result is out of range for Int64",
      );
    }
    return result;
  }
  throw evalError(`Cannot ${verb} ${describe(left)} and ${describe(right)}`);
}

function negate(value: Value | undefined): Value {
  if (typeof value === "number") return -value;
  if (typeof value !== "bigint") throw evalError(`Cannot negate ${describe(value)}`);
  if (value === INT64_MIN) {
    throw evalError(`Cannot negate ${printValue(value)}: the result is out of range for Int64`);
  }
  return -value;
}

function toBoolean(value: Value | undefined): boolean {
  if (typeof value !== "boolean") {
    throw evalError(`Cannot use value ${describe(value)} as a Boolean`);
  }
  return value;
}

function describe(value: Value | undefined): string {
  return `${printValue(value)} (type ${typeName(value)})`;
}

function operands(name: string, json: Json, depth: number): Expression[] {
  if (!Array.isArray(json)) throw invalid(`${name} must be an array`);
  return json.map((operand) => parse(operand, depth + 1));
}

function pair(name: string, json: Json, depth: number): [Expression, Expression] {
  const [left, right, ...rest] = operands(name, json, depth);
  if (left === undefined || right === undefined || rest.length > 0) {
    throw invalid(`${name} must have two operands`);
  }
  return [left, right];
}

function evalError(message: string): Error {
  return userError("EvalError", message);
}

function invalid(message: string): Error {
  return userError("InvalidArgument", message);
}
