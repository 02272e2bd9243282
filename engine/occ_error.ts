// The error of a mutation that met a conflict on every try (spec function-runtime 8).

import { PlatformError } from "./errors.ts";
import type { Conflict } from "./types.ts";

const OCC_CODE = "OptimisticConcurrencyControlFailure";
const DOCS_LINK = "https://docs.convex.dev/error#1";

const SYSTEM_TABLE_MESSAGE =
  "Data read or written in this mutation changed while it was being run. Consider reducing the " +
  "amount of data read by using indexed queries with selective index range expressions " +
  "(https://docs.convex.dev/database/indexes/).";

/**
 * Says what stood in the way.
 * @param conflict what the last attempt ran into
 * @param source the name of the mutation that failed, in the form of `FinishedTransaction.source`
 */
export function occError(conflict: Conflict, source: string | null = null): PlatformError {
  if (conflict.table === null && conflict.id !== null) {
    return new PlatformError("occ", OCC_CODE, SYSTEM_TABLE_MESSAGE);
  }
  const table = conflict.table === null ? "some table" : `the "${conflict.table}" table`;
  const message = `Documents read from or written to ${table} changed while this mutation was ` +
    `being run and on every subsequent retry. ${writerSentence(conflict, source)}See ${DOCS_LINK}`;
  return new PlatformError("occ", OCC_CODE, message);
}

function writerSentence(conflict: Conflict, source: string | null): string {
  if (conflict.source === null || conflict.id === null) return "";
  const writer = conflict.source === source
    ? "Another call to this mutation"
    : `A call to "${conflict.source}"`;
  return `${writer} changed the document with ID "${conflict.id}". `;
}
