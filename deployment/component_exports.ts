// What a component offers to its parent: its public functions, as a tree by file path. Code
// generation makes `components.<name>` of it (spec components 3, 4).

import { userError } from "../engine/errors.ts";
import { identifierProblem } from "../engine/values/field.ts";
import type { Json } from "../engine/values/value.ts";
import type { ModuleAnalysis } from "../runtime/frames.ts";

/** A function's path (`dir/mod.js:fn`), or what a directory or module contains by name. */
export type ExportTree = string | Map<string, ExportTree>;

/**
 * The public functions of the analysed modules.
 * @throws PlatformError `InvalidExport`, `InvalidModulePath`
 */
export function publicFunctions(
  analysis: Readonly<Record<string, ModuleAnalysis>>,
): Map<string, ExportTree> {
  const root = new Map<string, ExportTree>();
  for (const [path, { functions }] of Object.entries(analysis)) {
    for (const { name, visibility } of functions) {
      if (visibility?.kind !== "public") continue;
      insert(root, [...moduleNames(path), name], `${path}:${name}`);
    }
  }
  return root;
}

function moduleNames(path: string): string[] {
  const names = path.replace(/\.js$/, "").split("/");
  for (const name of names) {
    const problem = identifierProblem(name);
    if (problem !== null) {
      throw userError("InvalidModulePath", `Invalid path component in ${path}: ${problem}`);
    }
  }
  return names;
}

function insert(root: Map<string, ExportTree>, names: readonly string[], functionPath: string) {
  const collision = () =>
    userError(
      "InvalidExport",
      `The function ${functionPath} has the path of a directory or module.`,
    );
  let branch = root;
  for (const name of names.slice(0, -1)) {
    let next = branch.get(name);
    if (next === undefined) branch.set(name, next = new Map());
    if (typeof next === "string") throw collision();
    branch = next;
  }
  const last = names.at(-1)!;
  if (branch.has(last)) throw collision();
  branch.set(last, functionPath);
}

/** `exports` of a definition: names and references. */
export function definitionExports(tree: ExportTree): Json {
  if (typeof tree === "string") return { type: "leaf", leaf: `_reference/function/${tree}` };
  const branch = [...tree].map(([name, child]): Json => [name, definitionExports(child)]);
  return { type: "branch", branch };
}

/** `exports` of an instance: names and functions. */
export function instanceExports(
  tree: ReadonlyMap<string, ExportTree>,
  component: string,
): { [name: string]: Json } {
  const entries = [...tree].map(([name, child]): [string, Json] => [
    name,
    typeof child === "string"
      ? { type: "leaf", resource: { type: "function", path: { component, udfPath: child } } }
      : { type: "branch", children: instanceExports(child, component) },
  ]);
  return Object.fromEntries(entries);
}
