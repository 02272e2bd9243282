import assert from "node:assert/strict";
import fc from "fast-check";
import { printFiniteFloat, printStrings, printValue } from "./print.ts";
import type { Value } from "./value.ts";

Deno.test("values print as the platform shows them", () => {
  const cases: [Value | undefined, string][] = [
    [null, "null"],
    [undefined, "undefined"],
    [5n, "5"],
    [5, "5.0"],
    [0.1, "0.1"],
    [-0, "-0.0"],
    [0, "0.0"],
    [NaN, "NaN"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
    [1e16, "1e16"],
    [-1.5e300, "-1.5e300"],
    [9999999999999998, "9999999999999998.0"],
    [0.0001, "0.0001"],
    [0.00001, "1e-5"],
    [1.25e-7, "1.25e-7"],
    [true, "true"],
    ['a"\\\n\t\r\x7f', '"a\\"\\\\\\n\\t\\r\\u{7f}"'],
    ["é\u{1f600} x", '"é\u{1f600} x"'],
    ["\u200b\u00a0", '"\\u{200b}\\u{a0}"'],
    [new Uint8Array([1, 2]).buffer, 'b"AQI="'],
    [[1, "a"], '[1.0, "a"]'],
    [{ b: "x", a: 1 }, '{a: 1.0, b: "x"}'],
    [{}, "{}"],
    [[], "[]"],
  ];
  for (const [value, text] of cases) assert.equal(printValue(value), text);
  assert.equal(printStrings(["a", "_creationTime"]), '["a", "_creationTime"]');
});

Deno.test("a printed float reads back, and is never an integer literal", () => {
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
    const text = printFiniteFloat(value);
    assert.ok(Object.is(JSON.parse(text), value));
    assert.match(text, /[.e]/);
  }));
});
