// What the syntax must show before actions may share module instances.

import assert from "node:assert/strict";
import { type Comment, parse } from "acorn";
import { findForeignWrite } from "./foreign_writes.ts";
import { analyzeScopes, type Node } from "./scopes.ts";

function judge(code: string): string | null {
  const onComment: Comment[] = [];
  const options = { ecmaVersion: "latest", sourceType: "module", onComment } as const;
  const program = parse(code, options) as Node;
  return findForeignWrite(program, analyzeScopes(program), onComment);
}

const OWN: Record<string, string> = {
  "the top level": "const s = {}; s.a = 1; const l = []; l.push(1); for (s.b of l); delete s.a;",
  "a literal": "function f(x) { const o = {}; o[x] = 1; o.a ??= 2; o.n++; delete o.a; return o; }",
  "an array": "const f = (x) => { let a = []; a.push(x); a = a.filter(Boolean); a.sort(); };",
  "a copy": "const f = (x) => [...x].sort().reverse(); const g = (x) => x.map((y) => y).sort();",
  "keys": "const f = (x) => Object.keys(x).sort();",
  "assign to a literal": "const f = (x) => Object.assign({}, x);",
  "an instance": "const f = (u) => { const url = new URL(u); url.search = ''; return url; };",
  "a constructor": "class A { b = (this.c = 1); constructor(x) { this.x = x; } }",
  "a function": "const f = (h) => { const g = () => h; g.isAction = true; return g; };",
  "either": "const f = (x) => { const o = x ? {} : []; o.a = 1; };",
  "names of methods elsewhere": "const f = (x) => ({ sort: x.order, push: true });",
  "the platform's package":
    "var d = (o) => { o.a = 1; };\n// node_modules/convex/dist/esm/x.js\nfunction g(o) { o.a = 1; }\n// convex/http.ts\nconst f = () => 1;",
};

const FOREIGN: Record<string, string> = {
  "a module's object": "const s = {}; export const f = () => { s.n = 1; };",
  "a counter": "const s = { n: 0 }; export const f = () => ++s.n;",
  "a deletion": "const s = { n: 0 }; export const f = () => delete s.n;",
  "an optional deletion": "const s = { n: 0 }; export const f = () => delete s?.n;",
  "a list": "const l = []; export const f = () => l.push(1);",
  "a list by a computed name": "const l = []; export const f = (m) => l[m](1);",
  "a list through its prototype":
    "const l = []; export const f = () => Array.prototype.push.call(l, 1);",
  "a method taken out":
    "const { push } = Array.prototype; export const f = (l) => push.call(l, 1);",
  "a parameter": "export function f(o) { o.a = 1; }",
  "an alias": "const s = {}; export const f = () => { const t = s; t.a = 1; };",
  "an alias given later": "const s = {}; export const f = () => { let t = {}; t = s; t.a = 1; };",
  "what an object holds": "const s = {}; export const f = () => { const t = { s }; t.s.a = 1; };",
  "a pattern": "const s = {}; export const f = (x) => { [s.a, { b: s.b }] = x; };",
  "a loop": "const s = {}; export const f = (x) => { for (s.a of x); };",
  "this of a method": "class A { m() { this.n = 1; } } export const a = new A();",
  "super": "class A { m() { super.n = 1; } }",
  "assign": "const s = {}; export const f = (x) => Object.assign(s, x);",
  "assign, passed on": "const s = {}; export const f = (xs) => xs.reduce(Object.assign, s);",
  "defineProperty": "const s = {}; export const f = () => Object.defineProperty(s, 'a', {});",
  "a proxy": "const s = {}; export const f = () => { const p = new Proxy(s, {}); p.a = 1; };",
  "a closure over what the top level made":
    "const make = () => { const s = {}; return () => { s.n = 1; }; }; export const f = make();",
  "after the platform's package":
    "// node_modules/convex/dist/esm/x.js\nvar g = 1;\n// convex/a.ts\nfunction f(o) { o.a = 1; }",
};

for (const [name, code] of Object.entries(OWN)) {
  Deno.test(`foreign writes: ${name} is the run's own`, () => assert.equal(judge(code), null));
}

for (const [name, code] of Object.entries(FOREIGN)) {
  Deno.test(`foreign writes: ${name} may be another's`, () => assert.notEqual(judge(code), null));
}
