import assert from "node:assert/strict";
import fc from "fast-check";
import { anyValue } from "./arbitrary.ts";
import { formatValue, parseFormat } from "./formats.ts";
import { decodeValue, stringifyValue } from "./json.ts";
import type { Value } from "./value.ts";

Deno.test("format names", () => {
  assert.equal(parseFormat("json"), "clean");
  assert.equal(parseFormat("convex_clean_json"), "clean");
  assert.equal(parseFormat("convex_json"), "encoded");
  assert.equal(parseFormat("convex_encoded_json"), "encoded");
  assert.equal(parseFormat("export_json"), "export");
  assert.throws(() => parseFormat("xml"), {
    code: "BadFormat",
    message: "format param must be one of [`json`]. Got xml",
  });
});

Deno.test("values in the three formats", () => {
  const cases: [Value, clean: string, exported: string][] = [
    [42n, '"42"', "42"],
    [1, "1", "1.0"],
    [-0, "-0.0", "-0.0"],
    [1e21, "1e+21", "1e21"],
    [NaN, '"NaN"', '{"$float":"AAAAAAAA+H8="}'],
    [-Infinity, '"-Infinity"', '{"$float":"AAAAAAAA8P8="}'],
    [new Uint8Array([1, 2]).buffer, '"AQI="', '{"$bytes":"AQI="}'],
    [
      { b: [1n, "x"], 10: null, 9: true },
      '{"10":null,"9":true,"b":["1","x"]}',
      '{"10":null,"9":true,"b":[1,"x"]}',
    ],
  ];
  for (const [value, clean, exported] of cases) {
    const text = stringifyValue(value);
    assert.equal(formatValue(text, "clean"), clean);
    assert.equal(formatValue(text, "export"), exported);
    assert.equal(formatValue(text, "encoded"), text);
  }
});

Deno.test("all formats are valid JSON", () => {
  fc.assert(fc.property(anyValue, (value) => {
    const text = stringifyValue(value);
    JSON.parse(formatValue(text, "clean"));
    JSON.parse(formatValue(text, "export"));
    assert.equal(stringifyValue(decodeValue(JSON.parse(formatValue(text, "encoded")))), text);
  }));
});
