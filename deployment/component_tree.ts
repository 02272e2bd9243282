// The tree of component instances that definitions describe: instantiated from the app down, and
// checked: names, environment variables, HTTP mounts (spec components 4).

import type { EnvBinding } from "../engine/components.ts";
import { type PlatformError, userError } from "../engine/errors.ts";
import { parseValidator, type Validator } from "../engine/values/validator.ts";
import { acceptsAll } from "../engine/values/validator_superset.ts";
import { declaredValueProblem } from "./environment.ts";
import type {
  ChildDeclaration,
  ComponentDefinition,
  EnvVarDeclaration,
} from "./component_definition.ts";
import { definitionNotFound } from "./definition_evaluation.ts";

type Environment = Readonly<Record<string, EnvBinding>>;

/** An instance to be; the root is the app. */
export interface ComponentNode {
  /** "" for the app. */
  readonly name: string;
  /** Component path. */
  readonly path: string;
  readonly definitionPath: string;
  /** Where requests reach it, with both slashes; null if nowhere. The app's own may be stripped. */
  readonly httpPrefix: string | null;
  /** Literals and variables of the app; the app itself has all variables. */
  readonly env: Environment;
  readonly mounts: ComponentDefinition["mounts"];
  readonly children: readonly ComponentNode[];
}

/** An evaluated definition with what its `http.js` handles. */
export interface InstantiableDefinition {
  readonly definition: ComponentDefinition;
  /** Paths of its routes, those of prefixes ending in `*`; null without `http.js`. */
  readonly routePaths: readonly string[] | null;
}

type Definitions = ReadonlyMap<string, InstantiableDefinition>;

export interface InstantiationOptions {
  /** Code is generated for a component by itself: required variables may be unbound. */
  readonly forCodegen: boolean;
}

/**
 * Instantiates the app.
 * @throws PlatformError `TypecheckError`
 */
export function instantiateApp(
  definitions: Definitions,
  options: InstantiationOptions,
): ComponentNode {
  const { definition, routePaths } = definitions.get("")!;
  const { httpPrefix, mounts } = definition;
  const app = { name: "", path: "", definitionPath: "", httpPrefix, env: {}, mounts };
  // The app's own prefix is not part of where its children are.
  const children = instantiateChildren({ ...app, httpPrefix: "/" }, definitions, options);
  checkMounts(definition, routePaths, definitions);
  return { ...app, children };
}

/** The nodes of a tree, parents first, the root first of all. */
export function* nodesOf(node: ComponentNode): Generator<ComponentNode> {
  yield node;
  for (const child of node.children) yield* nodesOf(child);
}

function instantiateChildren(
  parent: Omit<ComponentNode, "children">,
  definitions: Definitions,
  options: InstantiationOptions,
): ComponentNode[] {
  const { definition } = definitions.get(parent.definitionPath)!;
  const names = new Set<string>();
  return definition.children.map((child): ComponentNode => {
    const target = definitions.get(child.definitionPath);
    if (target === undefined) throw definitionNotFound(child.definitionPath);
    if (names.has(child.name)) {
      throw typecheckError(
        `Component ${
          shownPath(parent.path)
        } has multiple child components with the same name: ${child.name}`,
      );
    }
    names.add(child.name);
    const node = {
      name: child.name,
      path: parent.path === "" ? child.name : `${parent.path}/${child.name}`,
      definitionPath: child.definitionPath,
      httpPrefix: mountedAt(parent.httpPrefix, definition, child.name),
      env: bind(parent, definition, child, target.definition, options),
      mounts: target.definition.mounts,
    };
    const children = instantiateChildren(node, definitions, options);
    checkMounts(target.definition, target.routePaths, definitions);
    return { ...node, children };
  });
}

function mountedAt(
  parentPrefix: string | null,
  { mounts }: ComponentDefinition,
  childName: string,
): string | null {
  const mount = mounts.find(([, name]) => name === childName);
  if (mount === undefined || parentPrefix === null) return null;
  return parentPrefix.replace(/\/$/, "") + mount[0];
}

/** The child's variables, resolved to literals and variables of the app. */
function bind(
  parent: Pick<ComponentNode, "path" | "env">,
  parentDefinition: ComponentDefinition,
  child: ChildDeclaration,
  definition: ComponentDefinition,
  { forCodegen }: InstantiationOptions,
): Environment {
  const where = shownPath(parent.path === "" ? child.name : `${parent.path}/${child.name}`);
  const declared = new Map(definition.envVars ?? []);
  const ofParent = new Map(parentDefinition.envVars ?? []);
  const env: Record<string, EnvBinding> = {};
  for (const [name, binding] of child.env) {
    const declaration = declared.get(name);
    if (declaration === undefined) {
      throw typecheckError(`Component ${where} has no env var named ${name}`);
    }
    if (binding.type === "value") {
      const problem = declaredValueProblem(binding.value, declaration.value);
      if (problem !== null) {
        throw typecheckError(
          `Component ${where} has an invalid value for env var ${name}: ${problem}`,
        );
      }
      env[name] = binding;
      continue;
    }
    checkPassedOn(`Component ${where} env var ${name}`, declaration, binding.name, ofParent);
    const resolved = parent.path === "" ? binding : parent.env[binding.name];
    if (resolved !== undefined) env[name] = resolved;
  }
  const bound = new Set(child.env.map(([name]) => name));
  for (const [name, { optional }] of declared) {
    if (optional || bound.has(name) || forCodegen) continue;
    throw typecheckError(`Component ${where} is missing required env var ${name}`);
  }
  return env;
}

/** A variable of the child can be one of the parent if every value of that one suits it. */
function checkPassedOn(
  subject: string,
  declaration: EnvVarDeclaration,
  parentName: string,
  ofParent: ReadonlyMap<string, EnvVarDeclaration>,
): void {
  const parentDeclaration = ofParent.get(parentName);
  if (parentDeclaration === undefined) {
    throw typecheckError(`${subject} references undeclared parent env var ${parentName}`);
  }
  if (parentDeclaration.optional && !declaration.optional) {
    throw typecheckError(`${subject} is required, but parent env var ${parentName} is optional`);
  }
  if (!acceptsAll(validatorOf(declaration), validatorOf(parentDeclaration))) {
    throw typecheckError(
      `${subject} validator is not satisfied by parent env var ${parentName} validator`,
    );
  }
}

function validatorOf(declaration: EnvVarDeclaration): Validator {
  return parseValidator(JSON.parse(declaration.value));
}

function checkMounts(
  { children, mounts }: ComponentDefinition,
  routePaths: readonly string[] | null,
  definitions: Definitions,
): void {
  for (const [prefix, childName] of mounts) {
    const invalid = (why: string) => typecheckError(`HTTP mount "${prefix}" is invalid: ${why}`);
    const child = children.find(({ name }) => name === childName);
    const target = child === undefined ? undefined : definitions.get(child.definitionPath);
    if (target === undefined) throw invalid(`Child component ${childName} not found.`);
    if (target.routePaths === null && target.definition.mounts.length === 0) {
      throw invalid(`Child component ${childName} doesn't have any HTTP routes.`);
    }
    if (routePaths?.includes(`${prefix}*`)) throw invalid("Overlap with existing prefix route");
  }
}

function shownPath(path: string): string {
  return path === "" ? "(app)" : path;
}

function typecheckError(message: string): PlatformError {
  return userError("TypecheckError", message);
}
