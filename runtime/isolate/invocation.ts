// Calls a registered function object (spec function-runtime 2).

import { userError } from "../../engine/errors.ts";
import type { RunnableKind } from "./function_checks.ts";

interface RegisteredFunction {
  readonly isQuery?: unknown;
  readonly isMutation?: unknown;
  readonly isAction?: unknown;
  invokeQuery?(args: string): unknown;
  invokeMutation?(args: string): unknown;
  invokeAction?(requestId: string, args: string): unknown;
}

/** Echoed by the package in later syscalls; nobody reads it. */
const PACKAGE_REQUEST_ID = "";

/**
 * Starts the function. The promise settles as the function's own.
 * @param name `mod.js:fn`, for messages.
 * @throws PlatformError when the export is no function of that kind.
 */
export function invoke(
  registered: unknown,
  kind: RunnableKind,
  name: string,
  argsText: string,
): Promise<unknown> {
  const isObject = typeof registered === "function" ||
    typeof registered === "object" && registered !== null;
  const target = (isObject ? registered : {}) as RegisteredFunction;
  checkKind(target, kind, name);
  try {
    return Promise.resolve(call(target, kind, argsText));
  } catch (error) {
    return Promise.reject(error);
  }
}

function call(target: RegisteredFunction, kind: RunnableKind, argsText: string): unknown {
  switch (kind) {
    case "query":
      return target.invokeQuery!(argsText);
    case "mutation":
      return target.invokeMutation!(argsText);
    case "action":
      return target.invokeAction!(PACKAGE_REQUEST_ID, argsText);
  }
}

function checkKind(target: RegisteredFunction, kind: RunnableKind, name: string): void {
  const isQuery = "isQuery" in target && typeof target.invokeQuery === "function";
  const isMutation = "isMutation" in target && typeof target.invokeMutation === "function";
  const isAction = "isAction" in target && typeof target.invokeAction === "function";
  const matches = kind === "query" ? isQuery : kind === "mutation" ? isMutation : isAction;
  if (matches) return;
  if (kind === "action") {
    throw userError(
      "FunctionKindMismatch",
      `Function ${name} is not an action. Did you forget to wrap it with \`action\`?`,
    );
  }
  if (!isQuery && !isMutation) {
    throw userError(
      "FunctionKindMismatch",
      `Function ${name} is neither a query or mutation. ` +
        "Did you forget to wrap it with `query` or `mutation`?",
    );
  }
  const actual = isQuery ? "query" : "mutation";
  throw userError(
    "FunctionKindMismatch",
    `Function ${name} is registered as a ${actual} but is being run as a ${kind}.`,
  );
}
