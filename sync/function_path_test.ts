import assert from "node:assert/strict";
import { checkComponentPath, parseFunctionPath, printFunctionPath } from "./function_path.ts";

Deno.test("all spellings of a path are read and printed as one", () => {
  const cases = [
    ["messages:list", "messages.js", "list", "messages:list"],
    ["dir/messages.js:list", "dir/messages.js", "list", "dir/messages:list"],
    ["dir/messages", "dir/messages.js", "default", "dir/messages"],
    ["dir/messages:default", "dir/messages.js", "default", "dir/messages"],
    ["_system/cli/tables", "_system/cli/tables.js", "default", "_system/cli/tables"],
  ] as const;
  for (const [text, module, name, printed] of cases) {
    assert.deepEqual(parseFunctionPath(text), { module, name });
    assert.equal(printFunctionPath({ module, name }), printed);
  }
});

Deno.test("paths that cannot name a function are refused", () => {
  const wrong = [
    "",
    ":f",
    "m:",
    "/m:f",
    "a//b:f",
    "../m:f",
    "a/../b:f",
    "m.ts:f",
    "m.test.ts:f",
    "m-n:f",
    "m:f-g",
    "m:1f",
    "m:__",
    "é:f",
    "_/m:f",
    `${"m".repeat(62)}:f`,
    `m:${"f".repeat(65)}`,
    "a:b:c",
    "m\0:f",
  ];
  for (const text of wrong) {
    assert.throws(() => parseFunctionPath(text), { name: "PathError" }, text);
  }
  assert.throws(
    () => parseFunctionPath("m.ts:f"),
    { message: "Module path (m.ts) has an extension that isn't 'js'." },
  );
});

Deno.test("component paths are names joined with slashes", () => {
  for (const text of ["", "a", "a/b_1/C"]) checkComponentPath(text);
  for (const text of ["/", "a/", "a//b", "a-b", "a.b", "1a"]) {
    assert.throws(() => checkComponentPath(text), { code: "InvalidComponentPath" }, text);
  }
});
