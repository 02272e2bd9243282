// What a Node process tells of a thrown value: message, a ConvexError's data, and the frames that
// are in the app's modules. The isolate that waits maps them to the developer's files.

import { convexErrorText, isError, thrownMessage } from "../thrown_values.ts";
import type { ModuleFrame, ReportedError } from "./protocol.ts";

/** Characters of a stack that are looked at; user code can make it any text. */
const STACK_CHARACTERS_MAX = 64 * 1024;
/** `    at async fn (file:///…:1:2)`, `    at file:///…:1:2`, `    at new Class (file:///…:1:2)` */
const FRAME =
  /^ +at (async )?(?:(new )?([^()]+) (?:\[as [^\]]*\] )?\()?(file:[^()]+):(\d+):(\d+)\)?$/;
/** V8 puts the receiver's type before the names of functions. */
const RECEIVER = /^(?:Module|Object|Function)\./;

/** An error of the server's own words. */
export function plainReport(message: string): ReportedError {
  return { message, frames: [] };
}

/**
 * @param appUrl of the directory with the modules, with a slash at the end
 */
export function reportThrown(thrown: unknown, appUrl: string): ReportedError {
  try {
    const message = thrownMessage(thrown);
    if (!isError(thrown)) return plainReport(message);
    const data = convexErrorText(thrown);
    return { message, frames: framesOf(thrown, appUrl), ...data !== undefined && { data } };
  } catch {
    // A getter or a proxy of the thrown value failed.
    return plainReport("Uncaught #<Object>");
  }
}

/** The same for something that nobody caught: `Uncaught unhandledRejection: message`. */
export function reportUncaught(event: string, thrown: unknown, appUrl: string): ReportedError {
  const report = reportThrown(thrown, appUrl);
  const text = isError(thrown) ? String(thrown.message) : report.message.slice(9);
  return { ...report, message: `Uncaught ${event}: ${text}` };
}

function framesOf(error: Error, appUrl: string): ModuleFrame[] {
  const frames: ModuleFrame[] = [];
  const stack = String(error.stack).slice(0, STACK_CHARACTERS_MAX);
  for (const text of stack.split("\n")) {
    const match = FRAME.exec(text);
    if (match === null || !match[4]!.startsWith(appUrl)) continue;
    const [, isAsync, isConstructor, name, url, line, column] = match;
    frames.push({
      path: url!.slice(appUrl.length),
      line: Number(line),
      column: Number(column),
      functionName: name?.replace(RECEIVER, "") ?? null,
      isAsync: isAsync !== undefined,
      isConstructor: isConstructor !== undefined,
    });
  }
  return frames;
}
