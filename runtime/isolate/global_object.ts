// `globalThis` as user code sees it. The realm is shared by all executions, so what code assigns on
// `globalThis` is kept in the current scope, and still found there under its bare name.

import { findScope } from "./scope.ts";

const { defineProperty, getOwnPropertyDescriptor } = Object;
const { ownKeys } = Reflect;

/** Code that assigns more names than this gets a private realm. */
const ROUTED_NAMES_MAX = 1000;

/** Stands in a scope's globals for a built-in name that the code deleted. */
const DELETED = Symbol("deleted");

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
    if (globals.has(name)) return present(globals.get(name));
    const make = ownObjects[name];
    if (make === undefined) return routed.get(name);
    const made = make();
    globals.set(name, made);
    return made;
  };

  /** False when the bare name cannot be made to ask: that of a built-in of the language. */
  const route = (name: string): boolean => {
    if (routed.has(name)) return true;
    const present = getOwnPropertyDescriptor(realm, name);
    if (present !== undefined && !present.configurable) return false;
    if (routed.size >= ROUTED_NAMES_MAX) return false;
    routed.set(name, present?.value);
    defineProperty(realm, name, {
      configurable: false,
      enumerable: false,
      get: () => read(name),
      set: (value) => void findScope()?.globals.set(name, value),
    });
    return true;
  };

  const assign = (key: PropertyKey, value: unknown): boolean => {
    const globals = findScope()?.globals;
    if (globals === undefined) return false;
    // Symbols are no names that code can use bare.
    if (typeof key === "string" && !route(key)) findScope()?.refusedWrite?.();
    globals.set(key, value);
    return true;
  };

  const isAssigned = (key: PropertyKey): boolean => findScope()?.globals.has(key) ?? false;

  const get = (key: PropertyKey): unknown => {
    const globals = findScope()?.globals;
    if (globals?.has(key)) return present(globals.get(key));
    return (realm as Record<PropertyKey, unknown>)[key];
  };

  const has = (key: PropertyKey): boolean => {
    const globals = findScope()?.globals;
    if (globals?.has(key)) return globals.get(key) !== DELETED;
    return isVisible(realm, key);
  };

  /** Whether the name is there without anybody assigning it. */
  const isBuiltIn = (key: PropertyKey): boolean =>
    typeof key === "string" && routed.has(key)
      ? routed.get(key) !== undefined || Object.hasOwn(ownObjects, key)
      : isVisible(realm, key);

  for (const name of Object.keys(ownObjects)) route(name);

  const globalObject: object = new Proxy(Object.create(Object.prototype), {
    get: (_target, key) => get(key),
    set(_target, key, value, receiver) {
      if (receiver === globalObject) return assign(key, value);
      // An object that inherits from the global one gets the property itself.
      return Reflect.defineProperty(receiver, key, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
    has: (_target, key) => has(key),
    deleteProperty(_target, key) {
      if (isBuiltIn(key)) return assign(key, DELETED);
      findScope()?.globals.delete(key);
      return true;
    },
    defineProperty(_target, key, descriptor) {
      const value = descriptor.get?.call(globalObject) ?? descriptor.value;
      return assign(key, value);
    },
    getOwnPropertyDescriptor(_target, key) {
      if (!has(key)) return undefined;
      return {
        value: get(key),
        writable: true,
        enumerable: isAssigned(key) && !Object.hasOwn(ownObjects, key),
        configurable: true,
      };
    },
    ownKeys(_target) {
      const names = new Set(ownKeys(realm));
      for (const name of findScope()?.globals.keys() ?? []) names.add(name as string);
      return [...names].filter(has);
    },
    preventExtensions: () => false,
    setPrototypeOf: () => false,
  });
  return globalObject;
}

/** What code sees of a value in a scope's globals. */
function present(value: unknown): unknown {
  return value === DELETED ? undefined : value;
}

/** Whether the name exists where no scope assigned it: removed names are undefined. */
function isVisible(realm: object, key: PropertyKey): boolean {
  return key === "undefined" || (realm as Record<PropertyKey, unknown>)[key] !== undefined;
}
