// Limits that the runtime enforces around a function (spec function-runtime 6). Limits on what a
// transaction reads and writes are the engine's.

/** Bounds of one execution. Travels to the isolates, which enforce all but the hard stops. */
export interface RuntimeLimits {
  /** JavaScript time of a query or mutation, syscalls not counted. */
  readonly userTimeMs: number;
  /** Time of all syscalls of a query or mutation together. */
  readonly systemTimeMs: number;
  /** Wall clock time of an action. */
  readonly actionTimeMs: number;
  /** JavaScript time of the evaluation of one module at push. */
  readonly analysisTimeMs: number;
  /** Heap that a function is told it has. */
  readonly heapMebibytes: number;
  readonly argsBytes: number;
  readonly resultBytes: number;
  readonly logLines: number;
  readonly logLineBytes: number;
  readonly nestedDepth: number;
}

export const DEFAULT_RUNTIME_LIMITS: RuntimeLimits = {
  userTimeMs: 1_000,
  systemTimeMs: 15_000,
  actionTimeMs: 1_800_000,
  analysisTimeMs: 4_000,
  heapMebibytes: 64,
  argsBytes: 16 * 1024 * 1024,
  resultBytes: 16 * 1024 * 1024,
  logLines: 256,
  logLineBytes: 32_768,
  nestedDepth: 8,
};
