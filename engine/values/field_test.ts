import assert from "node:assert/strict";
import { checkFieldName, identifierProblem, lookupPath, parseFieldPath } from "./field.ts";

Deno.test("field names", () => {
  for (const name of ["", "a b", "_x", "10", "__proto__", "~", "a".repeat(1024)]) {
    checkFieldName(name);
  }
  for (const name of ["$a", "é", "\n", "\x7f", "a\n", "a".repeat(1025)]) {
    assert.throws(() => checkFieldName(name), { code: "InvalidFieldName" });
  }
});

Deno.test("identifiers", () => {
  for (const name of ["a", "_a", "A9_", "a".repeat(64)]) {
    assert.equal(identifierProblem(name), null);
  }
  const cases: [string, string][] = [
    ["", "Identifier cannot be empty"],
    [
      "9a",
      "Invalid first character '9' in 9a: Identifiers must start with an alphabetic character or " +
      "underscore",
    ],
    [
      "a-b",
      "Identifier a-b has invalid character '-': Identifiers can only contain alphanumeric " +
      "characters or underscores",
    ],
    ["a".repeat(65), "Identifier is too long (65 > maximum 64)"],
    ["__", "Identifier __ cannot have exclusively underscores"],
  ];
  for (const [name, problem] of cases) assert.equal(identifierProblem(name), problem);
});

Deno.test("field paths", () => {
  assert.deepEqual(parseFieldPath("a.b_c"), ["a", "b_c"]);
  assert.deepEqual(parseFieldPath(".a."), ["a"]);
  for (const path of ["", ".", "a..b", "a b"]) {
    assert.throws(() => parseFieldPath(path), { code: "InvalidIdentifier" });
  }
});

Deno.test("a path leads through objects and their own fields only", () => {
  const document = { a: { b: 1 }, list: [1], text: "x", bytes: new ArrayBuffer(1) };
  assert.equal(lookupPath(document, ["a", "b"]), 1);
  for (
    const path of [
      ["b"],
      ["a", "c"],
      ["list", "length"],
      ["text", "length"],
      ["bytes", "byteLength"],
      ["toString"],
      ["a", "b", "c"],
    ]
  ) assert.equal(lookupPath(document, path), undefined);
});
