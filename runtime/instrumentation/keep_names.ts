// esbuild's `keepNames` calls `__name(fn, "original")` once for each function of a bundle. A function
// expression that has the name in its syntax gets the same property for free:
//
//   function a(x) {…} __name(a, "load");          →  var a = function load(x) {…};  (hoisted)
//   __name((x) => …, "handler")                   →  ({"handler": (x) => …})["handler"]
//   class a { static { __name(this, "Load"); } }  →  the block stays: naming a class may shadow
//
// Only statements of the module's own body are turned, and only if the name means nothing else
// inside the function.

import type MagicString from "magic-string";
import { boundNames, childrenOf, isFunction, type Node } from "./scopes.ts";

/** Applies the rewriting to `text`; does nothing when the module has no `__name` helper. */
export function inlineNames(program: Node, text: MagicString): void {
  const helper = findHelper(program);
  if (helper === null) return;
  const declarations = new Map<string, Node>();
  for (const statement of program.body) {
    if (statement.type === "FunctionDeclaration" && statement.id) {
      declarations.set(statement.id.name, statement);
    }
  }
  for (const statement of program.body) renameDeclaration(statement, helper, declarations, text);
  renameExpressions(program, helper, text);
}

/** The local name of `(target, value) => defineProperty(target, "name", { value, configurable: true })`. */
function findHelper(program: Node): string | null {
  for (const statement of program.body) {
    if (statement.type !== "VariableDeclaration") continue;
    for (const declarator of statement.declarations) {
      if (isHelper(declarator)) return declarator.id.name;
    }
  }
  return null;
}

function isHelper(declarator: Node): boolean {
  const arrow = declarator.init;
  if (declarator.id.type !== "Identifier" || arrow?.type !== "ArrowFunctionExpression") {
    return false;
  }
  if (arrow.params.length !== 2 || arrow.body.type !== "CallExpression") return false;
  const [target, key, descriptor] = arrow.body.arguments;
  return arrow.body.arguments.length === 3 && target.type === "Identifier" &&
    target.name === arrow.params[0].name && key.type === "Literal" && key.value === "name" &&
    descriptor.type === "ObjectExpression" && descriptor.properties.length === 2 &&
    descriptor.properties[0].key.name === "value" &&
    descriptor.properties[1].key.name === "configurable";
}

function namingCall(node: Node | null, helper: string): { target: Node; name: string } | null {
  if (node?.type !== "CallExpression" || node.callee.type !== "Identifier") return null;
  if (node.callee.name !== helper || node.arguments.length !== 2) return null;
  const [target, name] = node.arguments;
  if (name.type !== "Literal" || typeof name.value !== "string") return null;
  return { target, name: name.value };
}

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
/** Words that cannot name a function expression in strict code. */
const RESERVED = new Set(
  ("arguments await break case catch class const continue debugger default delete do else enum eval " +
    "export extends false finally for function if implements import in instanceof interface let new " +
    "null package private protected public return static super switch this throw true try typeof var " +
    "void while with yield").split(" "),
);

/** `function a(){…} … n(a, "load");` at the top level. The call statement is emptied. */
function renameDeclaration(
  statement: Node,
  helper: string,
  declarations: ReadonlyMap<string, Node>,
  text: MagicString,
): void {
  if (statement.type !== "ExpressionStatement") return;
  const call = namingCall(statement.expression, helper);
  if (call === null || call.target.type !== "Identifier") return;
  const declaration = declarations.get(call.target.name);
  if (declaration === undefined || call.name === call.target.name) {
    if (declaration !== undefined) text.overwrite(statement.start, statement.end, ";");
    return;
  }
  if (!IDENTIFIER.test(call.name) || RESERVED.has(call.name)) return;
  if (mentions(declaration, call.name)) return;
  // A function expression in a `var` is not hoisted, so it moves to the front of the module.
  text.appendRight(declaration.start, `var ${call.target.name}=`);
  text.overwrite(declaration.id.start, declaration.id.end, call.name);
  text.appendLeft(declaration.end, ";");
  text.move(declaration.start, declaration.end, 0);
  text.overwrite(statement.start, statement.end, ";");
}

function mentions(node: Node, name: string): boolean {
  if (node.type === "Identifier" && node.name === name) return true;
  for (const child of childrenOf(node)) if (mentions(child, name)) return true;
  return false;
}

/** `n(function …, "handler")` and `n(() => …, "handler")` anywhere. */
function renameExpressions(node: Node, helper: string, text: MagicString): void {
  if (declaresAgain(node, helper)) return;
  const call = namingCall(node, helper);
  if (call !== null && isAnonymousFunction(call.target)) {
    const key = JSON.stringify(call.name);
    text.overwrite(node.start, call.target.start, `({${computedKey(key)}:`);
    text.overwrite(call.target.end, node.end, `})[${key}]`);
  }
  for (const child of childrenOf(node)) renameExpressions(child, helper, text);
}

/** `"__proto__": f` would set the prototype; a computed key never does. */
function computedKey(key: string): string {
  return key === '"__proto__"' ? `[${key}]` : key;
}

function isAnonymousFunction(node: Node): boolean {
  if (node.type === "ArrowFunctionExpression") return true;
  return node.type === "FunctionExpression" && node.id === null;
}

/** A function that has a parameter of the helper's name means something else by it. */
function declaresAgain(node: Node, helper: string): boolean {
  if (!isFunction(node)) return false;
  for (const param of node.params) {
    for (const name of boundNames(param)) if (name === helper) return true;
  }
  return false;
}
