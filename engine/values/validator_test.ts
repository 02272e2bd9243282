import assert from "node:assert/strict";
import { v } from "convex/values";
import fc from "fast-check";
import { anyText, anyValue } from "./arbitrary.ts";
import { encodeId } from "./id.ts";
import { printValue } from "./print.ts";
import {
  checkValue,
  type IdContext,
  parseArgsValidator,
  parseValidator,
  printValidator,
  type Validator,
  validatorToJson,
} from "./validator.ts";
import { isValueObject, type Json, type Value } from "./value.ts";

const tables: Record<number, { name: string; system: boolean }> = {
  10001: { name: "users", system: false },
  10002: { name: "posts", system: false },
  540: { name: "_file_storage", system: true },
};
const context: IdContext = { tableOfNumber: (tableNumber) => tables[tableNumber] ?? null };
const idOf = (tableNumber: number) => encodeId(tableNumber, new Uint8Array(16));

/** Parses what the npm package would send. */
function parsed(validator: unknown): Validator {
  return parseValidator((validator as { json: Json }).json);
}

Deno.test("validators of the npm package parse, print and convert back", () => {
  const validator = v.object({
    b: v.optional(v.union(v.literal("x"), v.literal(1), v.literal(1n), v.literal(true))),
    a: v.array(v.id("users")),
    r: v.record(v.id("users"), v.number()),
    z: v.any(),
    i: v.int64(),
    n: v.null(),
    y: v.bytes(),
    t: v.boolean(),
    s: v.string(),
  });
  const own = parsed(validator);
  assert.equal(
    printValidator(own),
    'v.object({a: v.array(v.id("users")), b: v.optional(v.union(v.literal("x"), v.literal(1.0), ' +
      'v.literal(1), v.literal(true))), i: v.int64(), n: v.null(), r: v.record(v.id("users"), ' +
      "v.float64()), s: v.string(), t: v.boolean(), y: v.bytes(), z: v.any()})",
  );
  assert.deepEqual(parseValidator(validatorToJson(own)), own);
});

Deno.test("mismatches read as the platform's", () => {
  const user = idOf(10001);
  const cases: [unknown, Value, string][] = [
    [v.string(), 1, "Value does not match validator.\n\nValue: 1.0\nValidator: v.string()"],
    [v.number(), 1n, "Value does not match validator.\n\nValue: 1\nValidator: v.float64()"],
    [v.union(), null, "Value does not match validator.\n\nValue: null\nValidator: v.union()"],
    [
      v.object({ a: v.object({ b: v.array(v.string()) }) }),
      { a: { b: ["x", 2] } },
      "Value does not match validator.\nPath: .a.b[1]\nValue: 2.0\nValidator: v.string()",
    ],
    [
      v.object({ a: v.string(), b: v.optional(v.string()) }),
      {},
      "Object is missing the required field `a`. Consider wrapping the field validator in " +
      "`v.optional(...)` if this is expected.\n\nObject: {}\n" +
      "Validator: v.object({a: v.string(), b: v.optional(v.string())})",
    ],
    [
      v.object({ a: v.string() }),
      { z: 1, a: "x", c: null },
      "Object contains extra field `c` that is not in the validator.\n\n" +
      'Object: {a: "x", c: null, z: 1.0}\nValidator: v.object({a: v.string()})',
    ],
    [v.literal("a"), "b", '`"b"` does not match literal validator `v.literal("a")`.'],
    [
      v.array(v.literal(1n)),
      [2n],
      "`2` does not match literal validator `v.literal(1)`.Path: [0]",
    ],
    [
      v.id("posts"),
      user,
      `Found ID "${user}" from table \`users\`, which does not match the table name in ` +
      'validator `v.id("posts")`.',
    ],
    [
      v.object({ a: v.id("posts") }),
      { a: idOf(540) },
      `Found ID "${idOf(540)}" from a system table, which does not match the table name in ` +
      'validator `v.id("posts")`.Path: .a',
    ],
    [
      v.id("posts"),
      "x",
      'Value does not match validator.\n\nValue: "x"\nValidator: v.id("posts")',
    ],
    [
      v.id("posts"),
      idOf(10009),
      `Value does not match validator.\n\nValue: "${idOf(10009)}"\nValidator: v.id("posts")`,
    ],
    [
      v.record(v.id("users"), v.number()),
      { x: 1 },
      'Value does not match validator.\nPath: .keys()\nValue: "x"\nValidator: v.id("users")',
    ],
    [
      v.record(v.string(), v.number()),
      { x: null },
      "Value does not match validator.\nPath: .values()\nValue: null\nValidator: v.float64()",
    ],
    [
      v.union(v.object({ a: v.string() })),
      { a: 1 },
      "Value does not match validator.\nPath: .a\nValue: 1.0\nValidator: v.string()",
    ],
    [
      v.union(v.object({ a: v.string() }), v.null()),
      { a: 1 },
      "Value does not match validator.\n\nValue: {a: 1.0}\n" +
      "Validator: v.union(v.object({a: v.string()}), v.null())",
    ],
  ];
  for (const [validator, value, text] of cases) {
    assert.equal(checkValue(parsed(validator), value, context), text);
  }
});

Deno.test("matching values pass", () => {
  const cases: [unknown, Value][] = [
    [v.any(), { x: [1n] }],
    [v.id("users"), idOf(10001)],
    [v.id("_storage"), idOf(540)],
    [v.literal(1), 1],
    [v.object({ a: v.optional(v.string()) }), {}],
    [v.record(v.string(), v.any()), { "a b": 1, "": 2 }],
    [v.union(v.string(), v.null()), null],
    [v.bytes(), new ArrayBuffer(2)],
  ];
  for (const [validator, value] of cases) {
    assert.equal(checkValue(parsed(validator), value, context), null);
  }
  assert.equal(checkValue({ type: "commitTs" }, 1n, context), null);
});

Deno.test("v.function() accepts whatever has the form of a handle, and keeps its signature", () => {
  const json: Json = {
    type: "function",
    fnType: "mutation",
    args: { type: "object", value: { id: { fieldType: { type: "string" }, optional: false } } },
    returns: { type: "null" },
  };
  const validator = parseValidator(json);
  assert.deepEqual(validatorToJson(validator), json);
  for (
    const handle of ["function://k17abc", "function://k17abc#dir/mod:fn", "function://k17abc#"]
  ) {
    assert.equal(checkValue(validator, handle, context), null);
  }
  for (const value of ["function://", "function://#mod:fn", "mod:fn", "function://A b", 1, null]) {
    assert.equal(
      checkValue(validator, value, context),
      `Value does not match validator.\n\nValue: ${printValue(value)}\nValidator: v.function()`,
    );
  }
  assert.throws(
    () => parseValidator({ type: "function", fnType: "httpAction" }),
    /The fnType of v.function\(\) must be one of query, mutation, action/,
  );
});

Deno.test("validators that break a rule are refused", () => {
  const cases: [Json, string, string][] = [
    [
      { type: "record", keys: { type: "number" }, values: { fieldType: { type: "any" } } },
      "InvalidRecordType",
      "Records can only have string keys. Your validator contains a record with key typed as " +
      "`v.float64()`, which is not a subtype of `v.string()`",
    ],
    [
      {
        type: "record",
        keys: { type: "literal", value: "a" },
        values: { fieldType: { type: "any" } },
      },
      "InvalidRecordType",
      "Records cannot have string literal keys",
    ],
    [
      {
        type: "object",
        value: {
          f: {
            fieldType: {
              type: "record",
              keys: { type: "string" },
              values: { fieldType: { type: "any" }, optional: true },
            },
            optional: false,
          },
        },
      },
      "InvalidRecordType",
      "Invalid validator for key `f`: Records cannot have optional values",
    ],
    [{ type: "nope" }, "InvalidValidator", 'Unknown validator type "nope"'],
    [
      { type: "object", value: { "a b": { fieldType: { type: "any" } } } },
      "InvalidValidator",
      "Identifier a b has invalid character ' ': Identifiers can only contain alphanumeric " +
      "characters or underscores",
    ],
  ];
  for (const [json, code, message] of cases) {
    assert.throws(() => parseValidator(json), { code, message });
  }
  assert.throws(() => parseArgsValidator({ type: "string" }), {
    message: "Args validator must be an object or any",
  });
  let deep: Json = { type: "any" };
  for (let i = 0; i < 100_000; i++) deep = { type: "array", value: deep };
  assert.throws(() => parseValidator(deep), { message: "Validator is too nested" });
});

/** What the spec's table says, without any text. */
function accepts(validator: Validator, value: Value): boolean {
  switch (validator.type) {
    case "any":
      return true;
    case "null":
      return value === null;
    case "string":
    case "number":
    case "bigint":
    case "boolean":
      return (typeof value as string) === validator.type;
    case "literal":
      return Object.is(value, validator.value);
    case "array":
      return Array.isArray(value) && value.every((item) => accepts(validator.value, item));
    case "union":
      return validator.value.some((branch) => accepts(branch, value));
    case "record":
      return isValueObject(value) &&
        Object.entries(value).every(([key, item]) =>
          accepts(validator.keys, key) && accepts(validator.values.fieldType, item)
        );
    case "object":
      return isValueObject(value) &&
        Object.keys(value).every((key) => validator.fields.some(({ name }) => name === key)) &&
        validator.fields.every(({ name, fieldType, optional }) =>
          Object.hasOwn(value, name) ? accepts(fieldType, value[name]!) : optional
        );
  }
  return false;
}

const { validator: anyValidator } = fc.letrec<{ validator: Validator }>((tie) => ({
  validator: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.constantFrom<Validator>(
      { type: "any" },
      { type: "null" },
      { type: "string" },
      { type: "number" },
      { type: "bigint" },
      { type: "boolean" },
    ),
    fc.oneof(anyText, fc.boolean()).map((value): Validator => ({ type: "literal", value })),
    tie("validator").map((value): Validator => ({ type: "array", value })),
    fc.array(tie("validator"), { maxLength: 3 })
      .map((value): Validator => ({ type: "union", value })),
    tie("validator").map((fieldType): Validator => ({
      type: "record",
      keys: { type: "string" },
      values: { fieldType, optional: false },
    })),
    fc.uniqueArray(
      fc.record({
        name: fc.constantFrom("a", "b", "B", "_x", "constructor"),
        fieldType: tie("validator"),
        optional: fc.boolean(),
      }, { noNullPrototype: true }),
      { selector: ({ name }) => name, maxLength: 3 },
    ).map((fields): Validator => ({
      type: "object",
      fields: fields.sort((a, b) => a.name < b.name ? -1 : 1),
    })),
  ),
}));

Deno.test("checking agrees with the plain model, on any value and on fitting ones", () => {
  const anyPair = anyValidator.chain((validator) =>
    fc.tuple(fc.constant(validator), fc.oneof(anyValue, valueOf(validator)))
  );
  let accepted = 0;
  fc.assert(
    fc.property(anyPair, ([validator, value]) => {
      const problem = checkValue(validator, value, context);
      assert.equal(problem === null, accepts(validator, value));
      if (problem === null) accepted++;
      assert.deepEqual(parseValidator(validatorToJson(validator)), validator);
    }),
    { numRuns: 500 },
  );
  assert.ok(accepted > 100, "the generator must hit the accepting side too");
});

/** Values that mostly fit the validator. */
function valueOf(validator: Validator): fc.Arbitrary<Value> {
  switch (validator.type) {
    case "literal":
      return fc.constant(validator.value);
    case "array":
      return fc.array(valueOf(validator.value), { maxLength: 3 });
    case "union":
      return fc.oneof(fc.constant(null), ...validator.value.map(valueOf));
    case "record":
      return fc.dictionary(fc.constantFrom("x", "y z"), valueOf(validator.values.fieldType), {
        noNullPrototype: true,
      });
    case "object":
      return fc.record(
        Object.fromEntries(validator.fields.map((f) => [f.name, valueOf(f.fieldType)])),
        {
          requiredKeys: validator.fields.filter((f) => !f.optional).map((f) => f.name),
          noNullPrototype: true,
        },
      );
    default:
      return anyValue;
  }
}
