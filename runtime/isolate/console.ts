// The console of one execution (spec function-runtime 4.1): formats arguments, keeps the lines
// within their limits.

import inspect from "object-inspect";
import { CONSOLE_LEVELS } from "../console_levels.ts";
import type { LogLevel, LogLine } from "../types.ts";
import { ConsoleTimers } from "../console_timers.ts";
import { realNowMs } from "./host.ts";
import { currentStackText } from "./errors.ts";
import type { PrivateRealm } from "./private_realm.ts";
import type { ScopeConsole } from "./scope.ts";

const INSPECT_OPTIONS = { maxStringLength: 32_768, indent: 2, customInspect: true } as const;

export interface LogLimits {
  readonly logLines: number;
  /** UTF-8 bytes of one line, its messages joined. */
  readonly logLineBytes: number;
}

/** The lines of one execution, in order, bounded. */
export class LogLines {
  readonly lines: LogLine[] = [];
  readonly #limits: LogLimits;
  readonly #onLine: ((line: LogLine) => void) | undefined;
  #overflowed = false;
  #longestBytes = 0;

  /** @param onLine sees each line as it is added. */
  constructor(limits: LogLimits, onLine?: (line: LogLine) => void) {
    this.#limits = limits;
    this.#onLine = onLine;
  }

  /** Whether lines of the function are no longer kept. */
  get isFull(): boolean {
    return this.#overflowed;
  }

  /** UTF-8 bytes of the longest line, as far as it was kept. */
  get longestBytes(): number {
    return this.#longestBytes;
  }

  add(level: LogLevel, messages: readonly string[]): void {
    this.append({ ...this.#truncate(messages), level, timestamp: Math.floor(realNowMs()) });
  }

  /** A line of the system, on top of the limit on lines. */
  addSystem(level: LogLevel, message: string, systemCode?: string): void {
    const line = { level, messages: [message], isTruncated: false };
    this.#push({ ...line, timestamp: Math.floor(realNowMs()), ...systemCode && { systemCode } });
  }

  /** Adds a finished line, such as one of a nested call. */
  append(line: LogLine): void {
    if (line.systemCode !== undefined) {
      this.#push(line);
      return;
    }
    if (this.#overflowed) return;
    if (this.lines.length >= this.#limits.logLines - 1) {
      this.#overflowed = true;
      const limit = this.#limits.logLines;
      this.addSystem(
        "ERROR",
        `Log overflow (maximum ${limit}). Remaining log lines omitted.`,
      );
      return;
    }
    this.#push(line);
  }

  #push(line: LogLine): void {
    this.lines.push(line);
    this.#onLine?.(line);
  }

  #truncate(messages: readonly string[]): { messages: readonly string[]; isTruncated: boolean } {
    const limit = this.#limits.logLineBytes;
    let left = limit;
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i]!;
      // No message of n UTF-16 units is longer than 3 n bytes: most lines need no exact count.
      const length = message.length * 3 <= left ? message.length * 3 : utf8Length(message);
      if (length > left) {
        this.#longestBytes = limit;
        return { messages: [...messages.slice(0, i), cutUtf8(message, left)], isTruncated: true };
      }
      left -= length === message.length * 3 ? utf8Length(message) : length;
      left -= 1;
      this.#longestBytes = Math.max(this.#longestBytes, limit - Math.max(left, 0));
      if (left < 0) return { messages: messages.slice(0, i + 1), isTruncated: true };
    }
    return { messages, isTruncated: false };
  }
}

/** The `console` of one execution. */
export class ExecutionConsole implements ScopeConsole {
  readonly #log: LogLines;
  readonly #timers: ConsoleTimers;
  readonly #realm: PrivateRealm | null;

  /** @param realm of the code that writes; null if it is the shared one. */
  constructor(log: LogLines, realm: PrivateRealm | null) {
    this.#log = log;
    this.#realm = realm;
    this.#timers = new ConsoleTimers((level, messages) => log.add(level, messages));
  }

  write(level: "debug" | "error" | "info" | "log" | "warn" | "trace", args: unknown[]): void {
    if (this.#log.isFull) return;
    const messages = args.map((arg) => this.#format(arg));
    if (level === "trace") {
      messages.push(currentStackText());
      this.#log.add("LOG", messages);
      return;
    }
    this.#log.add(CONSOLE_LEVELS[level], messages);
  }

  time(label: unknown): void {
    this.#timers.start(label);
  }

  timeLog(label: unknown, args: unknown[]): void {
    this.#timers.report(label, args.map((arg) => this.#format(arg)));
  }

  timeEnd(label: unknown): void {
    this.#timers.end(label);
  }

  #format(value: unknown): string {
    return formatArgument(this.#realm === null ? value : this.#realm.printable(value));
  }
}

function formatArgument(value: unknown): string {
  try {
    return inspect(value, INSPECT_OPTIONS);
  } catch (error) {
    // A getter, proxy or `inspect` method of the value threw.
    return `[unprintable: ${error instanceof Error ? error.message : "unknown error"}]`;
  }
}

const encoder = new TextEncoder();

function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) {
      length += 2;
      i++;
    } else length += 2;
  }
  return length;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** The longest start of the text that fits, cut between characters. */
function cutUtf8(text: string, bytesMax: number): string {
  const { read } = encoder.encodeInto(text, new Uint8Array(Math.max(bytesMax, 0)));
  return text.slice(0, read);
}
