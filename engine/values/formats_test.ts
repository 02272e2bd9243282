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

Deno.test("the encoding for clients that tell floats by their decimal point", () => {
  const bytes = new Uint8Array([1, 2]).buffer;
  const text = stringifyValue({ a: 1, b: [42n, 1.5, -0, NaN], c: bytes, d: "1", e: null });
  const decimal = '{"a":1.0,"b":[{"$integer":"KgAAAAAAAAA="},1.5,-0.0,{"$float":"AAAAAAAA+H8="}],' +
    '"c":{"$bytes":"AQI="},"d":"1","e":null}';
  assert.equal(formatValue(text, "decimal"), decimal);
});

Deno.test("all formats are valid JSON", () => {
  fc.assert(fc.property(anyValue, (value) => {
    const text = stringifyValue(value);
    JSON.parse(formatValue(text, "clean"));
    JSON.parse(formatValue(text, "export"));
    for (const format of ["encoded", "decimal"] as const) {
      assert.equal(stringifyValue(decodeValue(JSON.parse(formatValue(text, format)))), text);
    }
  }));
});
