import assert from "node:assert/strict";
import { canonicalModulePath, parsePushRequest } from "./push_request.ts";

const module = { path: "messages.js", source: "export {}", environment: "isolate" };

function body(app: Record<string, unknown>): unknown {
  return {
    adminKey: "k",
    appDefinition: { definition: null, dependencies: [], udfServerVersion: "1.48.0", ...app },
  };
}

Deno.test("module paths get their extension", () => {
  assert.equal(canonicalModulePath("a/b"), "a/b.js");
  assert.equal(canonicalModulePath("a/b.js"), "a/b.js");
  assert.equal(canonicalModulePath("_deps/ABC.js"), "_deps/ABC.js");
  assert.equal(canonicalModulePath("auth.config.js"), "auth.config.js");
});

Deno.test("paths that no module may have are refused with their name", () => {
  const bad = ["/a.js", "../a.js", "my-file.js", "a.ts", "_system/x.js", "a//b.js", "___/.js"];
  for (const path of [...bad, `${"x".repeat(62)}.js`]) {
    assert.throws(() => canonicalModulePath(path), (error: Error & { code?: string }) => {
      assert.equal(error.code, "InvalidConfig");
      assert.ok(error.message.startsWith(`${path} is not a valid path to a Convex module. `));
      return true;
    });
  }
});

Deno.test("older clients call the changed modules `functions`", () => {
  assert.equal(parsePushRequest(body({ functions: [module] })).app.changed[0]!.path, "messages.js");
  assert.equal(parsePushRequest(body({ changedModules: [module] })).app.changed.length, 1);
});

Deno.test("requests that cannot be pushed are the user's mistake", () => {
  const cases: [unknown, string][] = [
    [{}, "InvalidConfig"],
    [
      body({ changedModules: [module, { ...module, path: "messages" }] }),
      "CanonicalizationConflict",
    ],
    [{ ...body({}) as Record<string, unknown>, nodeVersion: "18" }, "InvalidConfig"],
    [{ ...body({}) as Record<string, unknown>, nodeVersion: "21" }, "InvalidConfig"],
  ];
  for (const [request, code] of cases) {
    assert.throws(() => parsePushRequest(request), { code, kind: "badRequest" });
  }
});
