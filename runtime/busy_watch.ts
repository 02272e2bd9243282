// Notices a process that computes without pause and therefore answers nobody else.

import { processUsage, processWaitingMs } from "./process_usage.ts";

/** A process that computes this long without a word is busy. */
const BUSY_MS_MAX = 3_000;
/** Share of the time that counts as computing, or as waiting for a processor to compute on. */
const BUSY_SHARE = 0.9;

export class BusyWatch {
  readonly #pid: number;
  /** When the current silence began, and what the process had computed and waited by then. */
  #silentSinceMs = 0;
  #silentSinceReadyMs: number | null = null;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** The process said something. */
  heard(): void {
    this.#silentSinceReadyMs = null;
  }

  /** To be asked regularly while the process has work. */
  isBusy(nowMs: number): boolean {
    const usage = processUsage(this.#pid);
    if (usage === null) return false;
    const readyMs = usage.cpuMs + processWaitingMs(this.#pid);
    if (this.#silentSinceReadyMs === null) {
      this.#silentSinceMs = nowMs;
      this.#silentSinceReadyMs = readyMs;
      return false;
    }
    const silentMs = nowMs - this.#silentSinceMs;
    return silentMs > BUSY_MS_MAX &&
      readyMs - this.#silentSinceReadyMs > silentMs * BUSY_SHARE;
  }
}
