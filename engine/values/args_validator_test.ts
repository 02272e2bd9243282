import assert from "node:assert/strict";
import { checkArgs, checkReturns } from "./args_validator.ts";

const context = { tableOfNumber: () => null };
const text = JSON.stringify({
  type: "object",
  value: { n: { fieldType: { type: "number" }, optional: false } },
});

Deno.test("arguments are checked in the platform's words", () => {
  assert.equal(checkArgs(text, [{ n: 1 }], context), null);
  assert.equal(checkArgs('{"type":"any"}', [1, 2], context), null);
  assert.equal(
    checkArgs(text, [{ n: "1" }], context),
    'ArgumentValidationError: Value does not match validator.\nPath: .n\nValue: "1"\n' +
      "Validator: v.float64()\n",
  );
  assert.equal(
    checkArgs(text, [1, "a"], context),
    "ArgumentValidationError: Expected to receive a single object as the function's argument. " +
      'Instead received 2 arguments: [1.0, "a"]\n',
  );
  assert.equal(
    checkArgs(text, ["a"], context),
    "ArgumentValidationError: Expected to receive an object as the function's argument. " +
      'Instead received: "a"\n',
  );
});

Deno.test("results are checked when the function declares them", () => {
  assert.equal(checkReturns("null", 1, context), null);
  assert.equal(checkReturns('{"type":"number"}', 1, context), null);
  assert.equal(
    checkReturns('{"type":"number"}', null, context),
    "ReturnsValidationError: Value does not match validator.\n\nValue: null\nValidator: v.float64()",
  );
});
