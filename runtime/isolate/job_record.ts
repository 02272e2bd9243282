// The part of a scheduled mutation's transaction that says where its job stands (spec services 1.4).

import { assert } from "../../engine/errors.ts";
import { type SystemDocument, SystemTableAccess } from "../../engine/system_table_access.ts";
import type { Transaction } from "../../engine/transaction.ts";
import { canonicalJson } from "../../engine/values/json.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import type { JobRecord } from "../types.ts";

/**
 * Marks the job as running, for the mutation's own eyes. False: the job has changed since it was
 * picked up, so the mutation must not run. Either way the transaction depends on the document: a
 * cancellation that commits first makes it conflict.
 */
export function beginJob(tx: Transaction, record: JobRecord): boolean {
  const table = tableOf(tx, record);
  const document = table?.get(record.id) ?? null;
  if (document === null || !hasFields(document, record.expected)) return false;
  table!.patch(record.id, record.running);
  return true;
}

/** Whether the document has all these fields with these values. */
export function hasFields(document: SystemDocument, expected: JsonObject): boolean {
  return Object.entries(expected).every(([field, value]) => {
    const actual = document[field];
    return actual !== undefined && canonicalJson(actual) === canonicalJson(value);
  });
}

/** Marks the job as done, to be committed with what it wrote. */
export function completeJob(tx: Transaction, record: JobRecord, nowMs: number): void {
  const { completionField, succeeded, id } = record;
  const table = tableOf(tx, record);
  assert(table !== null, "the job's table was there when it began");
  table.patch(
    id,
    completionField === null ? succeeded : { ...succeeded, [completionField]: nowMs },
  );
}

function tableOf(tx: Transaction, { tablet }: JobRecord): SystemTableAccess | null {
  const table = tx.catalog.tableByTablet(tablet);
  return table === null ? null : new SystemTableAccess(tx, table);
}
