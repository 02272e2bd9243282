import assert from "node:assert/strict";
import { PlatformError } from "../errors.ts";
import type { Json } from "../values/value.ts";
import { parseFilter } from "./filter.ts";

const DOCUMENT = { a: { b: 1 }, i: 5n, min: -(2n ** 63n), zero: -0, nan: NaN, t: true, s: "x" };
const literal = (value: Json): Json => ({ $literal: value });
const field = (path: string): Json => ({ $field: path });
const ONE_INT = { $integer: "AQAAAAAAAAA=" };
const ZERO_INT = { $integer: "AAAAAAAAAAA=" };
const MINUS_ONE_INT = { $integer: "//////////8=" };

/** Whether the document passes, or the message of the error. */
function evaluate(expression: Json): boolean | string {
  try {
    return parseFilter(expression)(DOCUMENT);
  } catch (error) {
    assert(error instanceof PlatformError, String(error));
    return error.message;
  }
}

const CASES: [expression: Json, result: boolean | string][] = [
  [{ $eq: [field("a.b"), literal(1)] }, true],
  [{ $eq: [field("i"), literal(5)] }, false],
  [{ $eq: [field("zero"), literal(0)] }, false],
  [{ $eq: [field("nan"), field("nan")] }, true],
  [{ $eq: [field("missing"), literal({ $undefined: null })] }, true],
  [{ $eq: [literal(null), field("missing")] }, false],
  [{ $lt: [field("missing"), literal(null)] }, true],
  [{ $lt: [literal("a"), literal(5)] }, false],
  [{ $gte: [{ $add: [field("a.b"), literal(1)] }, literal(2)] }, true],
  [{ $eq: [{ $div: [field("i"), literal({ $integer: "AgAAAAAAAAA=" })] }, field("i")] }, false],
  [{ $eq: [{ $div: [literal(1), literal(0)] }, literal({ $float: "AAAAAAAA8H8=" })] }, true],
  [{ $and: [] }, true],
  [{ $or: [] }, false],
  [{ $and: [literal(false), { $not: literal(1) }] }, false],
  [{ $or: [field("t"), field("s")] }, true],
  [{ $not: field("t") }, false],
  [field("t"), true],
  [field("s"), 'Cannot use value "x" (type String) as a Boolean'],
  [{ $and: [field("missing")] }, "Cannot use value undefined (type undefined) as a Boolean"],
  [{ $add: [literal(1), field("i")] }, "Cannot add 1.0 (type Float64) and 5 (type Int64)"],
  [
    { $sub: [literal("a"), literal(null)] },
    'Cannot subtract "a" (type String) and null (type Null)',
  ],
  [{ $div: [field("i"), literal(ZERO_INT)] }, "Cannot divide 5 by zero"],
  [{ $mod: [field("i"), literal(ZERO_INT)] }, "Cannot mod 5 by zero"],
  [
    { $sub: [field("min"), literal(ONE_INT)] },
    "Cannot subtract -9223372036854775808 and 1: the result is out of range for Int64",
  ],
  [
    { $div: [field("min"), literal(MINUS_ONE_INT)] },
    "Cannot divide -9223372036854775808 and -1: the result is out of range for Int64",
  ],
  [
    { $neg: field("min") },
    "Cannot negate -9223372036854775808: the result is out of range for Int64",
  ],
  [{ $neg: field("s") }, 'Cannot negate "x" (type String)'],
  [{ $eq: [literal(1)] }, "$eq must have two operands"],
  [{ $pow: [literal(1), literal(1)] }, "Unknown operator $pow"],
  [{ $eq: [], $lt: [] }, "Expression must be an object with exactly one field"],
  [
    { $field: "a b" },
    "Identifier a b has invalid character ' ': Identifiers can only contain " +
    "alphanumeric characters or underscores",
  ],
];

Deno.test("filter expressions follow the platform's rules", () => {
  for (const [expression, result] of CASES) {
    assert.equal(evaluate(expression), result, JSON.stringify(expression));
  }
});
