import assert from "node:assert/strict";
import fc from "fast-check";
import { anyFloat, anyInt64, anyText, anyValue } from "./arbitrary.ts";
import { byIdKey, encodeKey, encodeKeyPart, indexKey, KEY_AFTER } from "./key.ts";
import { compareStrings, compareValues } from "./order.ts";

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const anyPart = fc.option(anyValue, { nil: undefined });
const anyPair = fc.oneof(
  fc.tuple(anyPart, anyPart),
  fc.tuple(anyInt64, anyInt64),
  fc.tuple(anyFloat, anyFloat),
  fc.tuple(anyText, anyText),
);

Deno.test("keys order like values", () => {
  fc.assert(
    fc.property(anyPair, ([a, b]) => {
      assert.equal(compareKeys(encodeKeyPart(a), encodeKeyPart(b)), compareValues(a, b));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("every byte has its place in the order", () => {
  const keys = Array.from({ length: 256 }, (_, byte) => encodeKeyPart(Uint8Array.of(byte).buffer));
  assert.deepEqual(keys, [...new Set(keys)].sort(compareKeys));
});

Deno.test("keys of lists order like the lists, part by part", () => {
  const anyParts = fc.tuple(anyPart, anyPart);
  fc.assert(fc.property(anyParts, anyParts, (a, b) => {
    const expected = compareValues(a[0], b[0]) || compareValues(a[1], b[1]);
    assert.equal(compareKeys(encodeKey(a), encodeKey(b)), expected);
  }));
});

Deno.test("no key is a prefix of another, and all characters are printable", () => {
  fc.assert(fc.property(anyPair, ([a, b]) => {
    const key = encodeKeyPart(a);
    const other = encodeKeyPart(b);
    assert.match(key, /^[\x20-\x7e]+$/);
    if (compareValues(a, b) !== 0) assert.ok(!other.startsWith(key));
  }));
});

Deno.test("KEY_AFTER ends the keys that share a prefix", () => {
  fc.assert(fc.property(anyPart, anyPart, anyPart, (prefix, a, b) => {
    const end = encodeKey([prefix]) + KEY_AFTER;
    assert.ok(encodeKey([prefix, a]) < end);
    if (compareValues(b, prefix) > 0) assert.ok(encodeKey([b]) > end);
  }));
});

Deno.test("strings order by code points", () => {
  fc.assert(fc.property(anyText, anyText, (a, b) => {
    const encoder = new TextEncoder();
    const bytes = (text: string) => Array.from(encoder.encode(text));
    const expected = compareValues(bytes(a), bytes(b));
    assert.equal(compareStrings(a, b), expected);
  }));
});

Deno.test("an empty object differs from one with an empty name", () => {
  assert.ok(encodeKeyPart({}) < encodeKeyPart({ "": null }));
  assert.ok(!encodeKeyPart({ "": null }).startsWith(encodeKeyPart({})));
});

Deno.test("the key of a document ends with its id", () => {
  const document = { _id: "j57000", a: { b: 1 }, c: "x" };
  assert.equal(
    indexKey([["a", "b"], ["c"], ["d"], ["c", "length"], ["a", "toString"]], document),
    encodeKey([1, "x", undefined, undefined, undefined, "j57000"]),
  );
  assert.equal(indexKey([], document), byIdKey("j57000"));
  assert.equal(byIdKey("j57000"), encodeKeyPart("j57000"));
});
