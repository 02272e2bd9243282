// The globals that depend on who is running: they are the same objects for all executions and ask
// the current scope (spec function-runtime 4).

import { types } from "node:util";
import { AsyncLocalStorage, AsyncResource } from "./async_local_storage.ts";
import { formOf } from "./form_bodies.ts";
import { randomUuid } from "./random.ts";
import { currentScope } from "./scope.ts";

/** `Can't use {what} in queries and mutations. …` */
export function unsupportedInTransactions(what: string): Error {
  return new Error(
    `Can't use ${what} in queries and mutations. Please consider using an action. ` +
      "See https://docs.convex.dev/functions/actions for more details.",
  );
}

/** @throws Error unless an action runs. */
export function requireAction(what: string): void {
  const { phase } = currentScope();
  if (phase === "transaction") throw unsupportedInTransactions(what);
  if (phase === "import") throw new Error(`${what} unsupported at import time`);
}

/** A method whose `name` and `length` look like those of a built-in function. */
function named<F extends (...args: never[]) => unknown>(name: string, length: number, fn: F): F {
  Object.defineProperty(fn, "name", { value: name, configurable: true });
  Object.defineProperty(fn, "length", { value: length, configurable: true });
  return fn;
}

function replaceMethod(
  target: object,
  name: string,
  make: (original: (this: unknown, ...args: never[]) => unknown) => (
    this: unknown,
    ...args: never[]
  ) => unknown,
): void {
  const descriptor = Object.getOwnPropertyDescriptor(target, name);
  if (descriptor === undefined || typeof descriptor.value !== "function") return;
  const original = descriptor.value as (this: unknown, ...args: never[]) => unknown;
  const value = named(name, original.length, make(original));
  Object.defineProperty(target, name, { ...descriptor, value });
}

/** The `Date` of the realm, with the scope's clock. */
export function createDate(RealDate: DateConstructor): DateConstructor {
  const ScopedDate = function (this: unknown, ...args: unknown[]) {
    if (new.target === undefined) return new RealDate(currentScope().clock.now()).toString();
    const values = args.length === 0 ? [currentScope().clock.now()] : args;
    return Reflect.construct(RealDate, values, new.target);
  } as unknown as DateConstructor;
  named("Date", RealDate.length, ScopedDate as never);
  const now = named("now", 0, () => currentScope().clock.now());
  for (const [name, value] of [["now", now], ["parse", RealDate.parse], ["UTC", RealDate.UTC]]) {
    Object.defineProperty(ScopedDate, name as string, {
      value,
      writable: true,
      configurable: true,
    });
  }
  Object.defineProperty(ScopedDate, "prototype", { value: RealDate.prototype, writable: false });
  Object.defineProperty(RealDate.prototype, "constructor", {
    value: ScopedDate,
    writable: true,
    configurable: true,
  });
  return ScopedDate;
}

/** `format()` and `formatToParts()` without a date mean now. */
export function replaceDefaultNow(prototype: Intl.DateTimeFormat): void {
  replaceMethod(prototype, "formatToParts", (original) =>
    function (this: unknown, date?: unknown) {
      return original.call(this, (date ?? currentScope().clock.now()) as never);
    });
  const format = Object.getOwnPropertyDescriptor(prototype, "format")!;
  const getFormat = format.get!;
  Object.defineProperty(prototype, "format", {
    ...format,
    get: named("get format", 0, function (this: unknown) {
      const bound = getFormat.call(this) as (date: unknown) => string;
      return named("", 1, (date?: unknown) => bound(date ?? currentScope().clock.now()));
    }),
  });
}

export function replaceMathRandom(math: Math): void {
  replaceMethod(math, "random", () => () => currentScope().random.nextFraction());
}

/** `Atomics.wait` would stop the process, `waitAsync` is a timer. */
export function forbidWaiting(atomics: Atomics): void {
  const refuse = () => {
    throw new TypeError("Atomics.wait cannot be called in this context");
  };
  for (const name of ["wait", "waitAsync"]) replaceMethod(atomics, name, () => refuse);
}

/** Bodies become forms in actions only (spec function-runtime 4), and no endless ones. */
export function restrictForms(): void {
  for (const prototype of [Request.prototype, Response.prototype]) {
    replaceMethod(
      prototype,
      "formData",
      (original) =>
        async function (this: unknown): Promise<unknown> {
          requireAction("formData()");
          return await formOf(this as Request | Response, original as never);
        },
    );
  }
}

/** Statuses whose responses have no body. */
const BODILESS_STATUSES: readonly unknown[] = [204, 205, 304];

/** The `Response` of the realm: as on the platform, an empty text is no body. */
export function createResponse(RealResponse: typeof Response): typeof Response {
  const LenientResponse = function (this: unknown, ...args: unknown[]) {
    if (new.target === undefined) {
      throw new TypeError("Class constructor Response cannot be invoked without 'new'");
    }
    const [body, init] = args as [unknown, { status?: unknown } | null | undefined];
    const isBodiless = body === "" && BODILESS_STATUSES.includes(init?.status);
    return Reflect.construct(RealResponse, isBodiless ? [null, init] : args, new.target);
  } as unknown as typeof Response;
  named("Response", RealResponse.length, LenientResponse as never);
  for (const name of ["error", "json", "redirect"]) {
    const descriptor = Object.getOwnPropertyDescriptor(RealResponse, name)!;
    Object.defineProperty(LenientResponse, name, descriptor);
  }
  const { prototype } = RealResponse;
  Object.defineProperty(LenientResponse, "prototype", { value: prototype, writable: false });
  Object.defineProperty(prototype, "constructor", {
    value: LenientResponse,
    writable: true,
    configurable: true,
  });
  return LenientResponse;
}

/** Random bytes that `getRandomValues` gives at most at once, as the standard says. */
const RANDOM_BYTES_MAX = 65_536;
const INTEGER_ARRAYS = /^(Ui|I)nt(8|16|32)Array$|^Uint8ClampedArray$|^Big(Ui|I)nt64Array$/;
const getTypedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!;

/** `crypto` with the scope's random numbers; what needs entropy works in actions only. */
export function replaceCryptoRandomness(): void {
  replaceMethod(
    Crypto.prototype,
    "getRandomValues",
    () =>
      function (array: ArrayBufferView): ArrayBufferView {
        const name = getTypedArrayName.call(array) as string | undefined;
        if (name === undefined || !INTEGER_ARRAYS.test(name)) {
          throw new DOMException(
            "The provided ArrayBufferView is not an integer array type",
            "TypeMismatchError",
          );
        }
        if (array.byteLength > RANDOM_BYTES_MAX) {
          throw new DOMException(
            `The ArrayBufferView's byte length (${array.byteLength}) exceeds the number of bytes ` +
              `of entropy available via this API (${RANDOM_BYTES_MAX})`,
            "QuotaExceededError",
          );
        }
        const { buffer, byteOffset, byteLength } = array;
        currentScope().random.fill(new Uint8Array(buffer, byteOffset, byteLength));
        return array;
      } as never,
  );
  replaceMethod(
    Crypto.prototype,
    "randomUUID",
    () => () => randomUuid(currentScope().random),
  );
  const subtle = SubtleCrypto.prototype;
  replaceMethod(subtle, "generateKey", entropyMethod(() => true));
  replaceMethod(subtle, "encrypt", entropyMethod((algorithm) => algorithm === "RSA-OAEP"));
  replaceMethod(
    subtle,
    "sign",
    entropyMethod((algorithm) => algorithm === "ECDSA" || algorithm === "RSA-PSS"),
  );
}

/** Rejects in queries and mutations (and imports) for algorithms that draw random numbers. */
function entropyMethod(needsEntropy: (algorithm: string) => boolean) {
  return (original: (this: unknown, ...args: never[]) => unknown) =>
    async function (this: unknown, ...args: never[]): Promise<unknown> {
      const { phase } = currentScope();
      if (phase !== "action" && needsEntropy(algorithmName(args[0]))) {
        throw phase === "import"
          ? new Error("Cannot use cryptographic randomness at import time")
          : unsupportedInTransactions("cryptographic randomness");
      }
      return await original.apply(this, args);
    };
}

function algorithmName(algorithm: unknown): string {
  const name = typeof algorithm === "string" ? algorithm : (algorithm as { name?: unknown })?.name;
  return String(name).toUpperCase();
}

/** `performance` with the scope's clock. */
export function replacePerformanceClock(): void {
  const prototype = Performance.prototype;
  replaceMethod(prototype, "now", () => () => currentScope().clock.elapsed());
  Object.defineProperty(prototype, "timeOrigin", {
    get: named("get timeOrigin", 0, () => currentScope().clock.origin),
    enumerable: true,
    configurable: true,
  });
  replaceMethod(
    prototype,
    "mark",
    (original) =>
      function (this: unknown, name: unknown, options?: { startTime?: number }) {
        const startTime = options?.startTime ?? currentScope().clock.elapsed();
        return original.call(this, name as never, { ...options, startTime } as never);
      },
  );
  replaceMethod(
    prototype,
    "measure",
    (original) =>
      function (this: unknown, name: unknown, start?: unknown, end?: unknown) {
        const now = currentScope().clock.elapsed();
        const options = typeof start === "object" && start !== null
          ? { end: now, ...start }
          : { start: start ?? 0, end: end ?? now };
        return original.call(this, name as never, options as never);
      },
  );
}

/** The methods of `console`; there are no others (spec 4.1). */
export function createConsoleMethods(): object {
  const methods: Record<string, (...args: unknown[]) => void> = {};
  for (const level of ["debug", "error", "info", "log", "warn", "trace"] as const) {
    methods[level] = named(level, 0, (...args) => currentScope().console.write(level, args));
  }
  methods.time = named("time", 0, (label) => currentScope().console.time(label));
  methods.timeLog = named(
    "timeLog",
    0,
    (label, ...args) => currentScope().console.timeLog(label, args),
  );
  methods.timeEnd = named("timeEnd", 0, (label) => currentScope().console.timeEnd(label));
  return methods;
}

const VARIABLE_NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
const VARIABLE_NAME_BYTES_MAX = 256;

/** `process.env`: a window to the deployment's variables (spec 3.6). */
export function createProcessEnv(): object {
  return new Proxy(Object.create(null), {
    get(_target, key) {
      if (typeof key === "symbol") return undefined;
      if (key === "inspect") return () => "[process.env]";
      if (!VARIABLE_NAME.test(key) || key.length > VARIABLE_NAME_BYTES_MAX) {
        throw new Error(
          `The environment variable name ${JSON.stringify(key)} is invalid. ` +
            "Names start with a letter and contain only letters, digits and underscores.",
        );
      }
      return currentScope().environmentVariable(key);
    },
    set: () => true,
    has: () => false,
    deleteProperty: () => true,
    defineProperty: () => false,
    ownKeys: () => [],
  });
}

/** The host of the package (spec 1). */
export function createConvex(): object {
  const text = (value: unknown) => typeof value === "string" ? value : String(value);
  return Object.freeze({
    syscall: (name: unknown, args: unknown) =>
      currentScope().syscalls.syscall(text(name), text(args)),
    asyncSyscall: (name: unknown, args: unknown) =>
      currentScope().syscalls.asyncSyscall(text(name), text(args)),
    jsSyscall: (name: unknown, args: unknown) =>
      currentScope().syscalls.jsSyscall(text(name), args as Record<string, unknown>),
  });
}

/** `structuredClone` without transfer, which fails the function, and without shared memory. */
export function createStructuredClone(original: typeof structuredClone): typeof structuredClone {
  return named("structuredClone", 1, (value: unknown, options?: unknown) => {
    if (options !== undefined) {
      const error = new Error("structuredClone with transfer not supported");
      currentScope().unhandledRejection(error);
      throw error;
    }
    if (isSharedMemory(value)) {
      throw new DOMException("#<SharedArrayBuffer> could not be cloned.", "DataCloneError");
    }
    return original(value);
  }) as typeof structuredClone;
}

function isSharedMemory(value: unknown): boolean {
  return types.isSharedArrayBuffer(ArrayBuffer.isView(value) ? value.buffer : value);
}

/** Holds its target: collection of garbage would be observable. */
export class StrongRef {
  readonly #target: object;

  constructor(target: object) {
    if (typeof target !== "object" && typeof target !== "function" || target === null) {
      throw new TypeError("WeakRef: invalid target");
    }
    this.#target = target;
  }

  deref(): object {
    return this.#target;
  }

  get [Symbol.toStringTag](): string {
    return "WeakRef";
  }
}

/** Never calls back, for the same reason. */
export class SilentRegistry {
  register(): void {}

  unregister(): boolean {
    return false;
  }

  get [Symbol.toStringTag](): string {
    return "FinalizationRegistry";
  }
}
Object.defineProperty(StrongRef, "name", { value: "WeakRef" });
Object.defineProperty(SilentRegistry, "name", { value: "FinalizationRegistry" });

export { AsyncLocalStorage, AsyncResource };
