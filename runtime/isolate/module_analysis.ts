// What a pushed module exports: functions, HTTP routes, crons (spec deploy 7 and 14).

import { userError } from "../../engine/errors.ts";
import { identifierProblem } from "../../engine/values/field.ts";
import { parseArgsValidator, parseReturnsValidator } from "../../engine/values/validator.ts";
import type { Json } from "../../engine/values/value.ts";
import type {
  AnalyzedFunction,
  ModuleAnalysis,
  PreparedModule,
  SourcePosition,
} from "../frames.ts";
import type { ModuleExports } from "./module_loader.ts";
import { originalPositionIn } from "./source_maps.ts";

const ANY_ARGS = '{"type":"any"}';
const ANY_RETURNS = "null";
const KINDS = [
  ["isQuery", "Query"],
  ["isMutation", "Mutation"],
  ["isAction", "Action"],
] as const;

/**
 * Analyses an evaluated module.
 * @throws PlatformError with the platform's text; whatever the module's own code throws.
 */
export function analyzeExports(module: PreparedModule, exports: ModuleExports): ModuleAnalysis {
  const functions: AnalyzedFunction[] = [];
  for (const name of Object.keys(exports)) {
    if (name === "__esModule") continue;
    const analyzed = analyzeExport(module, name, exports[name]);
    if (analyzed !== null) functions.push(analyzed);
  }
  functions.sort((a, b) => comparePositions(a.pos, b.pos));
  return {
    functions,
    httpRoutes: module.path === "http.js" ? httpRoutes(exports.default) : null,
    cronSpecs: module.path === "crons.js" ? cronSpecs(exports.default) : null,
    sourceMapped: null,
  };
}

function isObject(value: unknown): value is object {
  return typeof value === "function" || typeof value === "object" && value !== null;
}

function analyzeExport(
  module: PreparedModule,
  name: string,
  value: unknown,
): AnalyzedFunction | null {
  if (!isObject(value)) return null;
  const kinds = KINDS.filter(([marker]) => marker in value);
  if (kinds.length !== 1) return null;
  const isPublic = "isPublic" in value;
  const isInternal = "isInternal" in value;
  if (isPublic && isInternal) return null;
  const problem = identifierProblem(name);
  if (problem !== null) {
    throw userError(
      "InvalidFunctionName",
      `Invalid function name used in \`${module.path}\`: ${problem}`,
    );
  }
  const label = `${module.path}:${name}`;
  return {
    name,
    pos: functionPosition(module, value),
    udfType: kinds[0]![1],
    visibility: isPublic ? { kind: "public" } : isInternal ? { kind: "internal" } : null,
    args: exported(value, "exportArgs", label, ANY_ARGS, parseArgsValidator),
    returns: exported(value, "exportReturns", label, ANY_RETURNS, parseReturnsValidator),
  };
}

/** JSON text that an export method returns, checked. */
function exported(
  value: object,
  method: "exportArgs" | "exportReturns",
  label: string,
  missing: string,
  check: (json: Json) => unknown,
): string {
  const exporter = (value as Record<string, unknown>)[method];
  if (typeof exporter !== "function") return missing;
  const text: unknown = exporter.call(value);
  try {
    check(JSON.parse(String(text)));
  } catch (error) {
    const reason = (error as Error).message;
    throw userError(
      "InvalidModules",
      `Invalid JSON returned from ${label}.${method}(): ${reason}`,
    );
  }
  return String(text);
}

/**
 * Where the developer wrote the function. V8 does not tell where a function begins, but its text
 * does, if it occurs once in the module.
 */
function functionPosition(module: PreparedModule, value: object): SourcePosition | null {
  const handler = (value as { _handler?: unknown })._handler ?? value;
  if (typeof handler !== "function") return null;
  const text = Function.prototype.toString.call(handler);
  const offset = module.code.indexOf(text);
  if (offset < 0 || module.code.indexOf(text, offset + 1) >= 0) return null;
  const before = module.code.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  const line = before.split("\n").length;
  const original = originalPositionIn(module, { line, column: offset - lineStart });
  if (original === null) return null;
  return { path: module.path, start_lineno: original.line, start_col: original.column };
}

/** Functions without a position come first. */
function comparePositions(a: SourcePosition | null, b: SourcePosition | null): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  return a.start_lineno - b.start_lineno || a.start_col - b.start_col;
}

function httpRoutes(router: unknown): NonNullable<ModuleAnalysis["httpRoutes"]> {
  if (router === undefined) {
    throw userError(
      "InvalidModules",
      "`convex/http.js` must have a default export of a Router.",
    );
  }
  const { isRouter, getRoutes } = (isObject(router) ? router : {}) as {
    isRouter?: unknown;
    getRoutes?: unknown;
  };
  if (isRouter !== true || typeof getRoutes !== "function") {
    throw userError(
      "InvalidModules",
      "The default export of `convex/http.js` is not a Router.",
    );
  }
  const routes: unknown = getRoutes.call(router);
  if (!Array.isArray(routes) || !routes.every(isRoute)) {
    throw userError(
      "InvalidModules",
      "The `getRoutes()` method of Router did not return the expected type. " +
        "Is there an issue with the `http.js` file?",
    );
  }
  return (routes as [string, string, unknown][]).map(([path, method]) => ({
    route: { path, method },
    pos: null,
  }));
}

function isRoute(route: unknown): boolean {
  return Array.isArray(route) && typeof route[0] === "string" && typeof route[1] === "string";
}

function cronSpecs(crons: unknown): NonNullable<ModuleAnalysis["cronSpecs"]> {
  const target = (isObject(crons) ? crons : {}) as { isCrons?: unknown; export?: unknown };
  if (target.isCrons !== true || typeof target.export !== "function") {
    throw userError(
      "InvalidModules",
      "`convex/crons.js` must have a default export of a Crons object.",
    );
  }
  const specs = JSON.parse(String(target.export.call(crons))) as Record<
    string,
    Record<string, unknown>
  >;
  return Object.entries(specs).map(([identifier, spec]) => ({ identifier, spec }));
}
