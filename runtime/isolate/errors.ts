// What a thrown value looks like to the developer (spec function-runtime 5): message, mapped stack
// frames, data of a ConvexError, and the text form T.

import type { ReportedError } from "../node/protocol.ts";
import { convexErrorText, cutMessage, isError, thrownMessage } from "../thrown_values.ts";
import type { FunctionError } from "../types.ts";
import { decodeValue, stringifyValue } from "../../engine/values/json.ts";
import { forgetScript, originalPosition, registerScript } from "./source_maps.ts";

const FRAMES_MAX = 10;
/** The runtime's own frames, which are dropped, stand between the function's: V8 counts them all. */
export const STACK_FRAMES_MAX = 50;
/** Frames of the platform's own library at either end of a stack say nothing to the developer. */
const LIBRARY_FRAME = /convex\/src\/server\/impl|udf-runtime\/src/;

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
  if (!isError(thrown)) return plainError(thrownMessage(thrown));
  if (messageErrors.has(thrown)) return plainError(thrown.message);
  return describedError(thrownMessage(thrown), framesOf(thrown), convexErrorText(thrown));
}

/**
 * The error that a Node process reported.
 * @param sourceMapOf the module at a path
 */
export function describeReported(
  { message, frames, data }: ReportedError,
  sourceMapOf: (path: string) => string | null,
): FunctionError {
  const scripts = new Set<string>();
  const located = frames.map((frame): Frame => {
    const fileName = `node:/${frame.path}`;
    if (!scripts.has(fileName)) {
      registerScript(fileName, { codeMap: null, sourceMap: sourceMapOf(frame.path) });
    }
    scripts.add(fileName);
    return { ...frame, fileName };
  });
  const lines = formatFrames(located);
  for (const fileName of scripts) forgetScript(fileName);
  return describedError(cutMessage(message), lines, data);
}

function describedError(
  message: string,
  frames: readonly string[],
  dataText: string | undefined,
): FunctionError {
  const text = (first: string) => [first, ...frames].map((line) => line + "\n").join("");
  if (dataText === undefined) return { text: text(message) };
  try {
    return { text: text(message), data: stringifyValue(decodeValue(JSON.parse(dataText))) };
  } catch (problem) {
    const reason = problem instanceof Error ? problem.message : String(problem);
    return { text: text(cutMessage(`ConvexError with invalid data: ${reason}`)) };
  }
}

function framesOf(error: Error): string[] {
  // Looking at the stack makes V8 call `prepareStackTrace` if nobody looked before.
  void error.stack;
  return formatFrames(recordedFrames.get(error) ?? []);
}
