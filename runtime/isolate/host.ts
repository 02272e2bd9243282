// What the isolate takes from Deno before lockdown removes it from the realm. Everything here is
// read once, when the module is evaluated; afterwards no name in the realm leads to it.

import { setImmediate } from "node:timers";
import { internalStack } from "./errors.ts";
import type { NativeNetwork } from "./realm_network.ts";

/** The part of Deno's core that runs microtasks and carries a value along promise chains. */
interface DenoCore {
  /** Runs the microtask queue until it is empty. Does nothing when called from a microtask. */
  runMicrotasks(): void;
  getAsyncContext(): unknown;
  setAsyncContext(value: unknown): void;
  /** Called with rejections that nobody handled within a turn of the event loop. */
  setUnhandledPromiseRejectionHandler(
    handler: (promise: Promise<unknown>, reason: unknown) => boolean,
  ): void;
  /** Called with errors that listeners and callbacks throw. */
  setReportExceptionCallback(callback: (error: unknown) => void): void;
  print(text: string, toStderr: boolean): void;
  readonly ops: { op_exit(code: number): never };
  /** Whether operations of the process are under way. */
  eventLoopHasMoreWork(): boolean;
}

const core = (Deno as unknown as Record<symbol, { core: DenoCore }>)[
  (Deno as unknown as { internal: symbol }).internal
]!.core;

// Deno takes V8's own function from the global object at the first use, also by teed streams: it must
// have it before the global is gone.
queueMicrotask(() => {});

export const runMicrotasks: () => void = core.runMicrotasks;
export const getAsyncContext: () => unknown = core.getAsyncContext;
export const setAsyncContext: (value: unknown) => void = core.setAsyncContext;
export const eventLoopHasMoreWork: () => boolean = core.eventLoopHasMoreWork;

/** Calls back in the next turn of the event loop, after unhandled rejections were reported. */
export const nextTurn: (callback: () => void) => void = setImmediate;

/** Resolves when the rejections that nobody has handled by now have been reported. */
export function rejectionsReported(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
}

const stdin = Deno.stdin;
const stdout = Deno.stdout;

/** Blocks until bytes arrive; null at the end of the pipe. */
export function readInput(buffer: Uint8Array): number | null {
  return stdin.readSync(buffer);
}

/** Like {@link readInput}, without blocking the event loop. */
export function readInputAsync(buffer: Uint8Array): Promise<number | null> {
  return stdin.read(buffer);
}

/** Writes all bytes; blocks while the pipe is full. */
export function writeOutput(bytes: Uint8Array): void {
  for (let position = 0; position < bytes.length;) {
    position += stdout.writeSync(bytes.subarray(position));
  }
}

/** Ends the process at once, without events of the global object, which lockdown removed. */
export const exitProcess: (code: number) => never = core.ops.op_exit;

/** Ends the process because the runtime itself failed; the host sees why on stderr. */
export function failProcess(error: unknown): never {
  const detail = error instanceof Error
    ? `${error.message}\n${internalStack(error)}`
    : String(error);
  core.print(`the isolate failed: ${detail}\n`, true);
  return exitProcess(1);
}

const memoryUsage = Deno.memoryUsage;
/** Memory that JavaScript values take. */
export function heapUsedBytes(): number {
  return memoryUsage().heapUsed;
}

/** Milliseconds since the epoch, with a fraction, unaffected by what user code sees. */
export const realNowMs: () => number = Date.now;

const performanceObject = performance;
const performanceNow = performance.now;
/** Monotonic milliseconds. */
export function monotonicMs(): number {
  return performanceNow.call(performanceObject);
}

// Behind `process.cpuUsage` of `node:process`, which looks for it when called; not in Deno's types.
const { cpuUsage } = Deno as unknown as { cpuUsage(): { user: number; system: number } };
const MICROSECONDS_PER_MS = 1000;
/** Processor time of all threads of the process. */
export function processorMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / MICROSECONDS_PER_MS;
}

const cryptoObject = crypto;
const getRandomValues = crypto.getRandomValues;

/** Bytes of the operating system's random source. */
export function systemRandomBytes(count: number): Uint8Array<ArrayBuffer> {
  return getRandomValues.call(cryptoObject, new Uint8Array(count)) as Uint8Array<ArrayBuffer>;
}

/** Gives all errors that nobody catches to `handler`; the process lives on. */
export function onUncaught(handler: (reason: unknown) => void): void {
  core.setUnhandledPromiseRejectionHandler((_promise, reason) => {
    handler(reason);
    return true;
  });
  core.setReportExceptionCallback(handler);
}

/** @param ipv4Only connect to no IPv6 addresses. */
export function captureNetwork(ipv4Only: boolean): NativeNetwork {
  if (!ipv4Only) return { fetch, setTimeout, clearTimeout };
  const nativeFetch = fetch;
  // A connection from an IPv4 address cannot go to an IPv6 one.
  const client = Deno.createHttpClient({ localAddress: "0.0.0.0" });
  return {
    fetch: (request, init) => nativeFetch(request, { ...init, client } as RequestInit),
    setTimeout,
    clearTimeout,
  };
}

/** Gives up every permission that the process may still have. */
export function revokePermissions(allowNetwork: boolean): void {
  const names = ["read", "write", "env", "run", "ffi", "sys", "import"] as const;
  for (const name of names) Deno.permissions.revokeSync({ name });
  if (!allowNetwork) Deno.permissions.revokeSync({ name: "net" });
}
