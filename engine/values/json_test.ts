import assert from "node:assert/strict";
import fc from "fast-check";
import { convexToJson, jsonToConvex } from "convex/values";
import { anyObject, anyValue } from "./arbitrary.ts";
import {
  canonicalJson,
  decodeMaybeUndefined,
  decodeValue,
  encodeValue,
  parseDocument,
  parseValue,
  stringifyValue,
} from "./json.ts";
import { compareValues } from "./order.ts";
import { nestingOf } from "./size.ts";
import type { Json, Value } from "./value.ts";

function assertSame(actual: Value | undefined, expected: Value | undefined): void {
  assert.equal(compareValues(actual, expected), 0);
}

Deno.test("scalars have the platform's encodings", () => {
  const vectors: [Value, Json][] = [
    [1n, { $integer: "AQAAAAAAAAA=" }],
    [-1n, { $integer: "//////////8=" }],
    [-(2n ** 63n), { $integer: "AAAAAAAAAIA=" }],
    [42n, { $integer: "KgAAAAAAAAA=" }],
    [-0, { $float: "AAAAAAAAAIA=" }],
    [NaN, { $float: "AAAAAAAA+H8=" }],
    [Infinity, { $float: "AAAAAAAA8H8=" }],
    [-Infinity, { $float: "AAAAAAAA8P8=" }],
    [new Uint8Array([1, 2]).buffer, { $bytes: "AQI=" }],
  ];
  for (const [value, json] of vectors) {
    assert.deepEqual(encodeValue(value), json);
    assert.equal(stringifyValue(value), JSON.stringify(json));
    assertSame(decodeValue(json), value);
  }
});

Deno.test("both encodings round trip", () => {
  fc.assert(fc.property(anyValue, (value) => {
    assertSame(decodeValue(encodeValue(value)), value);
    const text = stringifyValue(value);
    assertSame(decodeValue(JSON.parse(text)), value);
    assertSame(parseValue(text), value);
    assert.equal(canonicalJson(JSON.parse(text)), text);
    assert.equal(stringifyValue(parseValue(text)), text);
  }));
  fc.assert(fc.property(anyObject, (object) => {
    assertSame(parseDocument(stringifyValue(object)), object);
  }));
});

Deno.test("the npm package reads and writes the same encoding", () => {
  fc.assert(fc.property(anyValue, (value) => {
    assertSame(jsonToConvex(JSON.parse(stringifyValue(value))) as Value, value);
    assertSame(decodeValue(JSON.parse(JSON.stringify(convexToJson(value)))), value);
  }));
});

Deno.test("the text of an object has its keys in byte order", () => {
  const value = { b: 1, _a: 2, Z: 3, 9: 4, 10: 5 };
  assert.equal(stringifyValue(value), '{"10":5,"9":4,"Z":3,"_a":2,"b":1}');
});

Deno.test("missing fields are left out, on both ways of writing", () => {
  const missing = undefined as unknown as Json;
  assert.equal(canonicalJson({ a: missing, b: 1 }), '{"b":1}');
  assert.equal(canonicalJson({ b: 1, a: missing }), '{"b":1}');
});

Deno.test("a stored text that only looks like an encoded scalar stays a string", () => {
  const object = { a: '{"$integer":"x"}', b: "$integer" };
  assert.deepEqual(parseDocument(stringifyValue(object)), object);
});

Deno.test("decoding refuses what is no value", () => {
  const cases: [Json, string][] = [
    [{ $integer: "AQ==" }, "Int64 must be exactly eight bytes"],
    [{ $float: "AQ==" }, "Float64 must be exactly eight bytes"],
    [{ $float: "AAAAAAAA8D8=" }, "Float64 1 should be encoded as a number"],
    [{ $integer: 5 }, "$integer must be a string"],
    [{ $bytes: "A" }, "$bytes must be base64"],
    [{ $set: [] }, "Field name $set starts with '$', which is reserved."],
    [
      { $integer: "AQAAAAAAAAA=", a: 1 },
      "Field name $integer starts with '$', which is reserved.",
    ],
    [
      { "é": 1 },
      "Field name é has invalid character 'é': Field names can only contain non-control ASCII characters",
    ],
    [{ ["a".repeat(1025)]: 1 }, "Field name is too long (1025 > maximum 1024)"],
    [new Array(8193).fill(1), "Array length is too long (8193 > maximum length 8192)"],
    [
      Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`f${i}`, 1])),
      "Object has too many fields (1025 > maximum number 1024)",
    ],
    ["\ud800", "Received invalid json: lone surrogate in a string"],
    [{ $undefined: null }, "Field name $undefined starts with '$', which is reserved."],
  ];
  for (const [json, message] of cases) assert.throws(() => decodeValue(json), { message });
  assert.throws(() => decodeValue({ $set: [] }, "here"), {
    message: "here: Field name $set starts with '$', which is reserved.",
  });
});

Deno.test("nesting is limited to 64 levels", () => {
  const nested = (levels: number): Json => levels === 1 ? [] : [nested(levels - 1)];
  assert.equal(nestingOf(decodeValue(nested(64))), 64);
  const message = "Value is too nested (nested 65 levels deep > maximum nesting 64)";
  assert.throws(() => decodeValue(nested(65)), { code: "TooNestedError", message });
  assert.throws(() => decodeValue(JSON.parse("[".repeat(1e5) + "]".repeat(1e5))), { message });
});

Deno.test("a value of more than 32 MiB is refused", () => {
  const half = "a".repeat(2 ** 24 - 4);
  assert.ok(decodeValue([half, half]));
  assert.throws(() => decodeValue([half, half, half]), {
    code: "ValueTooLargeError",
    message: "Value is too large (48.00 MiB > maximum size 32 MiB)",
  });
});

Deno.test("the undefined marker is a missing value where one is allowed", () => {
  assert.equal(decodeMaybeUndefined({ $undefined: null }), undefined);
  assert.equal(decodeMaybeUndefined(1), 1);
  assert.throws(() => decodeMaybeUndefined([{ $undefined: null }]));
});

Deno.test("a toJSON that other code put on a prototype changes nothing", () => {
  const prototype = Array.prototype as unknown as { toJSON?: () => string };
  prototype.toJSON = () => "tampered";
  try {
    assert.equal(
      stringifyValue({ a: [1, { b: 2n }] }),
      '{"a":[1,{"b":{"$integer":"AgAAAAAAAAA="}}]}',
    );
  } finally {
    delete prototype.toJSON;
  }
});

Deno.test("objects with many fields are sorted too", () => {
  const names = Array.from({ length: 40 }, (_, i) => `f${(i * 7) % 40}`);
  const object = Object.fromEntries(names.map((name) => [name, 1]));
  assert.deepEqual(Object.keys(JSON.parse(stringifyValue(object))), names.sort());
});
