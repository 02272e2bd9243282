// The checks before a function runs, in the platform's order (spec function-runtime 2): deployment
// state, existence and visibility, kind, arguments.

import { COMMIT_TS_TOKEN, withoutCommitTsTokens } from "../../engine/commit_ts_token.ts";
import { type PlatformError, userError } from "../../engine/errors.ts";
import type { Catalog } from "../../engine/catalog.ts";
import type { ComponentId } from "../../engine/types.ts";
import { checkArgs } from "../../engine/values/args_validator.ts";
import { decodeValue } from "../../engine/values/json.ts";
import { formatSize, sizeOf } from "../../engine/values/size.ts";
import type { IdContext } from "../../engine/values/validator.ts";
import type { Json, Value } from "../../engine/values/value.ts";
import type { AnalyzedFunction } from "../frames.ts";
import type { FunctionPath } from "../types.ts";
import type { CodeAccess } from "./code_view.ts";
import { canonicalName, displayName, inComponent } from "./function_path.ts";

export type RunnableKind = "query" | "mutation" | "action";

export interface FunctionRequest {
  readonly path: FunctionPath;
  readonly kind: RunnableKind;
  /** "public": internal functions are not found. */
  readonly visibility: "public" | "all";
  readonly notFoundWording?: "client" | "runByName";
}

const KIND_NAMES: Record<RunnableKind, AnalyzedFunction["udfType"]> = {
  query: "Query",
  mutation: "Mutation",
  action: "Action",
};

/** @throws PlatformError `DeploymentPaused` */
export function requireRunning(code: CodeAccess): void {
  if (code.deployment()?.state === "paused") {
    throw userError(
      "DeploymentPaused",
      "Cannot run functions while this deployment is paused. Resume the deployment in the " +
        "dashboard settings to allow functions to run.",
    );
  }
}

/**
 * Finds the function that a request may run.
 * @throws PlatformError with the text of the first check that fails.
 */
export function findFunction(request: FunctionRequest, code: CodeAccess): AnalyzedFunction {
  requireRunning(code);
  const { path, kind, visibility } = request;
  const found = code.module(path.component, path.module)?.functions.get(path.name);
  if (found === undefined || visibility === "public" && found.visibility?.kind !== "public") {
    throw notFound(request, code);
  }
  if (found.udfType !== KIND_NAMES[kind]) {
    throw userError(
      "InvalidFunctionKind",
      `Trying to execute ${canonicalName(path)}${inComponent(path, code)} as ${
        KIND_NAMES[kind]
      }, ` +
        `but it is defined as ${found.udfType}.`,
    );
  }
  return found;
}

function notFound(
  { path, notFoundWording }: FunctionRequest,
  code: CodeAccess,
): PlatformError {
  const name = `'${displayName(path)}'${inComponent(path, code)}`;
  return notFoundWording === "runByName"
    ? userError(
      "FunctionNotFound",
      `Could not find function for ${name}. ` +
        "Did you forget to run `npx convex dev`?",
    )
    : userError(
      "FunctionNotFound",
      `Could not find public function for ${name}.`,
    );
}

/** The tables that ids in a component's values belong to. */
export function idContext(catalog: Catalog, component: ComponentId): IdContext {
  return {
    tableOfNumber(number) {
      const table = catalog.tableByNumber(component, number);
      return table === null ? null : { name: table.name, system: table.isSystem };
    },
  };
}

/**
 * The arguments of a call.
 * @param allowsCommitTs whether they may hold placeholders of the commit's timestamp
 * @throws PlatformError when they are no values, too large or refused.
 */
export function checkArguments(
  path: FunctionPath,
  argsText: string,
  validatorText: string,
  context: IdContext,
  argsBytesMax: number,
  allowsCommitTs = false,
): { readonly bytes: number } {
  const name = canonicalName(path);
  const args = decodeArguments(name, argsText, allowsCommitTs);
  let bytes = 0;
  for (const arg of args) bytes += sizeOf(arg);
  if (bytes > argsBytesMax) {
    throw userError(
      "FunctionArgumentsTooLarge",
      `Arguments for ${name} are too large (actual: ${formatSize(bytes)}, ` +
        `limit: ${formatSize(argsBytesMax)})`,
    );
  }
  const problem = checkArgs(validatorText, args, context);
  if (problem !== null) throw userError("ArgumentValidationError", problem);
  return { bytes };
}

function decodeArguments(name: string, argsText: string, allowsCommitTs: boolean): Value[] {
  try {
    const given = JSON.parse(argsText) as Json;
    const json = allowsCommitTs && argsText.includes(COMMIT_TS_TOKEN)
      ? withoutCommitTsTokens(given)
      : given;
    const list = Array.isArray(json) ? json : [json];
    return list.map((arg) => decodeValue(arg));
  } catch (error) {
    throw userError(
      "InvalidArguments",
      `Invalid arguments for ${name}: ${(error as Error).message}`,
    );
  }
}
