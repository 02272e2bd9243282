// Decides when a running isolate has used up the limits of the function it is running. The isolate
// cannot be asked (an endless loop answers nothing), so the watchdog looks from outside: signs of
// life on the pipe, and the processor time that the kernel counts for the process.

import { durationText, type RuntimeLimits } from "./limits.ts";
import type { ProcessUsage } from "./process_usage.ts";

/** Why a call must end. "stuck": no processor time is used either; the process itself is at fault. */
export type Overrun = "userTime" | "systemTime" | "memory" | "stuck";

/** The isolate reports its own overruns; from outside it gets this much longer. */
const GRACE_MS = 150;
/** A process that shows no sign of life this many times longer than user time allows is stuck. */
const STUCK_FACTOR = 15;
/**
 * Resident size that a process may reach: its own base, the heap and as much again for
 * `ArrayBuffer`s, which V8's heap limit does not cover.
 */
const BASE_RESIDENT_MEBIBYTES = 160;
/**
 * A process of at least this size (it starts with about 65) may be running out of heap: V8 collects garbage again and
 * again before it gives up. It gets this many times the user time, so that the true cause is told.
 */
const FULL_HEAP_RESIDENT_MEBIBYTES = 96;
const FULL_HEAP_FACTOR = 3;
/** How long after the last look at a process's size the next call is worth another one. */
const SIZE_LOOK_MS = 20;
const BYTES_PER_MEBIBYTE = 1024 * 1024;

/** Watches one process. Times are milliseconds of a monotonic clock. */
export class Watchdog {
  readonly #limits: RuntimeLimits;
  readonly #usage: () => ProcessUsage | null;
  /** User and system time of the running call as of the last sign of life. */
  #userMs = 0;
  #systemMs = 0;
  #signs = 0;
  #seenSigns = -1;
  #baseCpuMs: number | null = null;
  #baseMs = 0;
  /** When the process was last said to begin something new, and its size about then. */
  #restartedMs = -Infinity;
  #residentBytesBefore = 0;

  constructor(limits: RuntimeLimits, usage: () => ProcessUsage | null) {
    this.#limits = limits;
    this.#usage = usage;
  }

  /** A result arrived or new work was handed to an idle process: the next call starts from zero. */
  restart(nowMs: number): void {
    if (nowMs - this.#restartedMs >= SIZE_LOOK_MS) {
      this.#residentBytesBefore = this.#usage()?.residentBytes ?? 0;
    }
    this.#restartedMs = nowMs;
    this.#signs++;
    this.#userMs = 0;
    this.#systemMs = 0;
  }

  /**
   * Whether the process was so large already when the running call began that, should memory run out,
   * what it keeps for other functions (their code, their instances) is to blame as well.
   */
  get wasLargeBefore(): boolean {
    return this.#residentBytesBefore > FULL_HEAP_RESIDENT_MEBIBYTES * BYTES_PER_MEBIBYTE;
  }

  /** The running call reported what it has used. */
  progress(userMs: number, systemMs: number): void {
    this.#signs++;
    this.#userMs = userMs;
    this.#systemMs = systemMs;
  }

  /** The host knows why the process is silent. */
  excuse(): void {
    this.#signs++;
  }

  /** To be called regularly while the process has work; null while all is well. */
  check(nowMs: number): Overrun | null {
    if (this.#systemMs > this.#limits.systemTimeMs) return "systemTime";
    const usage = this.#usage();
    const { heapMebibytes } = this.#limits;
    if (usage !== null && usage.residentBytes > residentBytesMax(heapMebibytes)) return "memory";
    if (this.#signs !== this.#seenSigns) {
      this.#seenSigns = this.#signs;
      this.#baseCpuMs = usage?.cpuMs ?? null;
      this.#baseMs = nowMs;
      return this.#userMs > this.#limits.userTimeMs + GRACE_MS ? "userTime" : null;
    }
    const wallMs = nowMs - this.#baseMs;
    // Helper threads of V8 count too, so processor time alone may run faster than the clock; a
    // starved process uses less than the clock. The smaller is what the function can be blamed for.
    const blamedMs = usage === null || this.#baseCpuMs === null
      ? wallMs
      : Math.min(wallMs, usage.cpuMs - this.#baseCpuMs);
    const isFull = usage !== null &&
      usage.residentBytes > FULL_HEAP_RESIDENT_MEBIBYTES * BYTES_PER_MEBIBYTE;
    const allowedMs = this.#limits.userTimeMs * (isFull ? FULL_HEAP_FACTOR : 1) + GRACE_MS;
    if (this.#userMs + blamedMs > allowedMs) return "userTime";
    return wallMs > this.#limits.userTimeMs * STUCK_FACTOR ? "stuck" : null;
  }
}

/** What a process with such a heap may take of the machine's memory. */
export function residentBytesMax(heapMebibytes: number): number {
  return (BASE_RESIDENT_MEBIBYTES + 2 * heapMebibytes) * BYTES_PER_MEBIBYTE;
}

/** What the caller of a function that used up a limit is told. */
export function overrunMessage(
  overrun: Exclude<Overrun, "stuck">,
  limits: RuntimeLimits,
): string {
  switch (overrun) {
    case "userTime":
      return `Function execution timed out (maximum duration: ${durationText(limits.userTimeMs)})`;
    case "systemTime":
      return "Your request timed out performing too many system operations.";
    case "memory":
      return "JavaScript execution ran out of memory (maximum memory usage: " +
        `${limits.heapMebibytes} MB)`;
  }
}
