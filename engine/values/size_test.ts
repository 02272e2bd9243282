import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "./arbitrary.ts";
import { formatSize, nestingOf, sizeOf, utf8Length } from "./size.ts";

Deno.test("sizes follow the platform's table", () => {
  assert.equal(sizeOf(undefined), 0);
  assert.equal(sizeOf(null), 1);
  assert.equal(sizeOf(1n), 9);
  assert.equal(sizeOf(1), 9);
  assert.equal(sizeOf(true), 1);
  assert.equal(sizeOf("aé"), 5);
  assert.equal(sizeOf(new ArrayBuffer(3)), 5);
  assert.equal(sizeOf([1, null]), 12);
  assert.equal(sizeOf({ ab: 1, c: "" }), 2 + 12 + 4);
  const systemFields = { _id: "j57000820c20a1g7104gm2rc1n721a4s", _creationTime: 1 };
  assert.equal(sizeOf(systemFields), 2 + 38 + 23);
});

Deno.test("utf8Length is the length of the UTF-8 bytes", () => {
  fc.assert(fc.property(anyText, fc.constantFrom(1, 400), (text, times) => {
    const long = text.repeat(times);
    assert.equal(utf8Length(long), new TextEncoder().encode(long).length);
  }));
});

Deno.test("nesting counts containers", () => {
  assert.equal(nestingOf(new ArrayBuffer(1)), 0);
  assert.equal(nestingOf([]), 1);
  assert.equal(nestingOf({ a: [{ b: 1 }], c: 2 }), 3);
});

Deno.test("sizes are shown in binary units", () => {
  const cases: [number, string][] = [
    [512, "512 B"],
    [512 * 1024, "512 KiB"],
    [2 ** 20, "1 MiB"],
    [1.05 * 2 ** 20, "1.05 MiB"],
    [2 ** 20 + 1, "1.00 MiB"],
    [3 * 2 ** 30, "3 GiB"],
  ];
  for (const [bytes, text] of cases) assert.equal(formatSize(bytes), text);
});
