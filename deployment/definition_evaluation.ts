// The definitions of a push: which of them the app uses, in which order they can be evaluated, and
// their evaluation. A definition sees those that it imports only as names (spec components 3).

import { Buffer } from "node:buffer";
import { userError } from "../engine/errors.ts";
import type { Json } from "../engine/values/value.ts";
import type { Analyzer } from "../runtime/analysis.ts";
import type { PreparedModule } from "../runtime/frames.ts";
import { type ComponentDefinition, EMPTY_APP, parseDefinition } from "./component_definition.ts";
import type { PushedDefinition } from "./push_request.ts";

/**
 * The definitions that the app uses, directly or not, each after all that it uses; the app last.
 * @throws PlatformError `CyclicImport`, `TypecheckError` for one that was not pushed
 */
export function usedDefinitions(
  app: PushedDefinition,
  components: readonly PushedDefinition[],
): PushedDefinition[] {
  const byPath = new Map(components.map((component) => [component.path, component]));
  const state = new Map<string, "begun" | "done">();
  const ordered: PushedDefinition[] = [];
  const visit = (definition: PushedDefinition) => {
    state.set(definition.path, "begun");
    for (const path of definition.dependencies) {
      if (state.get(path) === "done") continue;
      if (state.get(path) === "begun") {
        throw userError("CyclicImport", "Found cyclic definition dependency");
      }
      const dependency = byPath.get(path);
      if (dependency === undefined) throw definitionNotFound(path);
      visit(dependency);
    }
    state.set(definition.path, "done");
    ordered.push(definition);
  };
  visit(app);
  return ordered;
}

export function definitionNotFound(path: string) {
  return userError("TypecheckError", `Component definition not found: ${path}`);
}

/** A definition with its module ready to run; null: the app has no `convex.config.ts`. */
export interface PreparedDefinition {
  readonly pushed: PushedDefinition;
  readonly module: PreparedModule | null;
}

/**
 * Evaluates definitions that come in the order of {@link usedDefinitions}.
 * @param environment the app's variables; components see none
 * @returns by definition path, in the same order
 * @throws PlatformError with the codes of spec components 3
 */
export async function evaluateDefinitions(
  definitions: readonly PreparedDefinition[],
  analyzer: Analyzer,
  environment: Readonly<Record<string, string>>,
): Promise<Map<string, ComponentDefinition>> {
  const evaluated = new Map<string, ComponentDefinition>();
  /** What a definition that imports one of them gets, by import specifier. */
  const imports: Record<string, string> = {};
  for (const { pushed: { path }, module } of definitions) {
    if (module === null) {
      evaluated.set(path, EMPTY_APP);
      continue;
    }
    const exported = await analyzer.evaluateDefinition(module, {
      definitionPath: path,
      env: path === "" ? environment : null,
      dependencies: imports,
    });
    const definition = parseDefinition(exported, path);
    evaluated.set(path, definition);
    imports[importSpecifier(path)] = importedDefinition(definition, exported);
  }
  return evaluated;
}

/** How the CLI's bundler names an import of another definition. */
function importSpecifier(definitionPath: string): string {
  return `./_componentDeps/${Buffer.from(definitionPath).toString("base64url")}`;
}

function importedDefinition({ path, defaultName }: ComponentDefinition, metadata: Json): string {
  return JSON.stringify({ componentDefinitionPath: path, defaultName, metadata });
}
