import assert from "node:assert/strict";
import { LimitsFileError, parseLimits, readLimitsFile } from "./limits_file.ts";

Deno.test("a limits file changes the limits that it names", () => {
  assert.deepEqual(parseLimits('{"documentsRead": 10, "userTimeMs": 500}', "f"), {
    documentsRead: 10,
    userTimeMs: 500,
  });
  assert.deepEqual(parseLimits("{}", "f"), {});
});

Deno.test("a mistake in a limits file is one line that names it", () => {
  const cases: [string, RegExp][] = [
    ["{", /^the limits file f is not JSON$/],
    ["[]", /^the limits file f must hold an object with a number for each limit$/],
    ['{"documentRead": 1}', /^the limits file f has an unknown limit: documentRead$/],
    [
      '{"bytesRead": "1"}',
      /^the limits file f is wrong: bytesRead must be a positive whole number$/,
    ],
    ['{"bytesRead": 0}', /^the limits file f is wrong: bytesRead must be a positive whole number$/],
    [
      '{"bytesRead": 1.5}',
      /^the limits file f is wrong: bytesRead must be a positive whole number$/,
    ],
    [
      '{"bytesRead": null}',
      /^the limits file f is wrong: bytesRead must be a positive whole number$/,
    ],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseLimits(text, "f"), (error) => {
      assert.ok(error instanceof LimitsFileError);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(() => readLimitsFile("/nowhere/limits.json"), LimitsFileError);
});
