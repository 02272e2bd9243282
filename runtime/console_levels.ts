// The methods of `console` that write lines, and the level of each, in every kind of process.

import type { LogLevel } from "./types.ts";

export const CONSOLE_LEVELS = {
  debug: "DEBUG",
  error: "ERROR",
  info: "INFO",
  log: "LOG",
  warn: "WARN",
} as const satisfies Record<string, LogLevel>;
