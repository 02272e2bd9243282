// Syntax that makes it impossible to know that a frozen module instance looks like a fresh one:
// ways to see that an object is frozen, to mutate state that freezing does not cover, or to swallow
// the TypeError of a write without a catch clause. Names are judged wherever they stand, because
// the object they belong to is not known.

import { childrenOf, isFunction, type Node } from "./scopes.ts";

/** Property or variable names that observe frozenness or hide writes. */
const TELLTALE_NAMES = new Set([
  "isFrozen",
  "isSealed",
  "isExtensible",
  "preventExtensions",
  "getOwnPropertyDescriptor",
  "getOwnPropertyDescriptors",
  "__lookupSetter__",
  "__lookupGetter__",
  "Reflect",
  "Proxy",
  "compile",
  "captureStackTrace",
  "prepareStackTrace",
]);

/** Global objects through which a telltale function could be reached by a computed name. */
const GATEWAYS = new Set(["Object", "globalThis", "self"]);

/** Why the module may never be reused, or null. */
export function findObstacle(program: Node): string | null {
  return search(program, null, null);
}

function search(node: Node, parent: Node | null, grandparent: Node | null): string | null {
  const found = judge(node, parent, grandparent);
  if (found !== null) return found;
  for (const child of childrenOf(node)) {
    const inner = search(child, node, parent);
    if (inner !== null) return inner;
  }
  return null;
}

function judge(node: Node, parent: Node | null, grandparent: Node | null): string | null {
  switch (node.type) {
    case "PrivateIdentifier":
      return `the private field #${node.name} is not covered by freezing`;
    case "Identifier":
      return judgeIdentifier(node, parent, grandparent);
    case "Literal":
      return typeof node.value === "string" && TELLTALE_NAMES.has(node.value)
        ? `it names ${node.value}`
        : null;
    case "MemberExpression":
      if (!node.computed && node.property.name === "constructor" && !isNameOfConstructor(parent)) {
        return "it reads .constructor";
      }
      return null;
    case "TryStatement":
      return node.finalizer !== null && completesAbruptly(node.finalizer)
        ? "a finally block may swallow an error"
        : null;
    case "AssignmentExpression":
      return node.left.type === "MemberExpression" && !node.left.computed &&
          node.left.property.name === "return"
        ? "it assigns an iterator's return method"
        : null;
    case "MethodDefinition":
    case "Property":
      return judgeProperty(node, parent);
    case "ImportExpression":
      return "it imports dynamically";
  }
  return null;
}

/** The instrumentation watches `return() {…}` methods; other ways to give an iterator one it cannot. */
function judgeProperty(node: Node, parent: Node | null): string | null {
  if (parent?.type === "ObjectPattern" || node.computed) return null;
  if (node.key.name !== "return" && node.key.value !== "return") return null;
  return node.value.type === "FunctionExpression" && (node.kind === "method" || node.method)
    ? null
    : "it defines an iterator's return method";
}

function judgeIdentifier(node: Node, parent: Node | null, grandparent: Node | null): string | null {
  const name: string = node.name;
  if (TELLTALE_NAMES.has(name)) {
    return isHarmlessUse(name, parent, grandparent) ? null : `it names ${name}`;
  }
  if (!GATEWAYS.has(name) || parent === null || isKey(node, parent)) return null;
  if (parent.type === "UnaryExpression" && parent.operator === "typeof") return null;
  if (parent.type === "BinaryExpression" && parent.operator !== "in") return null;
  if (parent.type === "CallExpression" && parent.callee === node) return null;
  if (isWindowProbe(parent)) return null;
  // `Object` itself, or `globalThis.Object`: what is taken from it must be spelled out.
  const isProperty = parent.type === "MemberExpression" && parent.property === node &&
    !parent.computed;
  if (isProperty && name !== "Object" && !isGlobalObject(parent.object)) return null;
  const access = isProperty ? grandparent : parent;
  const isSpelledOut = access?.type === "MemberExpression" && !access.computed &&
    (access.object === node || access.object === parent);
  return isSpelledOut ? null : `${name} is passed on or asked for a computed property`;
}

function isGlobalObject(node: Node): boolean {
  return node.type === "Identifier" && (node.name === "globalThis" || node.name === "self");
}

function isKey(node: Node, parent: Node): boolean {
  return (parent.type === "MethodDefinition" || parent.type === "PropertyDefinition" ||
    parent.type === "Property") && parent.key === node && parent.value !== node && !parent.computed;
}

/** The library's `Object.getOwnPropertyDescriptor(globalThis, "window")`, and `new Proxy(a, b)`. */
function isHarmlessUse(name: string, parent: Node | null, grandparent: Node | null): boolean {
  if (name === "getOwnPropertyDescriptor") return isWindowProbe(grandparent);
  return name === "Proxy" && parent !== null && isProxyConstruction(parent);
}

/** `new Proxy(target, handler)`: the instrumentation reports both to the isolate. */
export function isProxyConstruction(node: Node): boolean {
  return node.type === "NewExpression" && node.callee.type === "Identifier" &&
    node.callee.name === "Proxy" && node.arguments.length === 2 &&
    node.arguments.every((argument: Node) => argument.type !== "SpreadElement");
}

function isWindowProbe(node: Node | null): boolean {
  if (node?.type !== "CallExpression" || node.arguments.length !== 2) return false;
  const [target, key] = node.arguments;
  return node.callee.type === "MemberExpression" && !node.callee.computed &&
    node.callee.property.name === "getOwnPropertyDescriptor" && target.type === "Identifier" &&
    target.name === "globalThis" && key.type === "Literal" && key.value === "window";
}

/** `x.constructor.name` only reads a text. */
function isNameOfConstructor(parent: Node | null): boolean {
  return parent?.type === "MemberExpression" && !parent.computed && parent.property.name === "name";
}

function completesAbruptly(node: Node): boolean {
  if (
    node.type === "ReturnStatement" || node.type === "BreakStatement" ||
    node.type === "ContinueStatement"
  ) return true;
  if (isFunction(node)) return false;
  for (const child of childrenOf(node)) if (completesAbruptly(child)) return true;
  return false;
}
