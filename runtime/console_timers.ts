// The timers of one execution's console: `time`, `timeLog` and `timeEnd` (spec function-runtime 4.1).
// Their durations are real ones.

import type { LogLevel } from "./types.ts";

const DEFAULT_LABEL = "default";
/** Running timers of one execution; more are not kept. */
const TIMERS_MAX = 1000;

const performanceObject = performance;
const performanceNow = performance.now;

export class ConsoleTimers {
  readonly #add: (level: LogLevel, messages: readonly string[]) => void;
  readonly #startedMs = new Map<string, number>();

  constructor(add: (level: LogLevel, messages: readonly string[]) => void) {
    this.#add = add;
  }

  start(label: unknown): void {
    const name = labelText(label);
    if (this.#startedMs.has(name)) {
      this.#add("WARN", [`Timer '${name}' already exists`]);
      return;
    }
    if (this.#startedMs.size < TIMERS_MAX) this.#startedMs.set(name, nowMs());
  }

  /** @param messages to be shown behind the duration */
  report(label: unknown, messages: readonly string[] = []): void {
    const name = labelText(label);
    const startedMs = this.#startedMs.get(name);
    if (startedMs === undefined) {
      this.#add("WARN", [`Timer '${name}' does not exist`]);
      return;
    }
    this.#add("INFO", [`${name}: ${Math.floor(nowMs() - startedMs)}ms`, ...messages]);
  }

  end(label: unknown): void {
    this.report(label);
    this.#startedMs.delete(labelText(label));
  }
}

function labelText(label: unknown): string {
  return label === undefined ? DEFAULT_LABEL : String(label);
}

/** User code of isolates may replace `performance`: only what was taken before counts. */
function nowMs(): number {
  return performanceNow.call(performanceObject);
}
