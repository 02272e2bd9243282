// Lexical scopes of one ES module: which bindings a scope declares, which of them inner functions
// capture, and which captured ones inner functions assign. The instrumentation (instrument.ts) asks
// only these questions, so this is no general scope manager: the module is strict code, without
// `with` and `eval`.

import type * as acorn from "acorn";

// deno-lint-ignore no-explicit-any -- acorn's nodes are walked generically, by their type name
export type Node = acorn.Node & Record<string, any>;

export type ScopeKind = "module" | "function" | "block";

export class Scope {
  readonly declared = new Set<string>();
  /** Names (also `this` and `arguments`) that a function nested in this scope refers to. */
  readonly captured = new Set<string>();
  /** An inner function assigns a captured binding: the scope is state, not only structure. */
  assignedByInner: string | null = null;

  constructor(
    readonly kind: ScopeKind,
    readonly node: Node,
    readonly parent: Scope | null,
    /** The function (or module) whose activation this scope belongs to. */
    readonly activation: Node,
  ) {}
}

export function isFunction(node: Node): boolean {
  return node.type === "FunctionDeclaration" || node.type === "FunctionExpression" ||
    node.type === "ArrowFunctionExpression";
}

/** The child nodes in source order. */
export function* childrenOf(node: Node): Iterable<Node> {
  for (const key in node) {
    if (key === "type" || key === "start" || key === "end") continue;
    const value = node[key];
    if (Array.isArray(value)) {
      for (const item of value) if (item && typeof item.type === "string") yield item;
    } else if (value && typeof value.type === "string") {
      yield value;
    }
  }
}

/** The names that a binding pattern declares. */
export function* boundNames(pattern: Node): Iterable<string> {
  switch (pattern.type) {
    case "Identifier":
      yield pattern.name;
      return;
    case "ObjectPattern":
      for (const property of pattern.properties) {
        yield* boundNames(property.type === "RestElement" ? property.argument : property.value);
      }
      return;
    case "ArrayPattern":
      for (const element of pattern.elements) if (element) yield* boundNames(element);
      return;
    case "AssignmentPattern":
      yield* boundNames(pattern.left);
      return;
    case "RestElement":
      yield* boundNames(pattern.argument);
  }
}

/** All scopes of the module by the node that opens them, captures resolved. */
export function analyzeScopes(program: Node): Map<Node, Scope> {
  const scopes = new Map<Node, Scope>();
  const root = new Scope("module", program, null, program);
  scopes.set(program, root);
  for (const child of childrenOf(program)) declare(child, root, root);
  const resolver = new Resolver(scopes);
  for (const child of childrenOf(program)) resolver.visit(child, root, program);
  return scopes;

  /** First pass: opens scopes and fills `declared`. `hoist` is where `var` lands. */
  function declare(node: Node, scope: Scope, hoist: Scope): void {
    const opened = open(node, scope);
    const inner = opened ?? scope;
    const innerHoist = opened?.kind === "function" ? opened : hoist;
    switch (node.type) {
      case "VariableDeclaration":
        for (const declarator of node.declarations) {
          const target = node.kind === "var" ? hoist : inner;
          for (const name of boundNames(declarator.id)) target.declared.add(name);
        }
        break;
      case "FunctionDeclaration":
      case "ClassDeclaration":
        if (node.id) scope.declared.add(node.id.name);
        break;
      case "FunctionExpression":
        if (node.id) inner.declared.add(node.id.name);
        break;
      case "ClassExpression":
        if (node.id) inner.declared.add(node.id.name);
        break;
      case "CatchClause":
        if (node.param) { for (const name of boundNames(node.param)) inner.declared.add(name); }
        break;
      case "ImportDeclaration":
        for (const specifier of node.specifiers) scope.declared.add(specifier.local.name);
        break;
    }
    if (isFunction(node)) {
      for (const param of node.params) {
        for (const name of boundNames(param)) inner.declared.add(name);
      }
    }
    for (const child of childrenOf(node)) declare(child, inner, innerHoist);
  }

  function open(node: Node, parent: Scope): Scope | null {
    if (isFunction(node) || node.type === "StaticBlock" || isFieldInitializer(node)) {
      return remember(new Scope("function", node, parent, node));
    }
    switch (node.type) {
      case "BlockStatement":
        // The body of a function or of a catch shares the scope of its head.
        if (isFunction(parent.node) && parent.node.body === node) return null;
        if (parent.node.type === "CatchClause" && parent.node.body === node) return null;
        return remember(new Scope("block", node, parent, parent.activation));
      case "CatchClause":
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
      case "SwitchStatement":
      case "ClassExpression":
        return remember(new Scope("block", node, parent, parent.activation));
    }
    return null;
  }

  function remember(scope: Scope): Scope {
    scopes.set(scope.node, scope);
    return scope;
  }
}

/** A class field with a value: the value runs like a method, with its own `this`. */
export function isFieldInitializer(node: Node): boolean {
  return node.type === "PropertyDefinition" && node.value !== null;
}

/** Second pass: finds the scope of each reference and notes captures and assignments. */
class Resolver {
  constructor(private readonly scopes: Map<Node, Scope>) {}

  visit(node: Node, scope: Scope, activation: Node): void {
    const inner = this.scopes.get(node) ?? scope;
    const innerActivation = inner.kind === "function" && inner.node === node ? node : activation;
    switch (node.type) {
      case "Identifier":
        this.refer(node.name, scope, activation, false);
        return;
      case "ThisExpression":
      case "Super":
        this.captureReceiver("this", activation, scope);
        return;
      case "MetaProperty":
        return;
      case "MemberExpression":
        this.visit(node.object, scope, activation);
        if (node.computed) this.visit(node.property, scope, activation);
        return;
      case "Property":
      case "MethodDefinition":
      case "PropertyDefinition":
        if (node.computed) this.visit(node.key, scope, activation);
        if (node.value) this.visit(node.value, inner, innerActivation);
        return;
      case "AssignmentExpression":
        this.assign(node.left, inner, innerActivation);
        break;
      case "UpdateExpression":
        this.assign(node.argument, inner, innerActivation);
        break;
      case "ForInStatement":
      case "ForOfStatement":
        if (node.left.type !== "VariableDeclaration") {
          this.assign(node.left, inner, innerActivation);
        }
        break;
      case "LabeledStatement":
        this.visit(node.body, scope, activation);
        return;
      case "BreakStatement":
      case "ContinueStatement":
      case "ImportDeclaration":
        return;
      case "ExportSpecifier":
        return;
      case "ExportNamedDeclaration":
        if (node.declaration) this.visit(node.declaration, scope, activation);
        return;
    }
    for (const child of childrenOf(node)) this.visit(child, inner, innerActivation);
  }

  private assign(target: Node, scope: Scope, activation: Node): void {
    switch (target.type) {
      case "Identifier":
        this.refer(target.name, scope, activation, true);
        return;
      case "ObjectPattern":
        for (const property of target.properties) {
          this.assign(
            property.type === "RestElement" ? property.argument : property.value,
            scope,
            activation,
          );
        }
        return;
      case "ArrayPattern":
        for (const element of target.elements) if (element) this.assign(element, scope, activation);
        return;
      case "AssignmentPattern":
        this.assign(target.left, scope, activation);
        return;
      case "RestElement":
        this.assign(target.argument, scope, activation);
    }
  }

  private refer(name: string, from: Scope, activation: Node, assigned: boolean): void {
    if (name === "arguments") return this.captureReceiver("arguments", activation, from);
    for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
      if (!scope.declared.has(name)) continue;
      if (scope.activation !== activation) {
        scope.captured.add(name);
        if (assigned) scope.assignedByInner ??= name;
      }
      return;
    }
  }

  /** `this` and `arguments` belong to the nearest function that is no arrow. */
  private captureReceiver(name: string, activation: Node, from: Scope): void {
    if (activation.type !== "ArrowFunctionExpression") return;
    for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
      if (scope.kind !== "function" || scope.node.type === "ArrowFunctionExpression") continue;
      scope.captured.add(name);
      return;
    }
  }
}
