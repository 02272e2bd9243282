// Which function a syscall names, seen from the component that makes it (spec components 6, 7;
// function-runtime 1.1). A component names its own functions, the public ones of its children, and
// whatever it was given a handle of; nothing else.

import type { Component } from "../../engine/components.ts";
import { PlatformError, userError } from "../../engine/errors.ts";
import type { ComponentId } from "../../engine/types.ts";
import { HANDLE_PREFIX } from "../../engine/values/function_handle.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import type { AnalyzedFunction } from "../frames.ts";
import type { FunctionPath } from "../types.ts";
import {
  canonicalName,
  type ComponentPaths,
  displayName,
  parseFunctionName,
} from "./function_path.ts";

const CHILD_COMPONENT = "_reference/childComponent/";
const OWN_FUNCTION = "_reference/function/";

/** The pushed code, as far as addresses are resolved in it. */
export interface AddressBook extends ComponentPaths {
  /** The installed child component of that name. */
  childComponent(parent: ComponentId, name: string): Component | null;
  module(
    component: ComponentId,
    path: string,
  ): { readonly functions: ReadonlyMap<string, AnalyzedFunction> } | null;
  /** The function that a handle names; null if it is gone. */
  handleTarget(id: string): FunctionPath | null;
}

/**
 * Resolves an address relative to the calling component.
 * @param syscall shown when the address is missing.
 * @throws PlatformError when it is missing, malformed or names nothing.
 */
export function resolveAddress(
  args: JsonObject,
  syscall: string,
  component: ComponentId,
  code: AddressBook,
): FunctionPath {
  const { name, reference, functionHandle } = args;
  if (typeof name === "string") return parseFunctionName(component, name);
  if (typeof reference === "string") return resolveReference(reference, component, code);
  if (typeof functionHandle === "string") return resolveHandle(functionHandle, code);
  throw userError(
    "InvalidArgument",
    `Invalid arguments for \`${syscall}\`: Missing required argument 'name'`,
  );
}

/** Like {@link resolveAddress}, in the words in which actions hear of references to nothing. */
export function resolveInAction(
  args: JsonObject,
  syscall: string,
  component: ComponentId,
  code: AddressBook,
): FunctionPath {
  const unresolved = (parts: readonly string[]) =>
    userError("InvalidReference", `Couldn't resolve ${parts.join(".")}`);
  let path: FunctionPath;
  try {
    path = resolveAddress(args, syscall, component, code);
  } catch (error) {
    const { reference } = args;
    const isUnresolved = error instanceof PlatformError && error.code === "InvalidReference";
    if (!isUnresolved || !isChildReference(reference)) throw error;
    throw unresolved(childReferenceParts(reference));
  }
  const isOwn = typeof args.name === "string";
  if (isOwn && code.module(component, path.module)?.functions.has(path.name) !== true) {
    throw unresolved(["api", ...displayName(path).split(/[/:]/)]);
  }
  return path;
}

function resolveReference(
  reference: string,
  component: ComponentId,
  code: AddressBook,
): FunctionPath {
  if (reference.startsWith(OWN_FUNCTION)) {
    return parseFunctionName(component, reference.slice(OWN_FUNCTION.length));
  }
  if (!isChildReference(reference)) {
    throw userError("InvalidReference", `Invalid reference ${reference}`);
  }
  const [childName = "", ...exported] = childReferenceParts(reference);
  const child = code.childComponent(component, childName);
  if (child === null) {
    throw userError("InvalidReference", `Child component ${childName} not found`);
  }
  const module = `${exported.slice(0, -1).join("/")}.js`;
  const name = exported.at(-1) ?? "";
  const found = code.module(child._id, module)?.functions.get(name);
  if (found?.visibility?.kind !== "public") {
    throw userError(
      "InvalidReference",
      `Child component ${childName} does not export ${exported.join(".")}`,
    );
  }
  return { component: child._id, module, name };
}

function isChildReference(reference: unknown): reference is string {
  return typeof reference === "string" && reference.startsWith(CHILD_COMPONENT);
}

/** The child's name, then the path of the export. */
function childReferenceParts(reference: string): string[] {
  return reference.slice(CHILD_COMPONENT.length).split("/");
}

function resolveHandle(handle: string, code: AddressBook): FunctionPath {
  if (!handle.startsWith(HANDLE_PREFIX)) {
    throw userError("InvalidArgument", `Invalid function handle ${handle}`);
  }
  const [id = ""] = handle.slice(HANDLE_PREFIX.length).split("#");
  const path = code.handleTarget(id);
  if (path === null) throw handleNotFound();
  return path;
}

/** Pushes give every function a handle; its text says where it was made, and only the id counts. */
export interface HandleBook extends AddressBook {
  /** Id of the handle of `path` (`mod.js:fn`) in the component; null if there is none. */
  functionHandle(component: ComponentId, path: string): string | null;
}

/**
 * The handle of the function at an address; a handle is its own.
 * @param resolve how the address is resolved
 * @throws PlatformError `FunctionHandleNotFound`, and what `resolve` throws
 */
export function createFunctionHandle(
  args: JsonObject,
  component: ComponentId,
  code: HandleBook,
  resolve: typeof resolveAddress = resolveAddress,
): string {
  if (typeof args.functionHandle === "string") return args.functionHandle;
  const path = resolve(args, "createFunctionHandle", component, code);
  const id = code.functionHandle(path.component, canonicalName(path));
  if (id === null) throw handleNotFound();
  return `${HANDLE_PREFIX}${id}#${displayName(path)}`;
}

function handleNotFound(): PlatformError {
  return userError("FunctionHandleNotFound", "Function handle not found");
}
