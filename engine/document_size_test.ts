import assert from "node:assert/strict";
import fc from "fast-check";
import { documentSize } from "./document_size.ts";
import { anyValue } from "./values/arbitrary.ts";
import { stringifyValue } from "./values/json.ts";
import { sizeOf } from "./values/size.ts";

Deno.test("the size of a text is the size of its value", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      assert.equal(documentSize(stringifyValue(value)), sizeOf(value));
    }),
    { numRuns: 1000 },
  );
});
