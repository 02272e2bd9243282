// Limits that the runtime enforces around a function (spec function-runtime 6), and the list of all
// limits that an operator can change. Limits on what a transaction reads and writes are the engine's,
// those on how many functions run by time are the scheduler's.

import { DEFAULT_TRANSACTION_LIMITS, type TransactionLimits } from "../engine/limits.ts";

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
  /** Body of an HTTP action's response. */
  readonly httpResponseBytes: number;
  readonly logLines: number;
  readonly logLineBytes: number;
  readonly nestedDepth: number;
  /** Wall clock time of an action in Node. */
  readonly nodeActionTimeMs: number;
  /** Heap that the actions of a Node process share. */
  readonly nodeHeapMebibytes: number;
  readonly nodeArgsBytes: number;
  /** Operations of an action in Node that are under way at a time. */
  readonly nodeOperations: number;
  /** Temporary files of a Node process. */
  readonly nodeTemporaryMebibytes: number;
}

export const DEFAULT_RUNTIME_LIMITS: RuntimeLimits = {
  userTimeMs: 1_000,
  systemTimeMs: 15_000,
  actionTimeMs: 1_800_000,
  analysisTimeMs: 4_000,
  heapMebibytes: 64,
  argsBytes: 16 * 1024 * 1024,
  resultBytes: 16 * 1024 * 1024,
  httpResponseBytes: 20 * 1024 * 1024,
  logLines: 256,
  logLineBytes: 32_768,
  nestedDepth: 8,
  nodeActionTimeMs: 600_000,
  nodeHeapMebibytes: 512,
  nodeArgsBytes: 5 * 1024 * 1024,
  nodeOperations: 1_000,
  nodeTemporaryMebibytes: 512,
};

/** A limit on time in the messages for developers: `500ms`, `1.5s`, `1800s`. */
export function durationText(ms: number): string {
  return ms < 1000 ? `${ms}ms` : `${ms / 1000}s`;
}

/** How many functions the server itself runs at once. Can be changed while it runs. */
export interface SchedulerLimits {
  readonly scheduledFunctionsRunning: number;
  readonly cronJobsRunning: number;
}

export const DEFAULT_SCHEDULER_LIMITS: SchedulerLimits = {
  scheduledFunctionsRunning: 16,
  cronJobsRunning: 8,
};

export type LimitName = keyof TransactionLimits | keyof RuntimeLimits | keyof SchedulerLimits;
export type LimitUnit =
  | "documents"
  | "files"
  | "tables"
  | "bytes"
  | "index ranges"
  | "functions"
  | "milliseconds"
  | "mebibytes"
  | "lines"
  | "operations"
  | "levels";

/** Every limit that `--limits` can change, with its unit. */
export const LIMITS: { readonly [Name in LimitName]: LimitUnit } = {
  documentsRead: "documents",
  bytesRead: "bytes",
  intervalsRead: "index ranges",
  documentsWritten: "documents",
  bytesWritten: "bytes",
  functionsScheduled: "functions",
  scheduledArgsBytes: "bytes",
  filesWritten: "files",
  fileWriteBytes: "bytes",
  filesRead: "files",
  fileReadBytes: "bytes",
  documentBytes: "bytes",
  documentNesting: "levels",
  tables: "tables",
  userTimeMs: "milliseconds",
  systemTimeMs: "milliseconds",
  actionTimeMs: "milliseconds",
  analysisTimeMs: "milliseconds",
  heapMebibytes: "mebibytes",
  argsBytes: "bytes",
  resultBytes: "bytes",
  httpResponseBytes: "bytes",
  logLines: "lines",
  logLineBytes: "bytes",
  nestedDepth: "levels",
  nodeActionTimeMs: "milliseconds",
  nodeHeapMebibytes: "mebibytes",
  nodeArgsBytes: "bytes",
  nodeOperations: "operations",
  nodeTemporaryMebibytes: "mebibytes",
  scheduledFunctionsRunning: "functions",
  cronJobsRunning: "functions",
};

/** The part of the changes that is the engine's. */
export function transactionLimits(
  changes: { readonly [Name in LimitName]?: number },
): Partial<TransactionLimits> {
  return pick(changes, DEFAULT_TRANSACTION_LIMITS);
}

/** The part of the changes that is the runtime's. */
export function runtimeLimits(
  changes: { readonly [Name in LimitName]?: number },
): Partial<RuntimeLimits> {
  return pick(changes, DEFAULT_RUNTIME_LIMITS);
}

/** The part of the changes that is the scheduler's. */
export function schedulerLimits(
  changes: { readonly [Name in LimitName]?: number },
): Partial<SchedulerLimits> {
  return pick(changes, DEFAULT_SCHEDULER_LIMITS);
}

function pick<T extends object>(changes: Partial<T>, names: T): Partial<T> {
  const entries = Object.entries(changes).filter(([name]) => Object.hasOwn(names, name));
  return Object.fromEntries(entries) as Partial<T>;
}
