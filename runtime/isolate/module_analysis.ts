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
import { describeExports, isObject } from "../exported_functions.ts";
import type { ExportDescription } from "../node/protocol.ts";
import type { ModuleExports } from "./module_loader.ts";
import { originalPositionIn } from "./source_maps.ts";

const ANY_ARGS = '{"type":"any"}';
const ANY_RETURNS = "null";
/**
 * Analyses an evaluated module.
 * @throws PlatformError with the platform's text; whatever the module's own code throws.
 */
export function analyzeExports(module: PreparedModule, exports: ModuleExports): ModuleAnalysis {
  return {
    functions: analyzeFunctions(module, describeExports(exports)),
    httpRoutes: module.path === "http.js" ? httpRoutes(exports.default) : null,
    cronSpecs: module.path === "crons.js" ? cronSpecs(exports.default) : null,
    sourceMapped: null,
  };
}

/**
 * Checks the functions that a module described.
 * @throws PlatformError `InvalidFunctionName`, `InvalidModules`
 */
export function analyzeFunctions(
  module: PreparedModule,
  described: readonly ExportDescription[],
): AnalyzedFunction[] {
  const functions = described.map((each) => analyzeFunction(module, each));
  return functions.sort((a, b) => comparePositions(a.pos, b.pos));
}

function analyzeFunction(module: PreparedModule, described: ExportDescription): AnalyzedFunction {
  const { name, udfType, visibility, handlerText } = described;
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
    pos: handlerText === null ? null : functionPosition(module, handlerText),
    udfType,
    visibility: visibility === null ? null : { kind: visibility },
    args: checkedText(described.args, `${label}.exportArgs()`, parseArgsValidator) ?? ANY_ARGS,
    returns: checkedText(described.returns, `${label}.exportReturns()`, parseReturnsValidator) ??
      ANY_RETURNS,
  };
}

/** JSON text that an export method returned. */
function checkedText(
  text: string | null,
  source: string,
  check: (json: Json) => unknown,
): string | null {
  if (text === null) return null;
  try {
    check(JSON.parse(text));
  } catch (error) {
    const reason = (error as Error).message;
    throw userError("InvalidModules", `Invalid JSON returned from ${source}: ${reason}`);
  }
  return text;
}

/**
 * Where the developer wrote the function. V8 does not tell where a function begins, but its text
 * does, if it occurs once in the module.
 */
function functionPosition(module: PreparedModule, text: string): SourcePosition | null {
  // Modules of Node run as they were pushed.
  const code = module.environment === "node" ? module.source : module.code;
  const offset = code.indexOf(text);
  if (offset < 0 || code.indexOf(text, offset + 1) >= 0) return null;
  let line = 1;
  let lineStart = 0;
  for (let end; (end = code.indexOf("\n", lineStart)) >= 0 && end < offset; lineStart = end + 1) {
    line++;
  }
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
  if (crons === undefined) {
    throw userError(
      "InvalidModules",
      "`convex/crons.js` must have a default export of a Crons object.",
    );
  }
  const target = (isObject(crons) ? crons : {}) as { isCrons?: unknown; export?: unknown };
  if (target.isCrons !== true || typeof target.export !== "function") {
    throw userError(
      "InvalidModules",
      "The default export of `convex/crons.js` is not a Crons object.",
    );
  }
  const specs = parsedObject(target.export.call(crons));
  if (specs === null || !Object.values(specs).every(isObject)) {
    throw userError(
      "InvalidModules",
      "The `export()` method of Crons did not return the expected type. " +
        "Is there an issue with the `crons.js` file?",
    );
  }
  return Object.entries(specs as Record<string, Record<string, unknown>>)
    .map(([identifier, spec]) => ({ identifier, spec }));
}

/** The object that a JSON text holds, or null. */
function parsedObject(text: unknown): object | null {
  try {
    const value: unknown = JSON.parse(String(text));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
