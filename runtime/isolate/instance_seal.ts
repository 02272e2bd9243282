// Decides whether a module instance may serve further runs, and makes it so: after the top level of
// all modules of an instance ran, everything reachable from their scopes is frozen. A frozen
// instance without mutable bindings cannot carry anything from one run to the next. What cannot be
// frozen (a Map, a Date, a promise, a host object, …) is an obstacle: the instance stays single-use.
//
// A run that tries to write to the frozen instance gets a TypeError, which it would not get on a fresh
// instance. Such a run fails or swallows the error through the hook `__caught`; either way its outcome
// is dropped and the function runs again on fresh instances (queries and mutations have no effects
// before the commit). So reuse is never observable. The other half is
// `runtime/instrumentation/instrument.ts`.

import { types } from "node:util";

type Thunk = () => unknown;

const {
  freeze,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  prototype: objectPrototype,
} = Object;
const { ownKeys } = Reflect;
const functionToString = Function.prototype.toString;
const call = Function.prototype.call;

/** Upper bound of objects in one instance; a larger one is simply not reused. */
const SEALED_OBJECTS_MAX = 200_000;

/** Prototypes whose instances have no internal state besides their properties. */
const PLAIN_PROTOTYPES: ReadonlySet<unknown> = new Set<unknown>([
  null,
  objectPrototype,
  Array.prototype,
  Function.prototype,
  getPrototypeOf(async function () {}),
  getPrototypeOf(function* () {}),
  getPrototypeOf(async function* () {}),
  getPrototypeOf(function* () {}).prototype,
  getPrototypeOf(async function* () {}).prototype,
  RegExp.prototype,
  Error.prototype,
  TypeError.prototype,
  RangeError.prototype,
  SyntaxError.prototype,
  ReferenceError.prototype,
  EvalError.prototype,
  URIError.prototype,
  AggregateError.prototype,
  TextEncoder.prototype,
]);

/** Brand checks for objects with mutable internal slots. */
const STATEFUL_BRANDS: readonly [(value: unknown) => boolean, string][] = [
  [types.isMap, "a Map"],
  [types.isSet, "a Set"],
  [types.isWeakMap, "a WeakMap"],
  [types.isWeakSet, "a WeakSet"],
  [types.isDate, "a Date"],
  [types.isPromise, "a promise"],
  [types.isGeneratorObject, "a generator"],
  [types.isMapIterator, "an iterator"],
  [types.isSetIterator, "an iterator"],
  [types.isAnyArrayBuffer, "a buffer"],
  [ArrayBuffer.isView, "a typed array"],
  [types.isArgumentsObject, "an arguments object"],
  [types.isModuleNamespaceObject, "a module namespace"],
];

/** Everything that belongs to the realm, not to the app; collect it before app code runs. */
export function collectIntrinsics(realm: object): WeakSet<object> {
  const known = new WeakSet<object>();
  const queue: unknown[] = [realm, ...PLAIN_PROTOTYPES, getPrototypeOf([][Symbol.iterator]())];
  while (queue.length > 0) {
    const value = queue.pop();
    if (!isObject(value) || known.has(value)) continue;
    known.add(value);
    if (types.isProxy(value)) continue;
    queue.push(getPrototypeOf(value));
    for (const key of ownKeys(value)) {
      const descriptor = getOwnPropertyDescriptor(value, key);
      if (descriptor === undefined) continue;
      queue.push(descriptor.value, descriptor.get, descriptor.set);
    }
  }
  return known;
}

/** Gathers the scopes that a module graph's top level opens (hook `__scope`). */
export class ScopeReports {
  private readonly thunks: Thunk[] = [];
  obstacle: string | null = null;
  #foreignWrite: string | null = null;
  #judgedModules = 0;

  /**
   * `isState`: inner functions assign a binding of the scope. `foreignWrite`, of the module's own
   * scope: where its functions may write to what they did not make (null: nowhere).
   */
  readonly report = (
    thunks: readonly Thunk[],
    isState: boolean,
    foreignWrite?: string | null,
  ): void => {
    if (isState) this.obstacle ??= "a closure made at the top level assigns a variable";
    if (foreignWrite !== undefined) {
      this.#judgedModules++;
      this.#foreignWrite ??= foreignWrite;
    }
    for (let i = 0; i < thunks.length; i++) this.thunks.push(thunks[i]!);
  };

  /** Where a run might meet a frozen object with a write; null if surely nowhere. */
  foreignWrite(modules: number): string | null {
    return this.#judgedModules === modules ? this.#foreignWrite : "some module was not judged";
  }

  /** The values of all reported bindings. */
  values(): unknown[] {
    const values: unknown[] = [];
    for (const thunk of this.thunks) {
      try {
        values.push(thunk());
      } catch {
        // In its temporal dead zone for ever, or `this` before `super()`: nobody can reach it.
      }
    }
    return values;
  }
}

/**
 * Freezes everything reachable from `roots` (exports, bindings, the per-instance globals).
 * @param isRealm tells objects of the realm: they are left alone.
 * @returns what stands in the way of reuse, or null when the instance is sealed.
 */
export function seal(
  roots: readonly unknown[],
  isRealm: (value: object) => boolean,
): string | null {
  const seen = new Set<object>();
  const queue: unknown[] = [...roots];
  while (queue.length > 0) {
    const value = queue.pop();
    if (!isObject(value) || seen.has(value) || isRealm(value)) continue;
    if (types.isProxy(value)) continue; // its target and handler are reported on their own
    seen.add(value);
    if (seen.size > SEALED_OBJECTS_MAX) return "it has too many objects";
    const obstacle = obstacleOf(value, isRealm);
    if (obstacle !== null) return obstacle;
    queue.push(getPrototypeOf(value));
    for (const key of ownKeys(value)) {
      const descriptor = getOwnPropertyDescriptor(value, key);
      if (descriptor === undefined) continue;
      queue.push(descriptor.value, descriptor.get, descriptor.set);
    }
  }
  // Only now: a partly frozen instance would be of no use to anybody.
  for (const value of seen) freeze(value);
  return null;
}

function obstacleOf(value: object, isRealm: (value: object) => boolean): string | null {
  if (typeof value === "function") {
    const isNative = call.call(functionToString, value).endsWith("{ [native code] }");
    return isNative ? "a bound or host function" : null;
  }
  for (const [hasBrand, name] of STATEFUL_BRANDS) if (hasBrand(value)) return name;
  if (types.isRegExp(value) && (value.global || value.sticky)) {
    return "a regular expression that remembers its position";
  }
  for (let proto = getPrototypeOf(value); proto !== null; proto = getPrototypeOf(proto)) {
    if (isRealm(proto) && !PLAIN_PROTOTYPES.has(proto)) return "an instance of a built-in class";
    if (types.isProxy(proto)) return "an object that inherits from a proxy";
  }
  return null;
}

function isObject(value: unknown): value is object {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}
