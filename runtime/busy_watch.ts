// Notices a process that computes without pause and therefore answers nobody else.

import { processUsage } from "./process_usage.ts";

/** A process that computes this long without a word is busy. */
const BUSY_MS_MAX = 3_000;
/** Share of the time that counts as computing. */
const BUSY_SHARE = 0.9;

export class BusyWatch {
  readonly #pid: number;
  /** When the current silence began, and the processor time at that moment. */
  #silentSinceMs = 0;
  #silentSinceCpuMs: number | null = null;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** The process said something. */
  heard(): void {
    this.#silentSinceCpuMs = null;
  }

  /** To be asked regularly while the process has work. */
  isBusy(nowMs: number): boolean {
    const usage = processUsage(this.#pid);
    if (usage === null) return false;
    if (this.#silentSinceCpuMs === null) {
      this.#silentSinceMs = nowMs;
      this.#silentSinceCpuMs = usage.cpuMs;
      return false;
    }
    const silentMs = nowMs - this.#silentSinceMs;
    return silentMs > BUSY_MS_MAX &&
      usage.cpuMs - this.#silentSinceCpuMs > silentMs * BUSY_SHARE;
  }
}
