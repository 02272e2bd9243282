// Rewrites one pushed module so that the isolate may find out whether its instance holds state.
//
// A module instance may serve several runs only if no run can leave anything behind in it. State
// lives in two places: bindings that functions assign, and objects that functions mutate. Bindings
// are judged here, from the syntax. Objects are frozen by the isolate after the module's top level
// ran; to reach those that only a closure knows, each scope with captured bindings reports them
// through the hook `__scope` while the top level runs. A later write to a frozen object throws a
// TypeError; the hook `__caught` sees the ones that user code swallows. See
// `runtime/isolate/instance_seal.ts` for the other half and ARCHITECTURE.md, "Reuse of instances".
//
// The rewriting also turns esbuild's `__name(fn, "name")` calls, half of the cost of a fresh instance,
// into function expressions that carry the name themselves.

import { type Comment, parse } from "acorn";
import MagicString from "magic-string";
import { analyzeScopes, childrenOf, isFieldInitializer, isFunction, type Node } from "./scopes.ts";
import type { Scope } from "./scopes.ts";
import { findForeignWrite } from "./foreign_writes.ts";
import { findObstacle, isProxyConstruction } from "./obstacles.ts";
import { inlineNames } from "./keep_names.ts";

export interface InstrumentedModule {
  readonly code: string;
  /** Source map from `code` to the module as it was pushed, JSON text. */
  readonly map: string;
  /** Why instances of this module may never be reused; null if the isolate may try. */
  readonly obstacle: string | null;
}

/** What the rewriting adds; code that has a meaning of its own for them is left alone. */
const HOOK_NAMES = /\b__(?:scope|off|caught|error|a)\b/;

/** Begins with a name: at the begin of a line a bracket would go on with the line before. */
const IMPORT_META_REFUSAL =
  'Reflect.apply(()=>{throw new TypeError("import.meta unsupported")},null,[])';

/**
 * Instruments ES module `source`. Source that acorn cannot parse is returned unchanged with an
 * obstacle: the isolate reports the syntax error when it compiles it.
 */
export function instrumentModule(source: string): InstrumentedModule {
  if (HOOK_NAMES.test(source)) {
    return { code: source, map: identityMap(source), obstacle: "it names a hook of the runtime" };
  }
  let program: Node;
  const comments: Comment[] = [];
  try {
    program = parse(source, {
      ecmaVersion: "latest",
      sourceType: "module",
      onComment: comments,
    }) as Node;
  } catch {
    return { code: source, map: identityMap(source), obstacle: "it could not be parsed" };
  }
  const text = new MagicString(source);
  inlineNames(program, text);
  const scopes = analyzeScopes(program);
  const editor = new Editor(text, scopes);
  editor.module(program, findForeignWrite(program, scopes, comments));
  editor.visit(program, null);
  const root = scopes.get(program)!;
  const obstacle = root.assignedByInner !== null
    ? `a function assigns the module-level binding ${root.assignedByInner}`
    : editor.obstacle ?? findObstacle(program);
  return {
    code: text.toString(),
    map: text.generateMap({ hires: "boundary", includeContent: false }).toString(),
    obstacle,
  };
}

function identityMap(source: string): string {
  return new MagicString(source).generateMap({ hires: false }).toString();
}

class Editor {
  obstacle: string | null = null;

  constructor(
    private readonly text: MagicString,
    private readonly scopes: ReadonlyMap<Node, Scope>,
  ) {}

  /** The module's own bindings, and whether its functions may write to what they did not make. */
  module(program: Node, foreignWrite: string | null): void {
    const names = [...this.scopes.get(program)!.declared];
    const thunks = names.map((name) => `()=>${name}`).join(",");
    const write = JSON.stringify(foreignWrite);
    this.text.appendLeft(0, `__scope&&__scope([${thunks}],false,${write});`);
  }

  visit(node: Node, parent: Node | null): void {
    if (node.type === "CatchClause") this.catchClause(node);
    // Iterator closing may drop an error thrown here in favour of an earlier one.
    if (node.type === "TryStatement" && node.finalizer) this.watch(node.finalizer);
    if (isImportMeta(node)) this.text.overwrite(node.start, node.end, IMPORT_META_REFUSAL);
    if (isReturnMethod(node)) this.watch(node.value.body);
    if (isProxyConstruction(node)) this.proxyConstruction(node);
    const report = this.reportOf(node);
    if (report !== null) this.insertReport(node, parent, report);
    for (const child of childrenOf(node)) this.visit(child, node);
  }

  /** The hook call for the scope that `node` opens, or null if nobody captures from it. */
  private reportOf(node: Node): string | null {
    const scope = this.scopes.get(node);
    if (scope === undefined || scope.kind === "module" || scope.captured.size === 0) return null;
    const thunks = [...scope.captured].map((name) => `()=>${name}`).join(",");
    return `__scope&&__scope([${thunks}],${scope.assignedByInner !== null})`;
  }

  private insertReport(node: Node, parent: Node | null, report: string): void {
    if (isFunction(node)) return this.intoBody(node.body, report);
    if (isFieldInitializer(node)) return this.beforeExpression(node.value, report);
    switch (node.type) {
      case "StaticBlock": {
        const brace = this.text.original.indexOf("{", node.start);
        this.text.appendLeft(brace + 1, `${report};`);
        return;
      }
      case "BlockStatement":
        this.text.appendLeft(node.start + 1, `${report};`);
        return;
      case "CatchClause":
        this.text.appendLeft(node.body.start + 1, `${report};`);
        return;
      case "ForStatement":
        // Closures in the head itself see other per-iteration copies than the body does.
        if (hasFunction(node.init) || hasFunction(node.test) || hasFunction(node.update)) {
          this.obstacle ??= "a closure stands in the head of a for loop";
        }
        return this.intoStatement(node.body, report);
      case "ForInStatement":
      case "ForOfStatement":
        return this.intoStatement(node.body, report);
      case "SwitchStatement":
        for (const clause of node.cases) {
          const first = clause.consequent[0];
          if (first) this.text.appendLeft(first.start, `${report};`);
        }
        return;
      case "ClassExpression":
        // Only the class's own name: the class is reached wherever it is used.
        return;
    }
    throw new Error(`no place for a scope report in ${node.type} of ${parent?.type}`);
  }

  private intoBody(body: Node, report: string): void {
    if (body.type !== "BlockStatement") return this.beforeExpression(body, report);
    this.text.appendLeft(body.start + 1, `${report};`);
  }

  private beforeExpression(expression: Node, report: string): void {
    this.text.appendLeft(expression.start, `(${report},`);
    this.text.appendRight(expression.end, ")");
  }

  private intoStatement(body: Node, report: string): void {
    if (body.type === "BlockStatement") {
      this.text.appendLeft(body.start + 1, `${report};`);
      return;
    }
    this.text.appendLeft(body.start, `{${report};`);
    this.text.appendRight(body.end, "}");
  }

  /** Lets the isolate see every error that user code swallows. */
  /** A proxy hides its target and its handler: reports both. */
  private proxyConstruction(node: Node): void {
    const [target, handler] = node.arguments;
    this.text.appendLeft(
      target.start,
      "...((__a)=>(__scope&&__scope([()=>__a[0],()=>__a[1]],false),__a))([",
    );
    this.text.appendRight(handler.end, "])");
  }

  /** Reports every error that leaves the block. */
  private watch(block: Node): void {
    this.text.appendLeft(block.start + 1, "try{");
    this.text.appendRight(block.end - 1, "}catch(__error){__caught(__error);throw __error}");
  }

  private catchClause(node: Node): void {
    if (node.param === null) {
      this.text.appendLeft(node.body.start, "(__error)");
      this.text.appendLeft(node.body.start + 1, "__caught(__error);");
    } else if (node.param.type === "Identifier") {
      this.text.appendLeft(node.body.start + 1, `__caught(${node.param.name});`);
    } else {
      const pattern = this.text.original.slice(node.param.start, node.param.end);
      this.text.overwrite(node.param.start, node.param.end, "__error");
      this.text.appendLeft(node.body.start + 1, `__caught(__error);let ${pattern}=__error;`);
    }
  }
}

function isImportMeta(node: Node): boolean {
  return node.type === "MetaProperty" && node.meta.name === "import";
}

function isReturnMethod(node: Node): boolean {
  if (node.type !== "MethodDefinition" && node.type !== "Property") return false;
  return !node.computed && (node.key.name === "return" || node.key.value === "return") &&
    node.value?.type === "FunctionExpression";
}

function hasFunction(node: Node | null): boolean {
  if (node === null) return false;
  if (isFunction(node)) return true;
  for (const child of childrenOf(node)) if (hasFunction(child)) return true;
  return false;
}
