// Finds syntax with which a function might change an object that its run did not make. Where there is
// none, in any module of an instance, no run of it ever meets a frozen object with a write, so that
// sealed instances (runtime/isolate/instance_seal.ts) also suit actions, which have effects and cannot
// run again. This is no matter of isolation: what is frozen stays frozen whatever is overlooked here.
//
// An object surely belongs to the run if the function that writes to it made it: a literal, `new`, a
// copy, or a variable of that same function that only ever holds such objects. Code outside of
// functions may write anything: it runs once, before the instance is sealed. The platform's own npm
// package needs no proof: it is known to change only objects that it made for the run.

import type { Comment } from "acorn";
import { isProxyConstruction } from "./obstacles.ts";
import { childrenOf, isFieldInitializer, isFunction, type Node, type Scope } from "./scopes.ts";

/** Methods that change their array. What else is called so is suspected, too. */
const MUTATING_METHODS = new Set([
  "push",
  "pop",
  "shift",
  "unshift",
  "splice",
  "sort",
  "reverse",
  "fill",
  "copyWithin",
]);
/** Functions of `Object` that change their first argument. */
const MUTATING_FUNCTIONS = new Set([
  "assign",
  "defineProperty",
  "defineProperties",
  "setPrototypeOf",
]);
/** Methods that return a new array (or text, of which everybody has a copy). */
const COPYING_METHODS = new Set([
  "concat",
  "filter",
  "flat",
  "flatMap",
  "map",
  "slice",
  "split",
  "toReversed",
  "toSorted",
]);
/** `Object.keys(x)`, `Array.from(x)`, `JSON.parse(x)`, … */
const COPYING_FUNCTIONS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["Object", new Set(["keys", "values", "entries", "fromEntries", "create"])],
  ["Array", new Set(["from", "of"])],
  ["JSON", new Set(["parse"])],
]);

/** A variable of a function, with everything that it is ever given. */
interface Variable {
  readonly owner: Node;
  readonly values: (Node | null)[];
}

/** What a bundler writes before the text of each file. */
const FILE_COMMENT = /^ \S+\.[cm]?[jt]sx?$/;
const PLATFORM_FILE = /[ /]node_modules\/convex\/dist\//;

/**
 * Says where a function may write to what its run did not make; null if nowhere.
 * @param comments of the module, in their order
 */
export function findForeignWrite(
  program: Node,
  scopes: ReadonlyMap<Node, Scope>,
  comments: readonly Comment[],
): string | null {
  const scope = scopes.get(program)!;
  const search = new Search(program, scopes);
  search.gather(program, scope);
  for (const statement of judgedStatements(program, comments)) {
    search.visit(statement, scope, program, program);
  }
  return search.found;
}

/** All but the bundler's helpers, which stand before the first file, and the platform's package. */
function* judgedStatements(program: Node, comments: readonly Comment[]): Iterable<Node> {
  const files = comments.filter(({ type, value }) => type === "Line" && FILE_COMMENT.test(value));
  let next = 0;
  let isJudged = files.length === 0;
  for (const statement of program.body as Node[]) {
    for (; next < files.length && files[next]!.start < statement.start; next++) {
      isJudged = !PLATFORM_FILE.test(files[next]!.value);
    }
    if (isJudged) yield statement;
  }
}

class Search {
  found: string | null = null;
  readonly #variables = new Map<Scope, Map<string, Variable>>();
  readonly #constructors = new Set<Node>();

  constructor(
    private readonly program: Node,
    private readonly scopes: ReadonlyMap<Node, Scope>,
  ) {}

  /** Notes what variables are given. */
  gather(node: Node, outer: Scope): void {
    const scope = this.scopes.get(node) ?? outer;
    switch (node.type) {
      case "VariableDeclaration":
        for (const { id, init } of node.declarations) {
          if (id.type === "Identifier" && init !== null) this.#give(id.name, scope, init);
          else if (id.type !== "Identifier") this.#giveUnknown(id, scope);
        }
        break;
      case "AssignmentExpression":
        if (node.left.type === "Identifier" && node.operator === "=") {
          this.#give(node.left.name, scope, node.right);
        } else this.#giveUnknown(node.left, scope);
        break;
      case "ForInStatement":
      case "ForOfStatement":
        if (node.left.type === "VariableDeclaration") {
          for (const { id } of node.left.declarations) this.#giveUnknown(id, scope);
        } else this.#giveUnknown(node.left, scope);
        break;
      case "CatchClause":
        if (node.param) this.#giveUnknown(node.param, scope);
        break;
      case "MethodDefinition":
        if (node.kind === "constructor") this.#constructors.add(node.value);
        break;
      case "FunctionDeclaration":
      case "ClassDeclaration":
        if (node.id) this.#give(node.id.name, outer, null);
        break;
    }
    if (isFunction(node)) { for (const param of node.params) this.#giveUnknown(param, scope); }
    for (const child of childrenOf(node)) this.gather(child, scope);
  }

  #giveUnknown(target: Node, scope: Scope): void {
    if (target.type === "Identifier") return this.#give(target.name, scope, null);
    if (target.type === "MemberExpression") return;
    for (const child of childrenOf(target)) this.#giveUnknown(child, scope);
  }

  /** @param value null: anything */
  #give(name: string, from: Scope, value: Node | null): void {
    const scope = declaringScope(name, from);
    if (scope === null) return;
    let variables = this.#variables.get(scope);
    if (variables === undefined) this.#variables.set(scope, variables = new Map());
    const variable = variables.get(name);
    if (variable === undefined) variables.set(name, { owner: scope.activation, values: [value] });
    else variable.values.push(value);
  }

  visit(node: Node, outer: Scope, outerActivation: Node, parent: Node | null): void {
    if (this.found !== null) return;
    const scope = this.scopes.get(node) ?? outer;
    const activation = scope.kind === "function" && scope.node === node ? node : outerActivation;
    const problem = this.#judge(node, scope, activation, parent);
    if (problem !== null) {
      this.found = problem;
      return;
    }
    for (const child of childrenOf(node)) this.visit(child, scope, activation, node);
  }

  #judge(node: Node, scope: Scope, activation: Node, parent: Node | null): string | null {
    const isWithin = activation !== this.program && activation.type !== "StaticBlock";
    const isOwn = (object: Node) => this.#isOwn(object, scope, activation, []);
    switch (node.type) {
      case "AssignmentExpression":
      case "ForInStatement":
      case "ForOfStatement":
        return isWithin ? firstForeign(node.left, isOwn) : null;
      case "UpdateExpression":
        return isWithin ? firstForeign(node.argument, isOwn) : null;
      case "UnaryExpression":
        return isWithin && node.operator === "delete" ? firstForeign(node.argument, isOwn) : null;
      case "CallExpression":
        return isWithin ? this.#judgeCall(node, isOwn) : null;
      case "MemberExpression": {
        const name = propertyName(node);
        if (name === null) return null;
        const isCalled = parent?.type === "CallExpression" && parent.callee === node;
        if (MUTATING_METHODS.has(name)) {
          if (isCalled && (!isWithin || isOwn(node.object))) return null;
          return `it may change an array that it did not make (.${name})`;
        }
        return MUTATING_FUNCTIONS.has(name) && !isCalled ? `it passes ${name} on` : null;
      }
      case "Property":
        return parent?.type === "ObjectPattern" && !node.computed &&
            (MUTATING_METHODS.has(node.key.name) || MUTATING_FUNCTIONS.has(node.key.name))
          ? `it takes ${node.key.name} out of an object`
          : null;
    }
    return null;
  }

  #judgeCall(node: Node, isOwn: (object: Node) => boolean): string | null {
    const { callee } = node;
    if (callee.type === "MemberExpression") {
      const name = propertyName(callee);
      if (name === null) {
        return isOwn(callee.object) ? null : "it calls a method by a computed name";
      }
      if (!MUTATING_FUNCTIONS.has(name)) return null;
    } else return null;
    const [target] = node.arguments;
    return target !== undefined && isOwn(target)
      ? null
      : "it may define properties of an object that it did not make";
  }

  /** Whether the expression surely is an object that this activation made. */
  #isOwn(node: Node, scope: Scope, activation: Node, seen: readonly Variable[]): boolean {
    const isOwn = (inner: Node) => this.#isOwn(inner, scope, activation, seen);
    switch (node.type) {
      case "ArrayExpression":
      case "ObjectExpression":
      case "ArrowFunctionExpression":
      case "FunctionExpression":
      case "ClassExpression":
      case "TemplateLiteral":
      case "Literal":
        return true;
      case "NewExpression":
        // What is written to a proxy arrives at its target.
        return !isProxyConstruction(node);
      case "ThisExpression":
        return isFieldInitializer(activation) || this.#constructors.has(activation);
      case "AwaitExpression":
        return isOwn(node.argument);
      case "ConditionalExpression":
        return isOwn(node.consequent) && isOwn(node.alternate);
      case "LogicalExpression":
        return isOwn(node.left) && isOwn(node.right);
      case "CallExpression":
        return isCopy(node, isOwn);
      case "Identifier": {
        const variable = this.#variable(node.name, scope);
        if (variable === null || variable.owner !== activation) return false;
        if (seen.includes(variable)) return true;
        const further = [...seen, variable];
        return variable.values.every((value) =>
          value !== null && this.#isOwn(value, scope, activation, further)
        );
      }
    }
    return false;
  }

  #variable(name: string, from: Scope): Variable | null {
    const scope = declaringScope(name, from);
    return scope === null ? null : this.#variables.get(scope)?.get(name) ?? null;
  }
}

function declaringScope(name: string, from: Scope): Scope | null {
  for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
    if (scope.declared.has(name)) return scope;
  }
  return null;
}

/** Looks for a property among the targets of an assignment whose object is not the run's own. */
function firstForeign(target: Node, isOwn: (object: Node) => boolean): string | null {
  switch (target.type) {
    case "MemberExpression":
      return target.object.type !== "Super" && isOwn(target.object)
        ? null
        : `it may write to an object that it did not make (${propertyName(target) ?? "[…]"})`;
    case "Identifier":
      return null;
    case "ChainExpression":
      return firstForeign(target.expression, isOwn);
    case "AssignmentPattern":
      return firstForeign(target.left, isOwn);
    case "Property":
      return firstForeign(target.value, isOwn);
  }
  if (target.type === "VariableDeclaration") return null;
  for (const child of childrenOf(target)) {
    const found = firstForeign(child, isOwn);
    if (found !== null) return found;
  }
  return null;
}

function propertyName(member: Node): string | null {
  if (!member.computed) return member.property.name ?? null;
  return member.property.type === "Literal" ? String(member.property.value) : null;
}

function isCopy(call: Node, isOwn: (object: Node) => boolean): boolean {
  const { callee } = call;
  if (callee.type !== "MemberExpression" || callee.computed) return false;
  const { object, property: { name } } = callee;
  if (object.type === "Identifier" && COPYING_FUNCTIONS.get(object.name)?.has(name)) return true;
  if (COPYING_METHODS.has(name)) return true;
  // `[…].sort()` returns its array.
  return MUTATING_METHODS.has(name) && isOwn(object);
}
