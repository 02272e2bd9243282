// How thrown values read (spec function-runtime 5), the same in isolates and in Node processes.

import { types } from "node:util";

const MESSAGE_BYTES_MAX = 65_536;
const CONVEX_ERROR = Symbol.for("ConvexError");
const encoder = new TextEncoder();

/** Whether the value is an error, of whatever realm. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** `Uncaught …` as the caller sees it. May run code of the thrown value. */
export function thrownMessage(thrown: unknown): string {
  return cutMessage(`Uncaught ${isError(thrown) ? errorTitle(thrown) : printed(thrown)}`);
}

export function errorTitle(error: Error): string {
  const name = error.name === undefined ? "Error" : String(error.name);
  const message = error.message === undefined ? "" : String(error.message);
  if (name === "") return message;
  return message === "" ? name : `${name}: ${message}`;
}

/** A value that is no Error, as V8 prints uncaught ones. */
function printed(value: unknown): string {
  if (typeof value === "symbol") return value.toString();
  if (typeof value !== "object" || value === null) return String(value);
  const constructor: unknown = (value as { constructor?: unknown }).constructor;
  const name = typeof constructor === "function" && constructor.name ? constructor.name : "Object";
  return `#<${name}>`;
}

/** The message as far as it may be long. */
export function cutMessage(message: string): string {
  if (message.length * 3 <= MESSAGE_BYTES_MAX) return message;
  const { read } = encoder.encodeInto(message, new Uint8Array(MESSAGE_BYTES_MAX));
  return message.slice(0, read);
}

/** The data that the npm package left on a ConvexError, JSON text; undefined for other errors. */
export function convexErrorText(error: Error): string | undefined {
  const marked = error as unknown as { ConvexErrorSymbol?: unknown; data?: unknown };
  const symbol = marked.ConvexErrorSymbol;
  if (symbol !== CONVEX_ERROR) return undefined;
  if ((error as unknown as Record<symbol, unknown>)[CONVEX_ERROR] !== true) return undefined;
  return String(marked.data);
}
