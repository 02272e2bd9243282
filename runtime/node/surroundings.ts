// What code in a Node process finds around it: Node's globals, the app's variables, a console whose
// lines belong to the action that writes them, and no way to end the process or to be called from
// outside. Permissions of the process keep it from everything else; nothing here is a wall.

import { Buffer } from "node:buffer";
import { Console } from "node:console";
import { createRequire } from "node:module";
import net from "node:net";
import process from "node:process";
import { Readable, Writable } from "node:stream";
import * as timers from "node:timers";
import { inspect } from "node:util";
import { CONSOLE_LEVELS } from "../console_levels.ts";
import type { LogLevel } from "../types.ts";
import { refuseNativeAddons } from "./native_addons.ts";
import type { NodeCall } from "./node_call.ts";
import type { NodeInitFrame } from "./protocol.ts";

const INSPECT_OPTIONS = { maxStringLength: 32_768 } as const;
const IS_DENO = "Deno" in globalThis;
/** Deno says so whatever the machine has. */
const GLIBC_VERSION = "2.38";
/** Globals of Deno that Node does not have and that libraries take for a browser's. */
const ABSENT_GLOBALS = [
  "alert",
  "caches",
  "close",
  "confirm",
  "localStorage",
  "location",
  "prompt",
  "sessionStorage",
  "Worker",
];

export interface Surroundings {
  /** The action whose code runs; null for none. */
  readonly currentCall: () => NodeCall | null;
  /** Code wants to end the process. */
  readonly onExit: (what: string) => void;
  /** A package wanted to load a native add-on. */
  readonly onAddonRefused: () => void;
}

export function arrange(init: NodeInitFrame, surroundings: Surroundings): void {
  arrangeEnvironment(init);
  arrangeGlobals(init);
  arrangeProcess(surroundings);
  if (!init.nativeAddons) refuseNativeAddons(surroundings.onAddonRefused);
  globalThis.console = callConsole(surroundings.currentCall);
  refuseListening();
}

function arrangeEnvironment(init: NodeInitFrame): void {
  const { appDirectory, temporaryDirectory, environment } = init;
  for (const name of Object.keys(process.env)) delete process.env[name];
  const variables = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    PWD: temporaryDirectory,
    HOME: temporaryDirectory,
    TMPDIR: temporaryDirectory,
    LANG: "en_US.UTF-8",
    NODE_PATH: `${appDirectory}/node_modules`,
    TZ: "UTC",
    ...environment,
  };
  Object.assign(process.env, variables);
}

/** Bundles are ES modules, but what they bundle may expect the globals of CommonJS. */
function arrangeGlobals({ appDirectory }: NodeInitFrame): void {
  const filename = `${appDirectory}/index.js`;
  const exports = {};
  const { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate } =
    timers;
  Object.assign(globalThis, {
    global: globalThis,
    process,
    Buffer,
    setTimeout,
    setInterval,
    setImmediate,
    clearTimeout,
    clearInterval,
    clearImmediate,
    require: createRequire(filename),
    module: { exports },
    exports,
    __filename: filename,
    __dirname: appDirectory,
  });
  if (!IS_DENO) return;
  for (const name of ABSENT_GLOBALS) Reflect.deleteProperty(globalThis, name);
}

function arrangeProcess({ currentCall, onExit }: Surroundings): void {
  const exit = (code: unknown = 0): never => {
    onExit(`process.exit called with code ${String(code)}`);
    throw new Error("Actions cannot end their process");
  };
  const properties: Record<string, unknown> = {
    exit,
    reallyExit: exit,
    abort: () => exit("SIGABRT"),
    kill: refuseSignal,
    stdin: Readable.from([]),
    stdout: lineStream("LOG", currentCall),
    stderr: lineStream("ERROR", currentCall),
  };
  if (IS_DENO) Object.assign(process.report!, { getReport: libraryReport });
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(process, name, { value, configurable: true, writable: true });
  }
  if (IS_DENO) Object.defineProperty(Deno, "exit", { value: exit, configurable: true });
}

/**
 * What packages look for in Node's report: which C library their native code needs. Deno's own report
 * would name the machine's network addresses, for which the process has no permission.
 */
function libraryReport(): Record<string, unknown> {
  const header = { nodejsVersion: process.version, arch: process.arch, platform: process.platform };
  if (!Deno.build.target.endsWith("-gnu")) {
    return { header, sharedObjects: [`/lib/ld-musl-${Deno.build.arch}.so.1`] };
  }
  return { header: { ...header, glibcVersionRuntime: GLIBC_VERSION }, sharedObjects: [] };
}

/** An installed Node would signal any process of the server's user. */
function refuseSignal(): never {
  throw Object.assign(new Error("Actions cannot signal processes: EPERM"), { code: "EPERM" });
}

/** Text that is written becomes lines of the action's log. */
function lineStream(level: LogLevel, currentCall: () => NodeCall | null): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Uint8Array, _encoding, done) {
      const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
      currentCall()?.log(level, [text.endsWith("\n") ? text.slice(0, -1) : text]);
      done();
    },
  });
}

/** Node's console. What is not listed here (`table`, `dir`, …) comes as text. */
function callConsole(currentCall: () => NodeCall | null): typeof globalThis.console {
  const write = (level: LogLevel, args: readonly unknown[]) =>
    currentCall()?.log(level, args.map(formatArgument));
  const methods: Record<string, (...args: unknown[]) => void> = {
    trace: (...args) => {
      const { stack } = new Error();
      const frames = String(stack).split("\n").slice(2).join("\n");
      currentCall()?.log("LOG", [...args.map(formatArgument), frames]);
    },
    time: (label) => currentCall()?.timers.start(label),
    timeLog: (label, ...args) => currentCall()?.timers.report(label, args.map(formatArgument)),
    timeEnd: (label) => currentCall()?.timers.end(label),
  };
  for (const [method, level] of Object.entries(CONSOLE_LEVELS)) {
    methods[method] = (...args) => write(level, args);
  }
  const texts = new Console({
    stdout: lineStream("LOG", currentCall),
    stderr: lineStream("ERROR", currentCall),
  });
  return Object.assign(texts, methods) as unknown as typeof globalThis.console;
}

function formatArgument(value: unknown): string {
  try {
    return inspect(value, INSPECT_OPTIONS);
  } catch (error) {
    // A getter, proxy or custom inspector of the value threw.
    return `[unprintable: ${error instanceof Error ? error.message : "unknown error"}]`;
  }
}

function refuseListening(): void {
  const refuse = (): never => {
    throw new Error("Actions cannot listen for connections");
  };
  net.Server.prototype.listen = refuse;
  if (!IS_DENO) return;
  for (const name of ["listen", "listenTls", "listenDatagram", "serve"]) {
    Object.defineProperty(Deno, name, { value: refuse, configurable: true });
  }
}
