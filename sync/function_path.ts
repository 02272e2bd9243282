// Paths as clients write them: `dir/module:function`, and `a/b` for a component.
// Spec function-runtime 3.2; components 1.

import { userError } from "../engine/errors.ts";

const MODULE_COMPONENT_BYTES_MAX = 64;
const IDENTIFIER_BYTES_MAX = 64;
const MODULE_EXTENSION = ".js";

/** A function within some component: module with `.js`, name of the export. */
export interface ModuleFunction {
  readonly module: string;
  readonly name: string;
}

/** A path that cannot be read; the message is the reason, without the path. */
export class PathError extends Error {
  override readonly name = "PathError";
}

/**
 * Reads `dir/mod:fn`, `dir/mod.js:fn` or `dir/mod` (the default export).
 * @throws PathError
 */
export function parseFunctionPath(text: string): ModuleFunction {
  const colon = text.lastIndexOf(":");
  const module = colon === -1 ? text : text.slice(0, colon);
  const name = colon === -1 ? "default" : text.slice(colon + 1);
  checkIdentifier(name, "Function name");
  return { module: canonicalModule(module), name };
}

/** The path as error texts and logs show it: no `.js`, no `:default`. */
export function printFunctionPath(path: ModuleFunction): string {
  const module = path.module.endsWith(MODULE_EXTENSION)
    ? path.module.slice(0, -MODULE_EXTENSION.length)
    : path.module;
  return path.name === "default" ? module : `${module}:${path.name}`;
}

/**
 * Checks `a/b`; the empty text is the root.
 * @throws PlatformError `InvalidComponentPath`
 */
export function checkComponentPath(text: string): void {
  if (text === "") return;
  try {
    for (const name of text.split("/")) checkIdentifier(name, "Component name");
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    const message = `Invalid component path '${text}': ${error.message}`;
    throw userError("InvalidComponentPath", message);
  }
}

/** Modules that only the server provides; spec http-api 15. */
export function isSystemModule(module: string): boolean {
  return module.startsWith("_system/");
}

function canonicalModule(module: string): string {
  if (module === "") throw new PathError("Module path is empty.");
  if (module.startsWith("/")) throw new PathError(`Module path (${module}) is absolute.`);
  const slash = module.lastIndexOf("/");
  const dot = module.indexOf(".", slash + 1);
  // The extension is what follows the last dot of the file name; a leading dot begins no extension.
  const extensionAt = dot === -1 ? -1 : module.lastIndexOf(".");
  const hasExtension = extensionAt > slash + 1;
  if (hasExtension && module.slice(extensionAt) !== MODULE_EXTENSION) {
    throw new PathError(`Module path (${module}) has an extension that isn't 'js'.`);
  }
  const canonical = hasExtension ? module : module + MODULE_EXTENSION;
  for (const component of canonical.split("/")) checkModuleComponent(component);
  return canonical;
}

function checkModuleComponent(component: string): void {
  if (component === "") throw new PathError("Path component is empty.");
  if (component === "..") throw new PathError("Path component '..' is not allowed.");
  if (!/^[A-Za-z0-9_.]+$/.test(component)) {
    throw new PathError(
      `Path component ${component} can only contain alphanumeric characters, underscores, or periods.`,
    );
  }
  if (component.length > MODULE_COMPONENT_BYTES_MAX) {
    throw new PathError(
      `Path component is too long (${component.length} > maximum ${MODULE_COMPONENT_BYTES_MAX}).`,
    );
  }
  if (!/[A-Za-z0-9]/.test(component)) {
    throw new PathError(
      `Path component ${component} must have at least one alphanumeric character.`,
    );
  }
}

function checkIdentifier(text: string, what: string): void {
  if (text === "") throw new PathError(`${what} is empty.`);
  if (text.length > IDENTIFIER_BYTES_MAX) {
    throw new PathError(`${what} is too long (${text.length} > maximum ${IDENTIFIER_BYTES_MAX}).`);
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(text)) {
    throw new PathError(
      `${what} ${text} must begin with a letter or underscore and can only contain ` +
        `alphanumeric characters or underscores.`,
    );
  }
  if (/^_+$/.test(text)) throw new PathError(`${what} ${text} cannot be only underscores.`);
}
