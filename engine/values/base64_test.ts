import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeBase64, encodeBase64 } from "./base64.ts";

Deno.test("base64 is the standard one", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const text = encodeBase64(bytes);
    assert.equal(text, btoa(String.fromCharCode(...bytes)));
    assert.deepEqual([...decodeBase64(text)!], [...bytes]);
  }));
});

Deno.test("only strict base64 is read", () => {
  for (
    const text of [
      "A",
      "AA",
      "AA=A",
      "AA= ",
      "A A=",
      "AB==",
      "AAB=",
      "A===",
      "====",
      "-_==",
      "é===",
    ]
  ) {
    assert.equal(decodeBase64(text), null);
  }
});
