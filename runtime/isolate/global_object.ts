// `globalThis` as user code sees it. The realm is shared by all executions, so what code assigns on
// `globalThis` is kept in the current scope, and still found there under its bare name.

import { findScope } from "./scope.ts";

const { defineProperty, getOwnPropertyDescriptor } = Object;
const { ownKeys } = Reflect;

/** Assigned names beyond this many are only found on `globalThis`, not bare. */
const ROUTED_NAMES_MAX = 1000;

/** Objects that every set of module instances has for itself, because code likes to patch them. */
type OwnObjects = Readonly<Record<string, () => object>>;

/**
 * Makes the `globalThis` that user code sees.
 * @param realm the real global object, already reduced to what user code may see.
 * @param ownObjects made when a scope first looks at them.
 */
export function createGlobalObject(realm: object, ownObjects: OwnObjects): object {
  /** Bare names that ask the scope → their value where no scope assigned one. */
  const routed = new Map<string, unknown>();

  const read = (name: string): unknown => {
    const globals = findScope()?.globals;
    if (globals === undefined) return routed.get(name);
    if (globals.has(name)) return globals.get(name);
    const make = ownObjects[name];
    if (make === undefined) return routed.get(name);
    const made = make();
    globals.set(name, made);
    return made;
  };

  const route = (name: string): void => {
    if (routed.has(name) || routed.size >= ROUTED_NAMES_MAX) return;
    const present = getOwnPropertyDescriptor(realm, name);
    if (present !== undefined && !present.configurable) return;
    routed.set(name, present?.value);
    defineProperty(realm, name, {
      configurable: false,
      enumerable: false,
      get: () => read(name),
      set: (value) => void findScope()?.globals.set(name, value),
    });
  };

  const assign = (key: PropertyKey, value: unknown): boolean => {
    if (typeof key !== "string") return false;
    const globals = findScope()?.globals;
    if (globals === undefined) return false;
    route(key);
    globals.set(key, value);
    return true;
  };

  const isAssigned = (key: PropertyKey): key is string =>
    typeof key === "string" && (findScope()?.globals.has(key) ?? false);

  for (const name of Object.keys(ownObjects)) route(name);

  return new Proxy(Object.create(Object.prototype), {
    get(_target, key) {
      if (isAssigned(key)) return read(key);
      return (realm as Record<PropertyKey, unknown>)[key];
    },
    set: (_target, key, value) => assign(key, value),
    has: (_target, key) => isAssigned(key) || isVisible(realm, key),
    deleteProperty(_target, key) {
      if (isAssigned(key)) findScope()!.globals.delete(key);
      return true;
    },
    defineProperty(_target, key, descriptor) {
      const value = descriptor.get === undefined ? descriptor.value : descriptor.get.call(realm);
      return assign(key, value);
    },
    getOwnPropertyDescriptor(_target, key) {
      if (!isAssigned(key) && !isVisible(realm, key)) return undefined;
      const value = typeof key === "string" && isAssigned(key)
        ? read(key)
        : (realm as Record<PropertyKey, unknown>)[key];
      return {
        value,
        writable: true,
        enumerable: isAssigned(key) && !Object.hasOwn(ownObjects, key),
        configurable: true,
      };
    },
    ownKeys(_target) {
      const names = new Set(ownKeys(realm).filter((key) => isVisible(realm, key)));
      for (const name of findScope()?.globals.keys() ?? []) names.add(name);
      return [...names];
    },
    preventExtensions: () => false,
    setPrototypeOf: () => false,
  });
}

/** Whether the name exists where no scope assigned it: removed names are undefined. */
function isVisible(realm: object, key: PropertyKey): boolean {
  return key === "undefined" || (realm as Record<PropertyKey, unknown>)[key] !== undefined;
}
