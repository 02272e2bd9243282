// Turns the process's realm into the function runtime's: only the platform's globals, all of them
// unchangeable, no way to the host. Runs once, after everything the runtime needs was imported.

import { prepareStackTrace, STACK_FRAMES_MAX } from "./errors.ts";
import { createGlobalObject } from "./global_object.ts";
import { keepHeaderOrder } from "./header_order.ts";
import { preparePrivateRealms } from "./private_realm.ts";
import { captureNetwork, onUncaught, revokePermissions } from "./host.ts";
import { isIntrinsic, lockIntrinsics, rememberIntrinsics } from "./intrinsics.ts";
import {
  AsyncLocalStorage,
  AsyncResource,
  createConsoleMethods,
  createConvex,
  createDate,
  createProcessEnv,
  createResponse,
  createStructuredClone,
  forbidWaiting,
  replaceCryptoRandomness,
  replaceDefaultNow,
  replaceMathRandom,
  replacePerformanceClock,
  requireAction,
  restrictForms,
  SilentRegistry,
  StrongRef,
} from "./realm_globals.ts";
import { createFetch, createTimers } from "./realm_network.ts";
import { findScope, noteCaught } from "./scope.ts";

/** The language itself. */
const LANGUAGE_NAMES = `Object Function Array Number parseFloat parseInt Infinity NaN undefined
Boolean String Symbol Date Promise RegExp Error AggregateError EvalError RangeError ReferenceError
SyntaxError TypeError URIError globalThis JSON Math Intl ArrayBuffer Atomics Uint8Array Int8Array
Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array Uint8ClampedArray
Float16Array Float32Array Float64Array DataView Map BigInt Set Iterator WeakMap WeakSet Proxy Reflect
FinalizationRegistry WeakRef decodeURI decodeURIComponent encodeURI encodeURIComponent escape
unescape eval isFinite isNaN SuppressedError DisposableStack AsyncDisposableStack SharedArrayBuffer
WebAssembly`.split(/\s+/);

/** What the platform adds (spec function-runtime 4). */
const PLATFORM_NAMES = `Convex process self console URL URLSearchParams crypto Crypto SubtleCrypto
CryptoKey DOMException Event EventTarget structuredClone setTimeout setInterval clearTimeout
clearInterval AbortController AbortSignal AsyncLocalStorage AsyncResource ReadableStream
ReadableStreamBYOBReader ReadableStreamDefaultReader TransformStream WritableStream
WritableStreamDefaultWriter TextEncoder TextDecoder TextEncoderStream TextDecoderStream atob btoa
Blob File Headers FormData Request Response fetch performance Performance PerformanceEntry
PerformanceMark PerformanceMeasure`.split(/\s+/);

const VISIBLE_NAMES: ReadonlySet<string> = new Set([...LANGUAGE_NAMES, ...PLATFORM_NAMES]);

export interface LockdownOptions {
  /** They keep the network, and cannot run again. */
  readonly forActions: boolean;
  readonly ipv4Only: boolean;
}

/** @throws Error when something cannot be taken away: the process must not go on then. */
export function lockDown(options: LockdownOptions): void {
  const realm = globalThis as unknown as Record<string, unknown>;
  const network = captureNetwork(options.ipv4Only);
  revokePermissions(options.forActions);
  onUncaught((reason) => findScope()?.unhandledRejection(reason));

  touchLazyGlobals(realm);
  watchRejectionHandlers();
  watchReflection();
  replaceMathRandom(Math);
  replaceCryptoRandomness();
  replacePerformanceClock();
  restrictForms();
  keepHeaderOrder();
  define(realm, "Date", createDate(Date));
  define(realm, "Response", createResponse(Response));
  replaceDefaultNow(Intl.DateTimeFormat.prototype);
  define(realm, "WeakRef", StrongRef);
  define(realm, "FinalizationRegistry", SilentRegistry);
  define(realm, "Convex", createConvex());
  define(realm, "AsyncLocalStorage", AsyncLocalStorage);
  define(realm, "AsyncResource", AsyncResource);
  define(realm, "structuredClone", createStructuredClone(structuredClone));
  define(realm, "fetch", createFetch(network));
  for (const [name, timer] of Object.entries(createTimers(network))) define(realm, name, timer);
  forbidWaiting(Atomics);
  restrictAbortTimeout();
  Error.stackTraceLimit = STACK_FRAMES_MAX;
  Object.defineProperty(Error, "prepareStackTrace", {
    get: () => prepareStackTrace,
    // Libraries that set it would break the platform's stacks; let them believe they did.
    set: () => {},
    configurable: true,
  });

  // Code gets its own ones, see below; Deno's lead out of the realm.
  delete realm.console;
  delete realm.process;
  removeOthers(realm);
  Object.setPrototypeOf(realm, globalPrototype());
  const consoleMethods = createConsoleMethods();
  const processEnv = createProcessEnv();
  const globalObject = createGlobalObject(realm, {
    console: () => ({ ...consoleMethods }),
    process: () => ({ env: processEnv }),
  });
  const notTheRealm = (name: string) => realm[name] !== realm;
  lockIntrinsics(
    realm,
    [...VISIBLE_NAMES].filter(notTheRealm),
    PLATFORM_NAMES.filter(notTheRealm),
    options.forActions,
  );
  define(realm, "globalThis", globalObject);
  define(realm, "self", globalObject);
  lockNames(realm);
  rememberIntrinsics(realm);
  preparePrivateRealms(realm, LANGUAGE_NAMES, PLATFORM_NAMES);
}

/** Handlers of rejections swallow errors just as catch clauses do (instance_seal.ts). */
function watchRejectionHandlers(): void {
  const nativeThen = Promise.prototype.then;
  const apply = Reflect.apply;
  define(
    Promise.prototype,
    "then",
    {
      then(this: Promise<unknown>, onFulfilled: unknown, onRejected: unknown) {
        if (typeof onRejected !== "function") {
          return apply(nativeThen, this, [onFulfilled, onRejected]);
        }
        const watched = (reason: unknown) => {
          noteCaught(reason);
          return onRejected(reason);
        };
        return apply(nativeThen, this, [onFulfilled, watched]);
      },
    }.then,
  );
}

/** Functions of `Reflect` answer false where others throw. */
function watchReflection(): void {
  const { apply } = Reflect;
  for (const name of ["set", "defineProperty", "deleteProperty", "setPrototypeOf"] as const) {
    const native = Reflect[name] as (...args: unknown[]) => boolean;
    const watched = {
      [name](...args: unknown[]): boolean {
        const succeeded = apply(native, Reflect, args);
        if (!succeeded && isIntrinsic(args[0] as object)) findScope()?.refusedWrite?.();
        return succeeded;
      },
    };
    define(Reflect, name, watched[name]);
  }
}

/** Deno reports errors that event listeners throw through a method of the global object. */
function globalPrototype(): object {
  const prototype = Object.create(Object.prototype);
  define(prototype, "dispatchEvent", (event: { type?: unknown; error?: unknown } | null) => {
    if (event?.type !== "error") return true;
    findScope()?.unhandledRejection(event.error);
    // Prevented: Deno must not end the process.
    return false;
  });
  return Object.freeze(prototype);
}

function define(realm: object, name: string, value: unknown): void {
  Object.defineProperty(realm, name, {
    value,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

/** Deno makes many globals when they are first looked at: make them now, as plain properties. */
function touchLazyGlobals(realm: Record<string, unknown>): void {
  for (const name of VISIBLE_NAMES) {
    const descriptor = Object.getOwnPropertyDescriptor(realm, name);
    if (descriptor !== undefined && descriptor.configurable) define(realm, name, realm[name]);
  }
}

/** A timer that is no function of the global object. */
function restrictAbortTimeout(): void {
  const native = AbortSignal.timeout;
  define(AbortSignal, "timeout", (delay: number) => {
    requireAction("setTimeout");
    return native.call(AbortSignal, delay);
  });
}

/** Removes every global that is not the platform's. */
function removeOthers(realm: Record<string, unknown>): void {
  for (const key of Reflect.ownKeys(realm)) {
    if (typeof key === "string" && VISIBLE_NAMES.has(key)) continue;
    // Some come back when they are deleted.
    if (!Reflect.deleteProperty(realm, key) || Object.hasOwn(realm, key)) {
      Object.defineProperty(realm, key, { value: undefined, writable: false, enumerable: false });
    }
  }
}

/**
 * Fixes the names of the global object, so that nobody can put something else in their place but
 * through `globalThis`, which keeps it for the run (global_object.ts).
 */
function lockNames(realm: Record<string, unknown>): void {
  for (const name of Reflect.ownKeys(realm)) {
    const descriptor = Object.getOwnPropertyDescriptor(realm, name)!;
    if (!descriptor.configurable) continue;
    if ("value" in descriptor) descriptor.writable = false;
    descriptor.configurable = REPLACEABLE_NAMES.has(name as string);
    Object.defineProperty(realm, name, descriptor);
  }
}

/** Names that code may assign on `globalThis` with effect on bare use. */
const REPLACEABLE_NAMES: ReadonlySet<string> = new Set(PLATFORM_NAMES);
