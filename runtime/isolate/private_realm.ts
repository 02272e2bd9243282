// Realms for code that changes built-in objects. The process's own realm is locked, because the
// runtime and all runs share it. Code that tries to change something there (a polyfill, a mocked
// `Date`, `BigInt.prototype.toJSON`) runs again in a V8 context of its own, made for this one run: all
// built-ins there are fresh and writable, the runtime never touches them, and they end with the run.

import { constants, createContext, type Script } from "node:vm";
import { types } from "node:util";
import { prepareStackTrace, STACK_FRAMES_MAX } from "./errors.ts";
import {
  createConsoleMethods,
  createDate,
  createProcessEnv,
  forbidWaiting,
  replaceDefaultNow,
  replaceMathRandom,
} from "./realm_globals.ts";

// deno-lint-ignore ban-types
type Callable = Function;
type Constructor = new (...args: never[]) => object;
type GlobalObject = Record<PropertyKey, unknown> & typeof globalThis;

const { create, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, setPrototypeOf } = Object;
const { apply, ownKeys } = Reflect;
const objectToString = Object.prototype.toString;
const mapForEach = Map.prototype.forEach;
const setForEach = Set.prototype.forEach;
const ordinaryHasInstance = Function.prototype[Symbol.hasInstance];

/** Nesting that the console shows, and a bit. */
const PRINTED_DEPTH_MAX = 6;
/** Methods whose results are objects of the locked realm. */
const BODY_METHODS = ["arrayBuffer", "blob", "bytes", "clone", "formData", "json", "text"];
/** Functions of the locked realm whose results are objects. */
const VALUE_FUNCTIONS = ["fetch", "structuredClone"];
/** Objects whose methods code replaces. */
const SINGLETONS: readonly (readonly [string, string])[] = [
  ["crypto", "Crypto"],
  ["performance", "Performance"],
];

/** The locked realm, from which private ones take the platform's objects. */
interface LockedRealm {
  readonly global: GlobalObject;
  readonly languageNames: readonly string[];
  readonly platformNames: readonly string[];
}

let locked: LockedRealm | null = null;

/** To be called once the process's realm has its final globals. */
export function preparePrivateRealms(
  global: object,
  languageNames: readonly string[],
  platformNames: readonly string[],
): void {
  // The values of now: names of the platform are later routed to the current scope.
  const values = { ...global as GlobalObject } as GlobalObject;
  for (const name of [...languageNames, ...platformNames]) {
    values[name] = (global as GlobalObject)[name];
  }
  locked = { global: values, languageNames, platformNames };
}

export class PrivateRealm {
  readonly #global: GlobalObject;
  /** Prototypes of the locked realm → those of this one. */
  readonly #prototypes = new Map<object, object>();

  constructor() {
    // An ordinary global object: one with interceptors makes each bare name a slow look-up.
    this.#global = createContext(
      constants.DONT_CONTEXTIFY as unknown as object,
      // The process's flag does not hold for other contexts.
      { codeGeneration: { strings: false, wasm: true } },
    ) as GlobalObject;
    const { languageNames, platformNames } = locked!;
    const visible = new Set<PropertyKey>([...languageNames, ...platformNames]);
    for (const key of ownKeys(this.#global)) {
      if (!visible.has(key)) Reflect.deleteProperty(this.#global, key);
    }
    this.#replaceLanguage();
    for (const name of languageNames) this.#linkConstructor(name);
    for (const name of platformNames) this.#addPlatform(name);
    for (const [name, className] of SINGLETONS) this.#addSingleton(name, className);
    this.#adoptResults();
  }

  /** Evaluates the script in the realm. */
  run(script: Script): unknown {
    return script.runInContext(this.#global);
  }

  createObject(): Record<string, unknown> {
    return new this.#global.Object() as Record<string, unknown>;
  }

  /**
   * Makes a value that the locked realm made, such as a parsed body, look like one of this realm: its
   * plain objects, arrays and other built-ins get the prototypes that the code knows, in place.
   */
  adopt<T>(value: T): T {
    const seen = new Set<object>();
    const queue: unknown[] = [value];
    while (queue.length > 0) {
      const next = queue.pop();
      if (!isObject(next) || seen.has(next) || types.isProxy(next)) continue;
      const own = this.#prototypes.get(getPrototypeOf(next) as object);
      if (own === undefined) continue;
      seen.add(next);
      setPrototypeOf(next, own);
      if (types.isMap(next)) {
        apply(mapForEach, next, [(item: unknown, key: unknown) => queue.push(key, item)]);
      } else if (types.isSet(next)) {
        apply(setForEach, next, [(item: unknown) => queue.push(item)]);
      } else if (Array.isArray(next) || own === this.#global.Object.prototype) {
        // Not the inner objects of platform classes.
        for (const key of ownKeys(next)) queue.push(getOwnPropertyDescriptor(next, key)?.value);
      }
    }
    return value;
  }

  /**
   * A value of the realm as the console can print it: plain objects and arrays as ones of the locked
   * realm, instances of classes as such with the same name.
   */
  printable(value: unknown): unknown {
    const copies = new Map<object, unknown>();
    const copy = (each: unknown, depth: number): unknown => {
      if (!isPlain(each) || depth > PRINTED_DEPTH_MAX) return each;
      const known = copies.get(each);
      if (known !== undefined) return known;
      const own = getPrototypeOf(each);
      if (own === null) return each;
      let target: object;
      if (Array.isArray(each)) target = new Array(each.length);
      else if (own === this.#global.Object.prototype) target = {};
      else target = create(create(Object.prototype, { constructor: { value: each.constructor } }));
      copies.set(each, target);
      for (const key of ownKeys(each)) {
        const descriptor = getOwnPropertyDescriptor(each, key)!;
        if (!descriptor.enumerable) continue;
        const item = copy((each as Record<PropertyKey, unknown>)[key], depth + 1);
        defineProperty(target, key, {
          value: item,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
      return target;
    };
    try {
      return copy(value, 0);
    } catch {
      // A getter or proxy of the value threw: printing it says so.
      return value;
    }
  }

  /** Date, time and randomness as everywhere, on this realm's own built-ins. */
  #replaceLanguage(): void {
    const global = this.#global;
    this.#define("Date", createDate(global.Date));
    replaceDefaultNow(global.Intl.DateTimeFormat.prototype);
    replaceMathRandom(global.Math);
    forbidWaiting(global.Atomics);
    this.#define("WeakRef", locked!.global.WeakRef);
    this.#define("FinalizationRegistry", locked!.global.FinalizationRegistry);
    global.Error.stackTraceLimit = STACK_FRAMES_MAX;
    defineProperty(global.Error, "prepareStackTrace", {
      get: () => prepareStackTrace,
      set: () => {},
      configurable: false,
    });
  }

  /** Lets `instanceof` accept what the platform's objects, made in the locked realm, give out. */
  #linkConstructor(name: string): void {
    const own = this.#global[name];
    const shared = locked!.global[name];
    if (typeof own !== "function" || typeof shared !== "function" || own === shared) return;
    const { prototype } = shared;
    if (!isObject(prototype) || !isObject(own.prototype)) return;
    this.#prototypes.set(prototype, own.prototype);
    acceptInstances(own, shared);
  }

  #addPlatform(name: string): void {
    const global = this.#global;
    if (name === "self") return this.#define(name, global);
    if (name === "console") return this.#define(name, this.#own(createConsoleMethods()));
    if (name === "process") return this.#define(name, this.#own({ env: createProcessEnv() }));
    const shared = locked!.global[name];
    const isClass = /^[A-Z]/.test(name) && typeof shared === "function";
    this.#define(name, isClass ? this.#subclass(name, shared) : shared);
  }

  /** A class of this realm, whose prototype code may change. */
  #subclass(name: string, shared: Callable): Callable {
    const own = class extends (shared as unknown as Constructor) {};
    for (const key of ownKeys(shared)) {
      const value: unknown = getOwnPropertyDescriptor(shared, key)!.value;
      if (typeof value === "function" && key !== "prototype") define(own, key, value);
    }
    defineProperty(own, "name", { value: name, configurable: true });
    acceptInstances(own, shared);
    this.#prototypes.set(shared.prototype, own.prototype);
    return own;
  }

  /** An object with the methods of the shared one, for code that replaces some of them. */
  #addSingleton(name: string, className: string): void {
    const shared = locked!.global[name] as Record<PropertyKey, unknown>;
    const prototype = (this.#global[className] as Callable).prototype as object;
    const own = create(prototype);
    const names = ownKeys((locked!.global[className] as Callable).prototype);
    for (const key of names) {
      if (typeof key === "symbol" || key === "constructor") continue;
      const value = shared[key];
      if (typeof value === "function") {
        define(own, key, this.#adopting(value.bind(shared)));
      } else defineProperty(own, key, { get: () => shared[key], configurable: true });
    }
    this.#define(name, own);
  }

  /** Makes what comes out of the locked realm objects of this one. */
  #adoptResults(): void {
    for (const name of VALUE_FUNCTIONS) {
      this.#define(name, this.#adopting(this.#global[name] as Callable));
    }
    for (const name of ["Request", "Response", "Blob"]) {
      const shared = (locked!.global[name] as Callable).prototype as Record<string, unknown>;
      const own = (this.#global[name] as Callable).prototype as object;
      for (const method of BODY_METHODS) {
        const value = shared[method];
        if (typeof value === "function") define(own, method, this.#adopting(value));
      }
    }
    const { syscall, asyncSyscall, jsSyscall } = locked!.global.Convex as Record<string, Callable>;
    this.#define(
      "Convex",
      this.#own({
        syscall,
        asyncSyscall: this.#adopting(asyncSyscall!),
        jsSyscall: this.#adopting(jsSyscall!),
      }),
    );
  }

  #adopting(shared: Callable): Callable {
    const convert = (value: unknown) => this.adopt(value);
    const { Promise: OwnPromise, Function: OwnFunction } = this.#global;
    const then = locked!.global.Promise.prototype.then;
    const wrapper = {
      wrapper(this: unknown, ...args: unknown[]): unknown {
        const result: unknown = apply(shared, this, args);
        if (!types.isPromise(result)) return convert(result);
        return new OwnPromise((resolve, reject) => {
          void apply(then, result, [(value: unknown) => resolve(convert(value)), reject]);
        });
      },
    }.wrapper;
    defineProperty(wrapper, "name", { value: shared.name.replace(/^bound /, "") });
    return setPrototypeOf(wrapper, OwnFunction.prototype) as Callable;
  }

  #own<T extends object>(object: T): T {
    return setPrototypeOf(object, this.#global.Object.prototype) as T;
  }

  #define(name: string, value: unknown): void {
    define(this.#global, name, value);
  }
}

/** Objects that are printed by their properties alone. */
function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false;
  if (Array.isArray(value)) return true;
  const { inspect } = value as { inspect?: unknown };
  return typeof inspect !== "function" && !(Symbol.toStringTag in value) &&
    apply(objectToString, value, []) === "[object Object]";
}

function define(target: object, name: PropertyKey, value: unknown): void {
  defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true });
}

function acceptInstances(own: Callable, shared: Callable): void {
  defineProperty(own, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (apply(ordinaryHasInstance, this, [value])) return true;
      // Classes that extend the built-in one inherit this method.
      return this === own && apply(ordinaryHasInstance, shared, [value]);
    },
    writable: true,
    configurable: true,
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "function" || typeof value === "object" && value !== null;
}
