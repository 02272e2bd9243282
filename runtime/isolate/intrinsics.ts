// Makes the built-in objects of the realm unchangeable. The runtime and the engine share them with
// user code: a patched `Map.prototype.get` would see the runtime's own data, and a patch would last
// beyond the run that made it. Code that tries all the same runs again in a private realm.

import { collectIntrinsics } from "./instance_seal.ts";

const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;
const { ownKeys } = Reflect;

/** What generators inherit `next`, `return` and `throw` from. */
const GENERATOR_PROTOTYPES: readonly object[] = [
  getPrototypeOf(function* () {}.prototype) as object,
  getPrototypeOf(async function* () {}.prototype) as object,
];

/**
 * Prototypes of the language whose properties objects often override by assignment, which a
 * read-only property of the prototype would forbid.
 */
const OVERRIDABLE: readonly object[] = [
  Object.prototype,
  Function.prototype,
  Error.prototype,
  EvalError.prototype,
  RangeError.prototype,
  ReferenceError.prototype,
  SyntaxError.prototype,
  TypeError.prototype,
  URIError.prototype,
  AggregateError.prototype,
  ...GENERATOR_PROTOTYPES,
];

/**
 * The same in actions, which cannot run again in a private realm when an assignment such as
 * `promise.then = …` fails. A method behind an accessor is slower until the code is optimized.
 */
const OVERRIDABLE_IN_ACTIONS: readonly object[] = [
  Array,
  Map,
  Set,
  WeakMap,
  WeakSet,
  Promise,
  Date,
  RegExp,
  String,
  Number,
  Boolean,
  ArrayBuffer,
  DataView,
  getPrototypeOf(Uint8Array) as { prototype: object },
].map(({ prototype }) => prototype);

/** What V8 must find as it was, or loops, spreads and `map()` take their slow ways. */
const NOT_OVERRIDABLE: ReadonlySet<PropertyKey> = new Set(["constructor", Symbol.iterator]);

/** Built-in objects that no global name leads to. */
function hiddenIntrinsics(): object[] {
  const asyncIterator = getPrototypeOf(getPrototypeOf(async function* () {}.prototype)) as object;
  return [
    getPrototypeOf(Uint8Array) as object,
    getPrototypeOf(async function () {}) as object,
    getPrototypeOf(function* () {}) as object,
    getPrototypeOf(async function* () {}) as object,
    getPrototypeOf(function* () {}.prototype) as object,
    asyncIterator,
    getPrototypeOf(asyncIterator) as object,
    getPrototypeOf([][Symbol.iterator]()) as object,
    getPrototypeOf(new Map()[Symbol.iterator]()) as object,
    getPrototypeOf(new Set()[Symbol.iterator]()) as object,
    getPrototypeOf(""[Symbol.iterator]()) as object,
    getPrototypeOf("".matchAll(/x/g)) as object,
    getPrototypeOf(Iterator.from({ next: () => ({ done: true, value: undefined }) })) as object,
  ];
}

/**
 * Locks everything that the global names lead to.
 * @param names of the realm's global object.
 * @param platformNames those that the language does not define: their objects may be overridden, too
 * @param forActions no private realm can take the place of this one half-way
 */
export function lockIntrinsics(
  realm: object,
  names: readonly string[],
  platformNames: readonly string[],
  forActions: boolean,
): void {
  const found = new Set<object>();
  const collect = (value: unknown, depth: number): void => {
    const isObject = typeof value === "object" && value !== null || typeof value === "function";
    if (!isObject || found.has(value)) return;
    found.add(value);
    for (const key of ownKeys(value)) {
      const descriptor = getOwnPropertyDescriptor(value, key)!;
      if (depth > 0) collect(descriptor.value, depth - 1);
      // Methods: they are objects, too.
      collectFunction(descriptor.get);
      collectFunction(descriptor.set);
      collectFunction(descriptor.value);
    }
    collect(getPrototypeOf(value), depth);
  };
  const collectFunction = (value: unknown): void => {
    if (typeof value === "function") found.add(value);
  };
  for (const name of names) {
    const descriptor = getOwnPropertyDescriptor(realm, name);
    collect(descriptor?.value, COLLECT_DEPTH);
  }
  for (const value of hiddenIntrinsics()) collect(value, COLLECT_DEPTH);
  found.delete(realm);
  for (const value of OVERRIDABLE) allowOverride(value);
  for (const value of forActions ? OVERRIDABLE_IN_ACTIONS : []) {
    allowOverride(value, NOT_OVERRIDABLE);
  }
  for (const name of platformNames) {
    const prototype = (realm as Record<string, { prototype?: object } | undefined>)[name]
      ?.prototype;
    if (prototype !== undefined && found.has(prototype)) allowOverride(prototype);
  }
  for (const value of found) {
    if (value !== Error) freeze(value);
  }
  lockErrorConstructor();
}

/** What V8 says about writes to frozen objects, in strict code and in functions like `defineProperty`. */
const REFUSED_WRITE =
  /^Cannot (?:assign to read only|add|define|redefine|delete) property|is not extensible$|^Immutable prototype object/;

/** Whether the error may come of a try to change a locked object. */
export function isRefusedWrite(error: TypeError): boolean {
  return REFUSED_WRITE.test(error.message);
}

let intrinsics: WeakSet<object> = new WeakSet();

/** Remembers what belongs to the realm, now that app code is about to run. */
export function rememberIntrinsics(realm: object): void {
  intrinsics = collectIntrinsics(realm);
}

/** Whether the object is the realm's own, not an app's. */
export function isIntrinsic(value: object): boolean {
  return intrinsics.has(value);
}

/** From a global name over its prototype to the prototype's values. */
const COLLECT_DEPTH = 3;

/** `Error.stackTraceLimit` stays a developer's setting; V8 insists on a plain property. */
function lockErrorConstructor(): void {
  for (const key of ownKeys(Error)) {
    const descriptor = getOwnPropertyDescriptor(Error, key)!;
    if (!descriptor.configurable) continue;
    if ("value" in descriptor) descriptor.writable = key === "stackTraceLimit";
    descriptor.configurable = false;
    defineProperty(Error, key, descriptor);
  }
}

/** Turns methods into accessors that let inheriting objects have their own by assignment. */
function allowOverride(prototype: object, except: ReadonlySet<PropertyKey> = new Set()): void {
  for (const key of ownKeys(prototype)) {
    if (except.has(key)) continue;
    const descriptor = getOwnPropertyDescriptor(prototype, key)!;
    // Without a lock, too, inheriting objects cannot assign what is not writable (`Symbol.toStringTag`).
    if (!descriptor.configurable || descriptor.writable !== true) continue;
    const { value, enumerable } = descriptor;
    defineProperty(prototype, key, {
      configurable: false,
      enumerable: enumerable === true,
      get: () => value,
      set(this: object, own: unknown) {
        if (this === prototype) {
          const name = String(key);
          throw new TypeError(`Cannot assign to read only property '${name}' of a built-in object`);
        }
        defineProperty(this, key, {
          value: own,
          writable: true,
          enumerable: true,
          configurable: true,
        });
      },
    });
  }
}
