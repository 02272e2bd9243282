import assert from "node:assert/strict";
import { v } from "convex/values";
import fc from "fast-check";
import { checkValue, type IdContext, parseValidator, type Validator } from "./validator.ts";
import { acceptsAll } from "./validator_superset.ts";
import type { Json, Value } from "./value.ts";

const context: IdContext = { tableOfNumber: () => null };

function parsed(validator: unknown): Validator {
  return parseValidator((validator as { json: Json }).json);
}

Deno.test("what widens a validator is recognized, what narrows it is not", () => {
  const widens: [unknown, unknown][] = [
    [v.any(), v.string()],
    [v.string(), v.id("users")],
    [v.string(), v.literal("a")],
    [v.union(v.literal("a"), v.literal("b")), v.literal("b")],
    [v.union(v.string(), v.null()), v.union(v.id("users"), v.null())],
    [v.object({ a: v.number(), b: v.optional(v.string()) }), v.object({ a: v.number() })],
    [v.object({ a: v.optional(v.number()) }), v.object({ a: v.number() })],
    [v.record(v.string(), v.number()), v.object({ a: v.number(), b: v.optional(v.number()) })],
    [v.record(v.string(), v.any()), v.record(v.id("users"), v.null())],
    [v.array(v.union(v.number(), v.null())), v.array(v.number())],
    [v.int64(), v.commitTs()],
  ];
  for (const [wide, narrow] of widens) {
    assert.ok(acceptsAll(parsed(wide), parsed(narrow)));
    assert.ok(acceptsAll(parsed(wide), parsed(wide)));
  }
  for (const [wide, narrow] of widens.slice(0, -1)) {
    assert.ok(!acceptsAll(parsed(narrow), parsed(wide)));
  }
  const apart: [unknown, unknown][] = [
    [v.string(), v.any()],
    [v.id("users"), v.id("posts")],
    [v.number(), v.int64()],
    [v.object({ a: v.number() }), v.object({ a: v.number(), b: v.optional(v.string()) })],
    [v.object({ a: v.number(), b: v.string() }), v.object({ a: v.number() })],
    [v.record(v.string(), v.number()), v.object({ a: v.string() })],
    [v.record(v.id("users"), v.number()), v.object({ a: v.number() })],
  ];
  for (const [wide, narrow] of apart) assert.ok(!acceptsAll(parsed(wide), parsed(narrow)));
});

const { validator: anyValidator } = fc.letrec<{ validator: Validator }>((tie) => ({
  validator: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Validator>(
      { type: "any" },
      { type: "null" },
      { type: "string" },
      { type: "number" },
      { type: "bigint" },
      { type: "commitTs" },
      { type: "function" },
      { type: "boolean" },
      { type: "literal", value: "a" },
      { type: "literal", value: 1 },
      { type: "literal", value: 1n },
      { type: "literal", value: true },
    ),
    fc.record({ type: fc.constant("array" as const), value: tie("validator") }),
    fc.record({
      type: fc.constant("record" as const),
      keys: fc.constant<Validator>({ type: "string" }),
      values: fc.record({ fieldType: tie("validator"), optional: fc.constant(false) }),
    }),
    fc.record({
      type: fc.constant("union" as const),
      value: fc.array(tie("validator"), { maxLength: 3 }),
    }),
    fc.uniqueArray(
      fc.record({
        name: fc.constantFrom("a", "b", "c"),
        fieldType: tie("validator"),
        optional: fc.boolean(),
      }),
      { maxLength: 3, selector: ({ name }) => name },
    ).map((fields): Validator => ({
      type: "object",
      fields: fields.sort((x, y) => x.name < y.name ? -1 : 1),
    })),
  ),
}));

const { value: anyMember } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Value>(null, "a", "b", "function://k1", 1, 2, 1n, 2n, true, false),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { noNullPrototype: true }),
  ),
}));

Deno.test("nothing that the narrow validator accepts is refused by the wide one", () => {
  let certain = 0;
  fc.assert(
    fc.property(
      anyValidator,
      anyValidator,
      fc.array(anyMember, { maxLength: 20 }),
      (a, b, values) => {
        if (!acceptsAll(a, b)) return;
        certain++;
        for (const value of values) {
          if (checkValue(b, value, context) === null) {
            assert.equal(checkValue(a, value, context), null);
          }
        }
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(certain > 100, `only ${certain} pairs were comparable`);
});
