// Names of functions as they appear in calls and messages (spec function-runtime 3.2).

import { userError } from "../../engine/errors.ts";
import type { ComponentId } from "../../engine/types.ts";
import type { FunctionPath } from "../types.ts";

const PATH_COMPONENT = /^[A-Za-z0-9_.]+$/;
const PATH_COMPONENT_BYTES_MAX = 64;

/**
 * Reads a client's spelling: `dir/mod:fn`, `dir/mod.js:fn`, `dir/mod` (its default export).
 * @throws PlatformError when it is no path of a module.
 */
export function parseFunctionName(component: ComponentId, text: string): FunctionPath {
  const colon = text.lastIndexOf(":");
  const modulePath = colon < 0 ? text : text.slice(0, colon);
  const name = colon < 0 ? "default" : text.slice(colon + 1);
  return { component, module: canonicalModule(modulePath), name };
}

function canonicalModule(path: string): string {
  const invalid = (reason: string) =>
    userError("InvalidModulePath", `${path} is not a valid path to a Convex module. ${reason}`);
  if (path.startsWith("/")) throw invalid(`Module paths must be relative.`);
  const dot = path.lastIndexOf(".");
  const hasExtension = dot > path.lastIndexOf("/");
  if (hasExtension && path.slice(dot) !== ".js") {
    throw invalid(`Module path (${path}) has an extension that isn't 'js'.`);
  }
  const canonical = hasExtension ? path : `${path}.js`;
  for (const part of canonical.split("/")) {
    if (part === "..") throw invalid("Module paths must not contain '..'.");
    if (!PATH_COMPONENT.test(part) || !/[A-Za-z0-9]/.test(part)) {
      throw invalid(
        `Path component ${part} can only contain alphanumeric characters, underscores, or periods.`,
      );
    }
    if (part.length > PATH_COMPONENT_BYTES_MAX) {
      throw invalid(`Path component ${part} is longer than ${PATH_COMPONENT_BYTES_MAX} bytes.`);
    }
  }
  return canonical;
}

/** `dir/mod.js:fn` */
export function canonicalName(path: FunctionPath): string {
  return `${path.module}:${path.name}`;
}

/** `dir/mod:fn`, `:default` dropped. */
export function displayName(path: FunctionPath): string {
  const module = path.module.endsWith(".js") ? path.module.slice(0, -3) : path.module;
  return path.name === "default" ? module : `${module}:${path.name}`;
}

export interface ComponentPaths {
  /** Names from the app down to the component, joined by `/`; "" for the app. */
  componentPath(id: ComponentId): string;
}

/** ` in '<component path>'`, nothing for the root. */
export function inComponent({ component }: FunctionPath, paths: ComponentPaths): string {
  return component === "" ? "" : ` in '${paths.componentPath(component)}'`;
}
