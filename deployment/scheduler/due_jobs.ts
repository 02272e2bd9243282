// Finds the jobs that are due, in the order of their time, through the `by_due` index of every
// component: a bounded number at once, however many are pending.

import type { Engine } from "../../engine/engine.ts";
import { asJob, DUE_RUNNING, type StoredJob } from "../../engine/scheduled_jobs.ts";
import { SYSTEM_TABLES } from "../../engine/system_tables.ts";
import { SystemTableAccess } from "../../engine/system_table_access.ts";
import type { ComponentId, IndexId, Tablet } from "../../engine/types.ts";
import { readState } from "../deployment_state.ts";

const JOBS_FETCHED_MAX = 256;
/** Once the fetched arguments are this long together, no more are fetched. */
const ARGS_FETCHED_CHARS_MAX = 8 * 2 ** 20;
const BATCH_ROWS = 32;

export interface DueJob {
  /** Component whose table holds the job. */
  readonly component: ComponentId;
  readonly tablet: Tablet;
  readonly job: StoredJob;
}

export interface DueJobs {
  readonly jobs: readonly DueJob[];
  /** When the first job becomes due that is not yet; null if there is none. */
  readonly nextDueMs: number | null;
}

const NOTHING: DueJobs = { jobs: [], nextDueMs: null };

/**
 * The first jobs that are due. None while the deployment is paused.
 * @param isTaken whether the job with this id is being run already
 */
export function findDueJobs(engine: Engine, isTaken: (id: string) => boolean): DueJobs {
  const nowMs = engine.clock();
  return engine.read((tx): DueJobs => {
    if (readState(tx).state === "paused") return NOTHING;
    const jobs: DueJob[] = [];
    let nextDueMs: number | null = null;
    for (const table of tx.catalog.tablesNamed(SYSTEM_TABLES.scheduledJobs.name)) {
      const { component, tablet } = table;
      const rows = new SystemTableAccess(tx, table)
        .scan("by_due", [], { gt: DUE_RUNNING, batchRows: BATCH_ROWS });
      let count = 0;
      let chars = 0;
      for (const row of rows) {
        const job = asJob(row);
        if (job.due! > nowMs) {
          nextDueMs = Math.min(nextDueMs ?? Infinity, job.due!);
          break;
        }
        if (isTaken(job._id)) continue;
        jobs.push({ component, tablet, job });
        chars += job.args.length;
        if (++count >= JOBS_FETCHED_MAX || chars >= ARGS_FETCHED_CHARS_MAX) break;
      }
    }
    return { jobs: jobs.sort(byTime).slice(0, JOBS_FETCHED_MAX), nextDueMs };
  }).value;
}

function byTime({ job: a }: DueJob, { job: b }: DueJob): number {
  return a.due! - b.due! || a._creationTime - b._creationTime;
}

/** The `by_due` indexes of all components. */
export function dueIndexes(engine: Engine): IndexId[] {
  const { catalog } = engine;
  return catalog.tablesNamed(SYSTEM_TABLES.scheduledJobs.name)
    .map(({ tablet }) => catalog.indexByName(tablet, "by_due")!.id);
}
