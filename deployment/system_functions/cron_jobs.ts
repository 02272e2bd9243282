// `_system/frontend/listCronJobs` and `listCronJobRuns`: where the cron jobs of a component stand, and
// how their last runs ended (spec services 2.4).

import { z } from "zod";
import type { SystemDocument } from "../../engine/system_table_access.ts";
import { encodeValue } from "../../engine/values/json.ts";
import type { Json } from "../../engine/values/value.ts";
import { asCronJob, cronArgs, cronPath, nanoseconds } from "../scheduler/cron_jobs.ts";
import { systemQuery } from "./system_function.ts";

const componentArgs = z.object({ componentId: z.string().nullish() });

/** The jobs by name, each with its next run and what is noted of its last one. */
export const listCronJobs = systemQuery(componentArgs, (_args, { tx, component }): Json => {
  const logs = tx.table("cronJobLogs");
  return tx.table("cronJobs").find("by_name", [component]).map((row): Json => {
    const job = asCronJob(row);
    const { _id, name, spec, state, prevTs, nextTs } = job;
    const lastRun = logs.range("by_name", [component, name], { order: "desc", limit: 1 })[0];
    return {
      _id,
      _creationTime: row._creationTime,
      name,
      cronSpec: {
        udfPath: cronPath(job),
        udfArgs: encodeValue(cronArgs(job)),
        cronSchedule: spec.schedule,
      },
      lastRun: lastRun === undefined ? null : runRow(lastRun),
      nextRun: {
        cronJobId: _id,
        state: { type: state.kind },
        prevTs: prevTs === null ? null : encodeValue(nanoseconds(prevTs)),
        nextTs: encodeValue(nanoseconds(nextTs)),
      },
    };
  });
});

/** The noted runs of all jobs, the newest first. */
export const listCronJobRuns = systemQuery(
  componentArgs,
  (_args, { tx, component }): Json =>
    tx.table("cronJobLogs").find("by_name", [component])
      .sort((left, right) => right._creationTime - left._creationTime)
      .map(runRow),
);

/** A row of `_cron_job_logs`. */
function runRow({ component: _component, ...fields }: SystemDocument): Json {
  return fields;
}
