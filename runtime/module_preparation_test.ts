import assert from "node:assert/strict";
import { ModulePreparation } from "./module_preparation.ts";

/** Kept apart, so that nobody takes the module below for one of ours. */
const FROM = "from";

async function withPreparation(body: (preparation: ModulePreparation) => Promise<void>) {
  const preparation = new ModulePreparation();
  try {
    await body(preparation);
  } finally {
    await preparation.close();
  }
}

Deno.test("modules become CommonJS texts with maps and their imports", () =>
  withPreparation(async (preparation) => {
    const [one, two] = await preparation.prepare([
      {
        path: "dir/one.js",
        source: `import { x } ${FROM} "../_deps/X.js";\nexport const y = x + 1;\n`,
        sourceMap: "{}",
      },
      { path: "two.js", source: `export default () => import("./dir/one.js");` },
    ]);
    assert.deepEqual(one!.imports, ["../_deps/X.js"]);
    assert.deepEqual(two!.imports, ["./dir/one.js"]);
    assert.equal(two!.sourceMap, null);
    assert.equal(one!.hash.length, 64);
    assert.equal(JSON.parse(one!.codeMap!).version, 3);
    const module = { exports: {} as { y: number } };
    // What the isolate gives to modules beside CommonJS's own.
    const hooks = ["__scope", "__caught"];
    new Function("module", "exports", "require", ...hooks, one!.code)(
      module,
      module.exports,
      () => ({ x: 1 }),
      () => {},
      () => {},
    );
    assert.equal(module.exports.y, 2);
    // The second time comes from the cache.
    const [again] = await preparation.prepare([{ path: "two.js", source: two!.source }]);
    assert.deepEqual(again, two);
  }));

Deno.test("a text that several components bring at once is prepared alike for each", () =>
  withPreparation(async (preparation) => {
    const chunk = { path: "_deps/X.js", source: "export const x = 1;" };
    const [first, second] = await Promise.all([
      preparation.prepare([chunk]),
      preparation.prepare([chunk]),
    ]);
    assert.deepEqual(first, second);
    const broken = { path: "bad.js", source: "let x = ;" };
    const failures = await Promise.allSettled([
      preparation.prepare([broken]),
      preparation.prepare([broken]),
    ]);
    assert.deepEqual(failures.map(({ status }) => status), ["rejected", "rejected"]);
  }));

Deno.test("syntax errors and top-level awaits are the developer's errors", () =>
  withPreparation(async (preparation) => {
    await assert.rejects(preparation.prepare([{ path: "a.js", source: "let x = ;" }]), {
      code: "InvalidModules",
      message: "Loading the pushed modules encountered the following\n    error:\n" +
        'Failed to analyze a.js: Uncaught SyntaxError: Unexpected ";"\n' +
        "    at <anonymous> (a.js:1:9)\n",
    });
    await assert.rejects(preparation.prepare([{ path: "b.js", source: "await 1; export {};" }]), {
      message: /error:\nFailed to analyze b\.js: Top-level awaits in source files are unsupported$/,
    });
  }));
