// Outcomes of functions as clients read them: log lines as `[LEVEL] text` and errors with their
// request id (sync protocol 10, function-runtime 5). HTTP and WebSocket share these texts.

import type { FunctionError, LogLine } from "../runtime/types.ts";

/** `[LOG] 'hello' 1` */
export function printLogLine(line: LogLine): string {
  const text = `[${line.level}] ${line.messages.join(" ")}`;
  return line.isTruncated ? `${text} (truncated due to length)` : text;
}

/** The lines that a client may see; with redaction on, none. */
export function clientLogLines(lines: readonly LogLine[], redact: boolean): string[] {
  return redact ? [] : lines.map(printLogLine);
}

/** The error message that a client may see; `text` is text form T of function-runtime 5. */
export function clientErrorMessage(requestId: string, text: string, redact: boolean): string {
  const head = `[Request ID: ${requestId}] Server Error`;
  return redact ? head : `${head}\n${text}`;
}

/** A platform error (no frames) as the error of a function. */
export function errorFromMessage(message: string, data?: string): FunctionError {
  const text = message + "\n";
  return data === undefined ? { text } : { text, data };
}
