// Limits of one transaction and of what it writes (spec values-and-queries 4.3, function-runtime 6). Where the reference
// and the documentation differ, the larger number holds.

import { userError } from "./errors.ts";
import { formatSize } from "./values/size.ts";

export interface TransactionLimits {
  readonly documentsRead: number;
  readonly bytesRead: number;
  /** Disjoint intervals of index keys, after merging. */
  readonly intervalsRead: number;
  /** Write calls; rewriting a document counts again. */
  readonly documentsWritten: number;
  readonly bytesWritten: number;
  readonly functionsScheduled: number;
  readonly scheduledArgsBytes: number;
  /** Files that a mutation stores and gets; their bytes pass through its heap several times. */
  readonly filesWritten: number;
  readonly fileWriteBytes: number;
  readonly filesRead: number;
  readonly fileReadBytes: number;
  /** Size of one document, system fields included. */
  readonly documentBytes: number;
  /** Nesting of one document; the document itself counts one. */
  readonly documentNesting: number;
  /** Active user tables over all components. */
  readonly tables: number;
}

const MIB = 2 ** 20;

export const DEFAULT_TRANSACTION_LIMITS: TransactionLimits = {
  documentsRead: 32_000,
  bytesRead: 16 * MIB,
  intervalsRead: 4096,
  documentsWritten: 16_000,
  bytesWritten: 16 * MIB,
  functionsScheduled: 1000,
  scheduledArgsBytes: 16 * MIB,
  filesWritten: 1000,
  fileWriteBytes: 8 * MIB,
  filesRead: 1000,
  fileReadBytes: 8 * MIB,
  documentBytes: MIB,
  documentNesting: 16,
  tables: 10_000,
};

/** What a transaction has used; the scheduler's part is counted by whoever schedules. */
export interface TransactionUsage {
  documentsRead: number;
  bytesRead: number;
  intervalsRead: number;
  documentsWritten: number;
  bytesWritten: number;
  functionsScheduled: number;
  scheduledArgsBytes: number;
  /** What was stored or got stays counted when a nested mutation is rolled back. */
  filesWritten: number;
  fileWriteBytes: number;
  filesRead: number;
  fileReadBytes: number;
}

export function emptyUsage(): TransactionUsage {
  return {
    documentsRead: 0,
    bytesRead: 0,
    intervalsRead: 0,
    documentsWritten: 0,
    bytesWritten: 0,
    functionsScheduled: 0,
    scheduledArgsBytes: 0,
    filesWritten: 0,
    fileWriteBytes: 0,
    filesRead: 0,
    fileReadBytes: 0,
  };
}

const READ_HINT =
  "Consider using smaller limits in your queries, paginating your queries, or using indexed " +
  "queries with a selective index range expressions.";

/**
 * Counts a document that a function is about to see.
 * @throws PlatformError TooManyDocumentsRead, TooManyBytesRead: nothing is counted then
 */
export function chargeRead(
  usage: TransactionUsage,
  limits: TransactionLimits,
  bytes: number,
): void {
  if (usage.documentsRead + 1 > limits.documentsRead) {
    throw userError(
      "TooManyDocumentsRead",
      `Too many documents read in a single function execution (limit: ${limits.documentsRead}). ` +
        READ_HINT,
    );
  }
  if (usage.bytesRead + bytes > limits.bytesRead) {
    throw userError(
      "TooManyBytesRead",
      `Too many bytes read in a single function execution (limit: ${limits.bytesRead} bytes). ` +
        READ_HINT,
    );
  }
  usage.documentsRead++;
  usage.bytesRead += bytes;
}

/**
 * Counts intervals that were added to the read set.
 * @throws PlatformError TooManyReads
 */
export function chargeIntervals(
  usage: TransactionUsage,
  limits: TransactionLimits,
  added: number,
): void {
  usage.intervalsRead += added;
  if (usage.intervalsRead > limits.intervalsRead) {
    throw userError(
      "TooManyReads",
      `Too many reads in a single function execution (limit: ${limits.intervalsRead}). ${READ_HINT}`,
    );
  }
}

/**
 * Counts a write of a user document.
 * @throws PlatformError TooManyWrites, TooManyBytesWritten: nothing is counted then
 */
export function chargeWrite(
  usage: TransactionUsage,
  limits: TransactionLimits,
  bytes: number,
): void {
  if (usage.documentsWritten + 1 > limits.documentsWritten) {
    throw userError(
      "TooManyWrites",
      `Too many writes in a single function execution (limit: ${limits.documentsWritten})`,
    );
  }
  if (usage.bytesWritten + bytes > limits.bytesWritten) {
    throw userError(
      "TooManyBytesWritten",
      "Too many bytes written in a single function execution " +
        `(limit: ${formatSize(limits.bytesWritten)})`,
    );
  }
  usage.documentsWritten++;
  usage.bytesWritten += bytes;
}

/**
 * Counts a file that a mutation stores.
 * @throws PlatformError TooManyFilesWritten, TooManyFileBytesWritten: nothing is counted then
 */
export function chargeFileWrite(
  usage: TransactionUsage,
  limits: TransactionLimits,
  bytes: number,
): void {
  if (usage.filesWritten + 1 > limits.filesWritten) {
    throw userError(
      "TooManyFilesWritten",
      `Too many files stored in a single function execution (limit: ${limits.filesWritten})`,
    );
  }
  if (usage.fileWriteBytes + bytes > limits.fileWriteBytes) {
    throw userError(
      "TooManyFileBytesWritten",
      "Too many bytes of files stored in a single function execution " +
        `(limit: ${
          formatSize(limits.fileWriteBytes)
        }). Store large files in an action, or through ` +
        "an upload URL.",
    );
  }
  usage.filesWritten++;
  usage.fileWriteBytes += bytes;
}

/**
 * Counts a file that a mutation gets.
 * @throws PlatformError TooManyFilesRead, TooManyFileBytesRead: nothing is counted then
 */
export function chargeFileRead(
  usage: TransactionUsage,
  limits: TransactionLimits,
  bytes: number,
): void {
  if (usage.filesRead + 1 > limits.filesRead) {
    throw userError(
      "TooManyFilesRead",
      `Too many files read in a single function execution (limit: ${limits.filesRead})`,
    );
  }
  if (usage.fileReadBytes + bytes > limits.fileReadBytes) {
    throw userError(
      "TooManyFileBytesRead",
      "Too many bytes of files read in a single function execution " +
        `(limit: ${formatSize(limits.fileReadBytes)}). Read large files in an action.`,
    );
  }
  usage.filesRead++;
  usage.fileReadBytes += bytes;
}

export const QUERY_OPERATORS_MAX = 256;
export const PAGE_ROWS_MAX = 32_000;
/** A page with more documents than this should be split. */
export const PAGE_ROWS_SPLIT_RECOMMENDED = 6144;

/** Rows fetched from SQLite at once when a query does not say how many it wants. */
export const SCAN_BATCH_ROWS_DEFAULT = 100;
export const SCAN_BATCH_ROWS_MAX = 1024;
