// Which execution the running JavaScript belongs to. The realm's globals (Date, Math.random,
// console, Convex, …) are the same objects for all executions and ask here. V8 carries the scope
// along promise chains, so it is right also when actions interleave.

import { isRefusedWrite } from "./intrinsics.ts";
import { getAsyncContext, setAsyncContext } from "./host.ts";
import type { RandomStream } from "./random.ts";

/** Time as one execution sees it. */
export interface ScopeClock {
  /** `Date.now()`. */
  now(): number;
  /** `performance.now()`. */
  elapsed(): number;
  /** `performance.timeOrigin`. */
  readonly origin: number;
}

export interface ScopeConsole {
  write(level: "debug" | "error" | "info" | "log" | "warn" | "trace", args: unknown[]): void;
  time(label: unknown): void;
  timeLog(label: unknown, args: unknown[]): void;
  timeEnd(label: unknown): void;
}

export interface ScopeSyscalls {
  syscall(name: string, args: string): string;
  asyncSyscall(name: string, args: string): Promise<string>;
  jsSyscall(name: string, args: Record<string, unknown>): unknown;
}

/** What the realm's globals can do for the code that runs. */
export interface Scope {
  /** "import": module level code; "transaction": query or mutation; "action": everything goes. */
  readonly phase: "import" | "transaction" | "action";
  readonly clock: ScopeClock;
  readonly random: RandomStream;
  readonly console: ScopeConsole;
  readonly syscalls: ScopeSyscalls;
  /** @throws Error where variables are not allowed. */
  environmentVariable(name: string): string | undefined;
  /** Operations of the event loop, for the warning about dangling ones. Actions only. */
  readonly operations?: ScopeOperations;
  /** Names that the code assigned on `globalThis`. */
  readonly globals: Map<PropertyKey, unknown>;
  /** User code swallowed an error that a write to a sealed instance may have thrown. */
  swallowedTypeError?(error: TypeError): void;
  /** The code tried to change a built-in object, which works in a private realm only. */
  refusedWrite?(): void;
  /** A rejection that nobody handled by the end of a drain of the microtask queue. */
  unhandledRejection(reason: unknown): void;
  /** Loads a module for `import()`. */
  importDynamically(specifier: string, importer: string): unknown;
}

/** Counts what an action started and did not wait for. */
export interface ScopeOperations {
  begin(name: string): void;
  end(name: string): void;
  /** A timer of the action: cleared when the action ends. */
  addTimer(id: number): void;
  /** Whether the timer was the action's. */
  removeTimer(id: number): boolean;
  readonly ended: boolean;
  /** Aborts when the action ends. */
  readonly ending: AbortSignal;
}

/** What V8 carries along promise chains: immutable. */
interface ScopeContext {
  readonly scope: Scope;
  /** Values of `AsyncLocalStorage` objects. */
  readonly storage: ReadonlyMap<object, unknown> | null;
}

let fallback: Scope | null = null;

function currentContext(): ScopeContext | undefined {
  return getAsyncContext() as ScopeContext | undefined;
}

/**
 * The scope of the running code. Callbacks that the event loop makes without a context count to the
 * scope that was entered last.
 * @throws Error when no code of a function has run yet.
 */
export function currentScope(): Scope {
  const scope = currentContext()?.scope ?? fallback;
  if (scope === null) throw new Error("no function is running");
  return scope;
}

export function findScope(): Scope | null {
  return currentContext()?.scope ?? fallback;
}

/** Runs `body`, and all promise jobs that it starts, in the scope. */
export function runInScope<T>(scope: Scope, body: () => T): T {
  const previous = getAsyncContext();
  fallback = scope;
  setAsyncContext({ scope, storage: null });
  try {
    return body();
  } finally {
    setAsyncContext(previous);
  }
}

/** The value that `AsyncLocalStorage` object `key` has here. */
export function storedValue(key: object): unknown {
  return currentContext()?.storage?.get(key);
}

/** Sets the value from here on (in this chain of promises). */
export function storeValue(key: object, value: unknown): void {
  const context = currentContext();
  if (context === undefined) return;
  const storage = new Map(context.storage ?? []);
  storage.set(key, value);
  setAsyncContext({ scope: context.scope, storage });
}

/** Runs `body` with the values of another place; gives them back afterwards. */
export function runInContext<T>(context: unknown, body: () => T): T {
  const previous = getAsyncContext();
  setAsyncContext(context);
  try {
    return body();
  } finally {
    setAsyncContext(previous);
  }
}

export function captureContext(): unknown {
  return getAsyncContext();
}

/** Sees every error that user code catches, see instance_seal.ts. */
export function noteCaught(error: unknown): void {
  if (!(error instanceof TypeError)) return;
  const scope = findScope();
  scope?.swallowedTypeError?.(error);
  if (isRefusedWrite(error)) scope?.refusedWrite?.();
}
