// How much processor time runs have had. A function's time is taken from the wall clock, which is cheap
// to read; on a loaded machine that also counts time in which the process stood still. Before a
// function is blamed for it, the processor time since its start says how much it can have used.

import { processorMs } from "./host.ts";

/** A reading serves all runs that start so soon after it: reading costs more than a small run's clock. */
const READING_AGE_MS_MAX = 20;

/** A reading of the process's processor time. */
export class ProcessorReading {
  readonly #atMs = processorMs();

  /** At most so much time was used by a run that began at this reading or up to 20 ms later. */
  usedMs(): number {
    return processorMs() - this.#atMs;
  }
}

/** Durations up to this are taken as they are. */
const BELIEVED_MS_MAX = 5;

/** How much of the time since its start a run can have used; exact where that is not much. */
export function usedOf(durationMs: number, reading: ProcessorReading): number {
  return durationMs <= BELIEVED_MS_MAX ? durationMs : Math.min(durationMs, reading.usedMs());
}

let latest: ProcessorReading | null = null;
let latestMs = 0;

/** A reading for a run that starts now. */
export function readProcessor(nowMs: number): ProcessorReading {
  if (latest === null || nowMs - latestMs > READING_AGE_MS_MAX) {
    latest = new ProcessorReading();
    latestMs = nowMs;
  }
  return latest;
}
