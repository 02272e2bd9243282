// Deleting scheduled jobs that are long over, and what administrators do to many jobs at once
// (spec services 1.4, 1.5), in bounded batches.

import type { Engine } from "../../engine/engine.ts";
import { asJob, cancelJob, DUE_RUNNING } from "../../engine/scheduled_jobs.ts";
import { SYSTEM_TABLES } from "../../engine/system_tables.ts";
import { SystemTableAccess } from "../../engine/system_table_access.ts";
import type { ComponentId } from "../../engine/types.ts";

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

/** Cancels all selected jobs that are not over; the number of them. */
export async function cancelAllJobs(engine: Engine, selection: JobSelection): Promise<number> {
  const { component, name, startMs, endMs } = selection;
  let total = 0;
  let after: number = DUE_RUNNING - 1;
  for (;;) {
    const { value } = await engine.transact((tx) => {
      const table = tx.table("scheduledJobs", component);
      let seen = 0;
      let last = after;
      let isCut = false;
      const rows = table.scan("by_due", [], {
        ...(startMs !== null && startMs > after ? { gte: startMs } : { gte: after }),
        ...(endMs === null ? {} : { lt: endMs }),
        batchRows: BATCH_ROWS,
      });
      let canceled = 0;
      for (const row of rows) {
        const job = asJob(row);
        // A batch ends between two times, so that the next one can begin there.
        if (seen >= BATCH_JOBS && job.due !== last) {
          isCut = true;
          last = job.due!;
          break;
        }
        seen++;
        last = job.due!;
        if (name !== null && job.name !== name) continue;
        cancelJob(table, job._id);
        canceled++;
      }
      return { canceled, next: isCut ? last : null };
    }, "cancel_all_jobs");
    total += value.canceled;
    if (value.next === null) return total;
    after = value.next;
  }
}

/** Deletes all jobs of the component, whatever their state. */
export async function deleteAllJobs(engine: Engine, component: ComponentId): Promise<void> {
  for (;;) {
    const { value: deleted } = await engine.transact((tx) => {
      const table = tx.table("scheduledJobs", component);
      const limit = BATCH_JOBS;
      const rows = table.range("by_creation_time", [], { limit, batchRows: BATCH_ROWS });
      for (const { _id } of rows) table.remove(_id);
      return rows.length;
    }, "delete_scheduled_functions_table");
    if (deleted < BATCH_JOBS) return;
  }
}
