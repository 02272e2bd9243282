// Generators of values for property tests.

import fc from "fast-check";
import { setField, type Value, type ValueObject } from "./value.ts";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Strings that cross all boundaries of keys and of UTF-8. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.string({
    unit: fc.constantFrom("\0", " ", "!", '"', "z", "{", "|", "~", "\x7f"),
    maxLength: 4,
  }),
  fc.string({
    unit: fc.constantFrom("\x80", "\u07ff", "\ud7ff", "\ue000", "\u{10000}"),
    maxLength: 4,
  }),
);

export const anyFloat: fc.Arbitrary<number> = fc.oneof(
  fc.double(),
  fc.integer().map(Number),
  fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 5e-324, -5e-324, 2 ** 53, 1.5),
);

export const anyInt64: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
  fc.bigInt({ min: -300n, max: 300n }),
  fc.constantFrom(INT64_MIN, INT64_MAX, 0n, -1n),
);

/** Legal names of object fields, the odd ones included. */
export const anyFieldName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "b",
    "B",
    "_x",
    "10",
    "9",
    "a b",
    "__proto__",
    "constructor",
    "toString",
  ),
  fc.string({ maxLength: 5 }).filter((name) => !name.startsWith("$")),
);

function objectOf(fields: [string, Value][]): ValueObject {
  const object: ValueObject = {};
  for (const [field, value] of fields) setField(object, field, value);
  return object;
}

const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    anyInt64,
    anyFloat,
    anyText,
    fc.uint8Array({ maxLength: 5 }).map((bytes) => bytes.slice().buffer as ArrayBuffer),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(anyFieldName, tie("value")), { maxLength: 4 }).map(objectOf),
  ),
}));

export const anyValue: fc.Arbitrary<Value> = value;

export const anyObject: fc.Arbitrary<ValueObject> = fc
  .array(fc.tuple(anyFieldName, anyValue), { maxLength: 5 })
  .map(objectOf);
