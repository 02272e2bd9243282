// What a child process has used, as the kernel counts it. On systems without /proc the answers are
// null and callers fall back to the wall clock.

/** Linux counts processor time in ticks of 10 ms. */
const CLOCK_TICK_MS = 10;
const PAGE_BYTES = 4096;
/** Positions in /proc/PID/stat after the parenthesised name (man proc_pid_stat, fields 14, 15, 24). */
const USER_TICKS_FIELD = 11;
const SYSTEM_TICKS_FIELD = 12;
const RESIDENT_PAGES_FIELD = 21;

export interface ProcessUsage {
  /** Processor time of all threads since the start. */
  readonly cpuMs: number;
  readonly residentBytes: number;
}

/** Usage of a process, or null when it cannot be known. */
export function processUsage(pid: number): ProcessUsage | null {
  if (Deno.build.os !== "linux") return null;
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch {
    return null;
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[USER_TICKS_FIELD]) + Number(fields[SYSTEM_TICKS_FIELD]);
  return {
    cpuMs: ticks * CLOCK_TICK_MS,
    residentBytes: Number(fields[RESIDENT_PAGES_FIELD]) * PAGE_BYTES,
  };
}

/**
 * How long a process (its first thread, which runs JavaScript) was ready to compute while others had the
 * processor. 0 when it cannot be known.
 */
export function processWaitingMs(pid: number): number {
  if (Deno.build.os !== "linux") return 0;
  try {
    const [, waitingNanoseconds] = Deno.readTextFileSync(`/proc/${pid}/schedstat`).split(" ");
    return Number(waitingNanoseconds) / 1e6;
  } catch {
    return 0;
  }
}
