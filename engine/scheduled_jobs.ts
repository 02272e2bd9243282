// Documents of `_scheduled_jobs` and the changes that may happen to them (spec services 1). Each
// component has its own table; a job lives in the table of the component that scheduled it.

import type { SystemDocument, SystemTableAccess } from "./system_table_access.ts";
import type { Transaction } from "./transaction.ts";
import type { ComponentId } from "./types.ts";
import type { JsonObject } from "./values/value.ts";

export type JobState =
  | { readonly kind: "pending" }
  | { readonly kind: "inProgress"; readonly request_id: string; readonly execution_id: string }
  | { readonly kind: "success" }
  | { readonly kind: "failed"; readonly error: string }
  | { readonly kind: "canceled" };

/** A document of `_scheduled_jobs`; user functions see a part of it (`virtual_tables.ts`). */
export interface ScheduledJob {
  /** Component of the function. */
  readonly component: ComponentId;
  /** `dir/mod.js:fn`. */
  readonly name: string;
  /** JSON text of the argument array. */
  readonly args: string;
  /** What was asked for, milliseconds. */
  readonly scheduledTime: number;
  readonly state: JobState;
  /** When to run it, milliseconds; {@link DUE_RUNNING} while an action runs; null when it is over. */
  readonly due: number | null;
  /** When it was over, milliseconds. */
  readonly completedTime?: number;
  /** Runs that ended in a failure of the server. */
  readonly systemErrors: number;
}

export type StoredJob = ScheduledJob & { readonly _id: string; readonly _creationTime: number };

/** Running actions stand before all pending jobs in the index, where a restart finds them. */
export const DUE_RUNNING = 0;

export function asJob(document: SystemDocument): StoredJob {
  return document as unknown as StoredJob;
}

/** The id of the new job. `isCanceled`: it will never run. */
export function insertJob(
  tx: Transaction,
  component: ComponentId,
  job: Pick<ScheduledJob, "component" | "name" | "args" | "scheduledTime">,
  isCanceled: boolean,
): string {
  const { nowMs } = tx;
  const fields = isCanceled
    ? { scheduledTime: nowMs, ...over({ kind: "canceled" }, nowMs) }
    : { state: { kind: "pending" }, due: Math.max(job.scheduledTime, nowMs) };
  return tx.table("scheduledJobs", component).insert({ ...job, systemErrors: 0, ...fields });
}

/** Fields of a job that ended. */
export function over(state: JobState, nowMs: number): JsonObject {
  return { state: state as unknown as JsonObject, due: null, completedTime: nowMs };
}

export function isOver(job: ScheduledJob): boolean {
  return job.state.kind !== "pending" && job.state.kind !== "inProgress";
}

/** Cancels a job that is not over; any other, or none, stays as it is. */
export function cancelJob(table: SystemTableAccess, id: string): void {
  const document = table.get(id);
  if (document === null || isOver(asJob(document))) return;
  table.patch(id, over({ kind: "canceled" }, table.tx.nowMs));
}
