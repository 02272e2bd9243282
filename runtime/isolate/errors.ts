// What a thrown value looks like to the developer (spec function-runtime 5): message, mapped stack
// frames, data of a ConvexError, and the text form T.

import { types } from "node:util";
import type { FunctionError } from "../types.ts";
import { decodeValue, stringifyValue } from "../../engine/values/json.ts";
import { originalPosition } from "./source_maps.ts";

const MESSAGE_BYTES_MAX = 65_536;
const FRAMES_MAX = 10;
/** The runtime's own frames, which are dropped, stand between the function's: V8 counts them all. */
export const STACK_FRAMES_MAX = 50;
/** Frames of the platform's own library at either end of a stack say nothing to the developer. */
const LIBRARY_FRAME = /convex\/src\/server\/impl|udf-runtime\/src/;
const CONVEX_ERROR = Symbol.for("ConvexError");

/** The part of V8's CallSite that frames are made of. */
interface CallSite {
  getFileName(): string | null;
  getLineNumber(): number | null;
  getColumnNumber(): number | null;
  getFunctionName(): string | null;
  isAsync(): boolean;
  isConstructor(): boolean;
}

interface Frame {
  readonly fileName: string;
  readonly line: number;
  /** From 1, as V8 counts. */
  readonly column: number;
  readonly functionName: string | null;
  readonly isAsync: boolean;
  readonly isConstructor: boolean;
}

const recordedFrames = new WeakMap<object, readonly Frame[]>();
/** Stacks of the runtime's own errors, for the server's log. */
const internalStacks = new WeakMap<object, string>();
const nativeCaptureStackTrace = Error.captureStackTrace;

/**
 * V8 calls this when the stack of an error is first looked at. User code sees the frames alone,
 * mapped to the developer's files.
 */
export function prepareStackTrace(error: object, callSites: readonly CallSite[]): string {
  const frames: Frame[] = [];
  for (const site of callSites) {
    const fileName = site.getFileName();
    const line = site.getLineNumber();
    if (fileName === null || line === null || !fileName.startsWith("convex:/")) continue;
    frames.push({
      fileName,
      line,
      column: site.getColumnNumber() ?? 1,
      functionName: site.getFunctionName(),
      isAsync: site.isAsync(),
      isConstructor: site.isConstructor(),
    });
  }
  recordedFrames.set(error, frames);
  if (frames.length === 0) internalStacks.set(error, callSites.map(String).join("\n"));
  return formatFrames(frames).join("\n");
}

/** The stack at the caller, as text. */
export function currentStackText(): string {
  const holder: { stack?: string } = {};
  nativeCaptureStackTrace(holder, currentStackText);
  return String(holder.stack);
}

/** The unmapped stack of an error of the runtime itself. */
export function internalStack(error: Error): string {
  const { stack } = error;
  return internalStacks.get(error) ?? String(stack);
}

function formatFrames(frames: readonly Frame[]): string[] {
  const mapped: { text: string; isLibrary: boolean }[] = [];
  for (const frame of frames) {
    const original = originalPosition(frame.fileName, {
      line: frame.line,
      column: frame.column - 1,
    });
    if (original === null) continue;
    const name = frame.functionName || "<anonymous>";
    const prefix = frame.isConstructor ? "new " : frame.isAsync ? "async " : "";
    const { source, line, column } = original;
    mapped.push({
      text: `    at ${prefix}${name} (${source}:${line}:${column + 1})`,
      isLibrary: LIBRARY_FRAME.test(source),
    });
  }
  let start = 0;
  let end = mapped.length;
  while (start < end && mapped[start]!.isLibrary) start++;
  while (end > start && mapped[end - 1]!.isLibrary) end--;
  return mapped.slice(start, end).map((frame) => frame.text).slice(0, FRAMES_MAX);
}

/** Errors of the platform that user code may catch; uncaught they are shown by their message alone. */
const messageErrors = new WeakSet<Error>();

export function markAsMessage(error: Error): void {
  messageErrors.add(error);
}

/** An error without frames: a failed check, a limit, the system's own. */
export function plainError(message: string, data?: string): FunctionError {
  return { text: `${message}\n`, ...data !== undefined && { data } };
}

/** Whether the value is an error, of whatever realm (private_realm.ts). */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** The error that a thrown value becomes for the caller of the function. */
export function describeThrown(thrown: unknown): FunctionError {
  try {
    return describe(thrown);
  } catch {
    // A getter or a proxy of the thrown value failed.
    return plainError("Uncaught #<Object>");
  }
}

function describe(thrown: unknown): FunctionError {
  if (isError(thrown) && messageErrors.has(thrown)) return plainError(thrown.message);
  if (!isError(thrown)) return plainError(cut(`Uncaught ${printThrown(thrown)}`));
  let message = `Uncaught ${errorTitle(thrown)}`;
  const data = convexErrorData(thrown);
  if (data.problem !== undefined) message = `ConvexError with invalid data: ${data.problem}`;
  const text = [cut(message), ...framesOf(thrown)].map((line) => line + "\n").join("");
  return { text, ...data.json !== undefined && { data: data.json } };
}

function errorTitle(error: Error): string {
  const name = error.name === undefined ? "Error" : String(error.name);
  const message = error.message === undefined ? "" : String(error.message);
  if (name === "") return message;
  return message === "" ? name : `${name}: ${message}`;
}

function framesOf(error: Error): string[] {
  // Looking at the stack makes V8 call `prepareStackTrace` if nobody looked before.
  void error.stack;
  return formatFrames(recordedFrames.get(error) ?? []);
}

function convexErrorData(error: Error): { json?: string; problem?: string } {
  const marked = error as unknown as { ConvexErrorSymbol?: unknown; data?: unknown };
  const symbol = marked.ConvexErrorSymbol;
  if (symbol !== CONVEX_ERROR) return {};
  if ((error as unknown as Record<symbol, unknown>)[CONVEX_ERROR] !== true) return {};
  try {
    return { json: stringifyValue(decodeValue(JSON.parse(String(marked.data)))) };
  } catch (problem) {
    return { problem: problem instanceof Error ? problem.message : String(problem) };
  }
}

/** A value that is no Error, as V8 prints uncaught ones. */
function printThrown(value: unknown): string {
  if (typeof value === "symbol") return value.toString();
  if (typeof value !== "object" || value === null) return String(value);
  const constructor: unknown = (value as { constructor?: unknown }).constructor;
  const name = typeof constructor === "function" && constructor.name ? constructor.name : "Object";
  return `#<${name}>`;
}

const encoder = new TextEncoder();

function cut(message: string): string {
  if (message.length * 3 <= MESSAGE_BYTES_MAX) return message;
  const { read } = encoder.encodeInto(message, new Uint8Array(MESSAGE_BYTES_MAX));
  return message.slice(0, read);
}
