// Instantiation of components: what nodes are given, and each of the checks of spec components 4.
import assert from "node:assert/strict";
import { type ComponentDefinition, parseDefinition } from "./component_definition.ts";
import { type ExportTree, instanceExports, publicFunctions } from "./component_exports.ts";
import { instantiateApp, nodesOf } from "./component_tree.ts";
import { usedDefinitions } from "./definition_evaluation.ts";
import type { PushedDefinition } from "./push_request.ts";
import type { ModuleAnalysis } from "../runtime/frames.ts";

type Child = { name: string; path: string; env?: [string, unknown][] };
interface Declared {
  readonly children?: Child[];
  readonly mounts?: Record<string, string>;
  /** Name and validator of variables; a name that ends in `?` is optional. */
  readonly env?: Record<string, unknown>;
  readonly routes?: string[];
}

const STRING = { type: "string" };
const literal = (value: string) => ({ type: "literal", value });
const union = (...values: string[]) => ({ type: "union", value: values.map(literal) });

function definition(path: string, { children = [], mounts = {}, env = {} }: Declared) {
  const exported = {
    definitionType: path === ""
      ? { type: "app" }
      : { type: "childComponent", name: path, args: [] },
    childComponents: children.map((child) => ({ args: [], env: null, ...child })),
    httpMounts: Object.fromEntries(
      Object.entries(mounts).map(([at, name]) => [at, `_reference/childComponent/${name}`]),
    ),
    exports: { type: "branch", branch: [] },
    envVars: Object.entries(env).map(([name, validator]) => [name.replace("?", ""), {
      type: "value",
      value: JSON.stringify(validator),
      ...name.endsWith("?") && { optional: true },
    }]),
  };
  return parseDefinition(exported, path);
}

/** Instantiates the app ""; other keys are definition paths. */
function instantiate(declared: Record<string, Declared>, forCodegen = false) {
  const definitions = new Map(
    Object.entries(declared).map(([path, each]): [string, {
      definition: ComponentDefinition;
      routePaths: string[] | null;
    }] => [path, { definition: definition(path, each), routePaths: each.routes ?? null }]),
  );
  return instantiateApp(definitions, { forCodegen });
}

Deno.test("instances get their path, where they are mounted, and variables resolved to the app's", () => {
  const app = instantiate({
    "": {
      env: { APP_KEY: STRING, "MAYBE?": STRING },
      children: [
        {
          name: "one",
          path: "outer",
          env: [["KEY", { type: "envVar", name: "APP_KEY" }], ["MODE", {
            type: "value",
            value: "test",
          }]],
        },
        { name: "two", path: "inner" },
      ],
      mounts: { "/one/": "one" },
    },
    outer: {
      env: { KEY: STRING, MODE: union("test", "live"), "UNBOUND?": STRING },
      children: [{
        name: "inner",
        path: "inner",
        env: [
          ["A", { type: "envVar", name: "KEY" }],
          ["B", { type: "envVar", name: "MODE" }],
          ["C", { type: "envVar", name: "UNBOUND" }],
        ],
      }],
      mounts: { "/deep/": "inner" },
      routes: [],
    },
    inner: { env: { "A?": STRING, "B?": STRING, "C?": STRING }, routes: ["/hello"] },
  });
  assert.deepEqual(
    [...nodesOf(app)].map(({ path, httpPrefix, env }) => ({ path, httpPrefix, env })),
    [
      { path: "", httpPrefix: null, env: {} },
      {
        path: "one",
        httpPrefix: "/one/",
        env: {
          KEY: { type: "envVar", name: "APP_KEY" },
          MODE: { type: "value", value: "test" },
        },
      },
      {
        path: "one/inner",
        httpPrefix: "/one/deep/",
        env: { A: { type: "envVar", name: "APP_KEY" }, B: { type: "value", value: "test" } },
      },
      { path: "two", httpPrefix: null, env: {} },
    ],
  );
});

const bound = (name: string, binding: unknown): Declared => ({
  children: [{ name: "c", path: "c", env: [[name, binding]] }],
});
const value = (text: string) => ({ type: "value", value: text });
const parentVariable = (name: string) => ({ type: "envVar", name });

const mistakes: [name: string, declared: Record<string, Declared>, message: RegExp][] = [
  [
    "an unknown definition",
    { "": { children: [{ name: "c", path: "nowhere" }] } },
    /Component definition not found: nowhere/,
  ],
  [
    "two siblings of one name",
    { "": { children: [{ name: "c", path: "c" }, { name: "c", path: "c" }] }, c: {} },
    /has multiple child components with the same name: c/,
  ],
  [
    "a binding to an undeclared variable",
    { "": bound("KEY", value("x")), c: {} },
    /Component c has no env var named KEY/,
  ],
  [
    "a literal that the variable does not accept",
    { "": bound("KEY", value("x")), c: { env: { KEY: union("a", "b") } } },
    /Component c has an invalid value for env var KEY: /,
  ],
  [
    "a variable that the parent does not declare",
    { "": bound("KEY", parentVariable("APP")), c: { env: { KEY: STRING } } },
    /references undeclared parent env var APP/,
  ],
  [
    "an optional variable for a required one",
    {
      "": { ...bound("KEY", parentVariable("APP")), env: { "APP?": STRING } },
      c: { env: { KEY: STRING } },
    },
    /is required, but parent env var APP is optional/,
  ],
  [
    "a variable with values that the child does not accept",
    {
      "": { ...bound("KEY", parentVariable("APP")), env: { APP: STRING } },
      c: { env: { KEY: literal("a") } },
    },
    /validator is not satisfied by parent env var APP validator/,
  ],
  [
    "a required variable that is not bound",
    { "": { children: [{ name: "c", path: "c" }] }, c: { env: { KEY: STRING } } },
    /Component c is missing required env var KEY/,
  ],
  [
    "a mount of a component without routes",
    { "": { children: [{ name: "c", path: "c" }], mounts: { "/c/": "c" } }, c: {} },
    /HTTP mount "\/c\/" is invalid: Child component c doesn't have any HTTP routes\./,
  ],
  [
    "a mount at a prefix that the app routes itself",
    {
      "": { children: [{ name: "c", path: "c" }], mounts: { "/c/": "c" }, routes: ["/c/*"] },
      c: { routes: [] },
    },
    /HTTP mount "\/c\/" is invalid: Overlap with existing prefix route/,
  ],
];
for (const [name, declared, message] of mistakes) {
  Deno.test(`${name} is refused`, () => {
    assert.throws(() => instantiate(declared), { code: "TypecheckError", message });
  });
}

Deno.test("code generation for a component alone needs no values of its variables", () => {
  const declared = { "": { children: [{ name: "c", path: "c" }] }, c: { env: { KEY: STRING } } };
  assert.equal([...nodesOf(instantiate(declared, true))].length, 2);
});

Deno.test("definitions are checked by themselves", () => {
  const cases: [Declared, string][] = [
    [{ mounts: { "/x": "c" } }, "InvalidDefinition"],
    [{ mounts: { "/x/*": "c" } }, "InvalidDefinition"],
    [{ children: [{ name: "a-b", path: "c" }] }, "InvalidDefinition"],
    [{ children: [{ name: "_", path: "c" }] }, "InvalidDefinition"],
    [{ env: { N: { type: "number" } } }, "InvalidEnvVarDeclaration"],
  ];
  for (const [declared, code] of cases) {
    assert.throws(() => definition("c", declared), { code });
  }
});

function pushed(path: string, ...dependencies: string[]): PushedDefinition {
  return {
    path,
    definition: null,
    dependencies,
    schema: null,
    changed: [],
    unchanged: [],
    udfServerVersion: "1.48.0",
  };
}

Deno.test("definitions come after those that they import; cycles and unused ones do not count", () => {
  const components = [pushed("b", "c"), pushed("c"), pushed("a", "b", "c"), pushed("unused", "a")];
  const order = usedDefinitions(pushed("", "a", "b"), components).map(({ path }) => path);
  assert.deepEqual(order, ["c", "b", "a", ""]);
  assert.throws(() => usedDefinitions(pushed("", "a"), [pushed("a", "b"), pushed("b", "a")]), {
    code: "CyclicImport",
    message: "Found cyclic definition dependency",
  });
});

Deno.test("a component exports its public functions by file path", () => {
  const fn = (name: string, kind: "public" | "internal") => ({
    name,
    pos: null,
    udfType: "Query" as const,
    visibility: { kind },
    args: '{"type":"any"}',
    returns: "null",
  });
  const analysis = (...functions: ReturnType<typeof fn>[]): ModuleAnalysis => ({
    functions,
    httpRoutes: null,
    cronSpecs: null,
    sourceMapped: null,
  });
  const exports = publicFunctions({
    "lib.js": analysis(fn("add", "public"), fn("hidden", "internal")),
    "dir/mod.js": analysis(fn("default", "public")),
  });
  const mod = new Map<string, ExportTree>([["default", "dir/mod.js:default"]]);
  assert.deepEqual(
    exports,
    new Map<string, ExportTree>([
      ["lib", new Map([["add", "lib.js:add"]])],
      ["dir", new Map([["mod", mod]])],
    ]),
  );
  assert.deepEqual(instanceExports(new Map([["f", "m.js:f"]]), "a/b"), {
    f: {
      type: "leaf",
      resource: { type: "function", path: { component: "a/b", udfPath: "m.js:f" } },
    },
  });
  assert.throws(
    () =>
      publicFunctions({
        "lib.js": analysis(fn("dir", "public")),
        "lib/dir.js": analysis(fn("f", "public")),
      }),
    { code: "InvalidExport" },
  );
  assert.throws(() => publicFunctions({ "a.b.js": analysis(fn("f", "public")) }), {
    code: "InvalidModulePath",
  });
});
