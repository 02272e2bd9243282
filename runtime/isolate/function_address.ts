// Which function a syscall names (spec function-runtime 1.1).

import { userError } from "../../engine/errors.ts";
import type { ComponentId } from "../../engine/types.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import type { FunctionPath } from "../types.ts";
import type { CodeAccess } from "./code_view.ts";
import { canonicalName, displayName, parseFunctionName } from "./function_path.ts";

const CHILD_COMPONENT = "_reference/childComponent/";
const OWN_FUNCTION = "_reference/function/";
const HANDLE_PREFIX = "function://";

/**
 * Resolves an address relative to the calling component.
 * @param syscall shown when the address is missing.
 * @throws PlatformError when it is missing, malformed or names nothing.
 */
export function resolveAddress(
  args: JsonObject,
  syscall: string,
  component: ComponentId,
  code: Pick<CodeAccess, "handleTarget">,
): FunctionPath {
  const { name, reference, functionHandle } = args;
  if (typeof name === "string") return parseFunctionName(component, name);
  if (typeof reference === "string") return resolveReference(reference, component);
  if (typeof functionHandle === "string") return resolveHandle(functionHandle, code);
  throw userError(
    "InvalidArgument",
    `Invalid arguments for \`${syscall}\`: Missing required argument 'name'`,
  );
}

function resolveReference(reference: string, component: ComponentId): FunctionPath {
  if (reference.startsWith(OWN_FUNCTION)) {
    return parseFunctionName(component, reference.slice(OWN_FUNCTION.length));
  }
  if (reference.startsWith(CHILD_COMPONENT)) {
    const [child = ""] = reference.slice(CHILD_COMPONENT.length).split("/");
    throw userError("InvalidReference", `Child component ${child} not found`);
  }
  throw userError("InvalidReference", `Invalid reference ${reference}`);
}

function resolveHandle(handle: string, code: Pick<CodeAccess, "handleTarget">): FunctionPath {
  if (!handle.startsWith(HANDLE_PREFIX)) {
    throw userError("InvalidArgument", `Invalid function handle ${handle}`);
  }
  const [id = ""] = handle.slice(HANDLE_PREFIX.length).split("#");
  const path = code.handleTarget(id);
  if (path === null) throw userError("FunctionHandleNotFound", "Function handle not found");
  return path;
}

/** The handle of a function, which a push made for every function. */
export function handleOf(path: FunctionPath, code: CodeAccess): string {
  const id = code.functionHandle(path.component, canonicalName(path));
  if (id === null) throw userError("FunctionHandleNotFound", "Function handle not found");
  return `${HANDLE_PREFIX}${id}#${displayName(path)}`;
}
