// Deleting scheduled jobs that are long over, and what administrators do to many jobs at once
// (spec services 1.4, 1.5), in bounded batches.

import type { Engine } from "../../engine/engine.ts";
import { asJob, cancelJob, DUE_RUNNING, type StoredJob } from "../../engine/scheduled_jobs.ts";
import { SYSTEM_TABLES } from "../../engine/system_tables.ts";
import { SystemTableAccess } from "../../engine/system_table_access.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { ComponentId } from "../../engine/types.ts";
import { cancelScheduled } from "../../runtime/isolate/scheduling.ts";
import { auditedComponent, type AuditOrigin, recordAudit } from "../audit_log.ts";

/** How long a finished job is kept. */
export const FINISHED_JOB_RETENTION_MS = 7 * 24 * 3600_000;
const BATCH_JOBS = 1000;
const BATCH_ROWS = 32;
/** Between two batches of deletions, and between looks that found little. */
const BATCH_INTERVAL_MS = 10_000;
const IDLE_INTERVAL_MS = 600_000;

/** Deletes finished jobs some time after their end. */
export class FinishedJobCollection {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(
    private readonly engine: Engine,
    private readonly onFault: (message: string, error: unknown) => void,
  ) {}

  start(): void {
    this.#schedule(BATCH_INTERVAL_MS);
  }

  stop(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Deletes at most a batch; the number of deleted jobs. */
  async round(): Promise<number> {
    const { value: deleted } = await this.engine.transact((tx) => {
      let deleted = 0;
      for (const table of tx.catalog.tablesNamed(SYSTEM_TABLES.scheduledJobs.name)) {
        const access = new SystemTableAccess(tx, table);
        const expired = access.range("by_completed", [], {
          gte: 0,
          lt: tx.nowMs - FINISHED_JOB_RETENTION_MS,
          limit: BATCH_JOBS - deleted,
          batchRows: BATCH_ROWS,
        });
        for (const { _id } of expired) access.remove(_id);
        deleted += expired.length;
      }
      return deleted;
    }, "scheduler");
    return deleted;
  }

  #schedule(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(async () => {
      let deleted = 0;
      try {
        deleted = await this.round();
      } catch (error) {
        if (!this.#isClosed) this.onFault("cannot delete finished jobs", error);
      }
      this.#schedule(deleted === BATCH_JOBS ? BATCH_INTERVAL_MS : IDLE_INTERVAL_MS);
    }, delayMs);
  }
}

export interface JobSelection {
  readonly component: ComponentId;
  /** `dir/mod.js:fn`; null: every function. */
  readonly name: string | null;
  /** Bounds of the due time in milliseconds, the end exclusive. */
  readonly startMs: number | null;
  readonly endMs: number | null;
}

/** A place in the index `by_due`. */
interface Place {
  readonly due: number;
  readonly creationTime: number;
}

/** Cancels a job; one that is over stays as it is. */
export async function cancelOneJob(
  engine: Engine,
  component: ComponentId,
  id: string,
  origin: AuditOrigin,
): Promise<void> {
  await engine.transact((tx) => {
    cancelScheduled(tx, component, id);
    const metadata = { ...auditedComponent(tx, component), scheduled_function_id: id };
    recordAudit(tx, { action: "cancel_scheduled_function", metadata }, origin);
  }, "cancel_job");
}

/** Cancels all selected jobs that are not over; the number of them. */
export async function cancelAllJobs(
  engine: Engine,
  selection: JobSelection,
  origin: AuditOrigin,
): Promise<number> {
  const { component, name, startMs } = selection;
  const first: Place = { due: startMs ?? DUE_RUNNING, creationTime: 0 };
  let total = 0;
  for (let from: Place | null = first; from !== null;) {
    const place: Place = from;
    const { value } = await engine.transact((tx) => {
      if (place === first) {
        const metadata = { ...auditedComponent(tx, component), function_path: name };
        recordAudit(tx, { action: "cancel_all_scheduled_functions", metadata }, origin);
      }
      return cancelBatch(tx, selection, place);
    }, "cancel_all_jobs");
    total += value.canceled;
    from = value.next;
  }
  return total;
}

/** Cancels among so many jobs from `from` on; `next` is where the next batch begins. */
function cancelBatch(
  tx: Transaction,
  { component, name, endMs }: JobSelection,
  from: Place,
): { canceled: number; next: Place | null } {
  const table = tx.table("scheduledJobs", component);
  let canceled = 0;
  let seen = 0;
  let last = from;
  for (const job of unfinishedJobs(table, from, endMs)) {
    const place: Place = { due: job.due!, creationTime: job._creationTime };
    const isNewPlace = place.due !== last.due || place.creationTime !== last.creationTime;
    if (seen >= BATCH_JOBS && isNewPlace) return { canceled, next: place };
    seen++;
    last = place;
    if (name !== null && job.name !== name) continue;
    cancelJob(table, job._id);
    canceled++;
  }
  return { canceled, next: null };
}

function* unfinishedJobs(
  table: SystemTableAccess,
  { due, creationTime }: Place,
  endMs: number | null,
): Generator<StoredJob, void> {
  if (endMs !== null && due >= endMs) return;
  const batchRows = BATCH_ROWS;
  for (const row of table.scan("by_due", [due], { gte: creationTime, batchRows })) yield asJob(row);
  const end = endMs === null ? {} : { lt: endMs };
  for (const row of table.scan("by_due", [], { gt: due, ...end, batchRows })) yield asJob(row);
}

/** Deletes all jobs of the component, whatever their state. */
export async function deleteAllJobs(
  engine: Engine,
  component: ComponentId,
  origin: AuditOrigin,
): Promise<void> {
  for (let isFirst = true;; isFirst = false) {
    const { value: deleted } = await engine.transact((tx) => {
      if (isFirst) {
        const metadata = auditedComponent(tx, component);
        recordAudit(tx, { action: "delete_scheduled_jobs_table", metadata }, origin);
      }
      const table = tx.table("scheduledJobs", component);
      const limit = BATCH_JOBS;
      const rows = table.range("by_creation_time", [], { limit, batchRows: BATCH_ROWS });
      for (const { _id } of rows) table.remove(_id);
      return rows.length;
    }, "delete_scheduled_functions_table");
    if (deleted < BATCH_JOBS) return;
  }
}
