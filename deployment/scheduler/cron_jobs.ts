// Documents of `_cron_jobs` and `_cron_job_logs`: where each job stands, and its last runs
// (spec services 2.2, 2.4).

import type { SystemDocument } from "../../engine/system_table_access.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { ComponentId } from "../../engine/types.ts";
import { canonicalJson, encodeValue } from "../../engine/values/json.ts";
import type { Json } from "../../engine/values/value.ts";
import type { FunctionPath, LogLine } from "../../runtime/types.ts";
import { printLogLine } from "../../sync/result_text.ts";
import { asSchedule, firstRun, nextRun } from "./cron_schedule.ts";

export interface CronSpec {
  /** `dir/module:function`, in the same component. */
  readonly name: string;
  /** A list of one object, internal encoding. */
  readonly args: readonly Json[];
  readonly schedule: Readonly<Record<string, Json>>;
}

export type CronState =
  | { readonly kind: "pending" }
  | { readonly kind: "inProgress"; readonly request_id: string; readonly execution_id: string };

export interface CronJob {
  readonly _id: string;
  readonly component: ComponentId;
  readonly name: string;
  readonly spec: CronSpec;
  /** The times for which runs were or are planned, milliseconds. */
  readonly prevTs: number | null;
  readonly nextTs: number;
  readonly state: CronState;
}

export type CronStatus =
  | {
    readonly type: "success";
    readonly result:
      | { readonly type: "default"; readonly value: string }
      | { readonly type: "truncated"; readonly truncated_log: string };
  }
  | { readonly type: "err"; readonly error: string }
  | { readonly type: "canceled"; readonly num_canceled: number };

const LOGS_KEPT_PER_JOB = 5;
const RESULT_CHARS_MAX = 1000;
const LOG_CHARS_MAX = 1000;
/** Runs this near are not moved by a new schedule. */
const IMMINENT_MS = 30_000;
const NANOSECONDS_PER_MICROSECOND = 1000n;

export function asCronJob(document: SystemDocument): CronJob {
  return document as unknown as CronJob;
}

export function pathOf({ component, spec }: CronJob): FunctionPath {
  const colon = spec.name.lastIndexOf(":");
  const module = colon < 0 ? spec.name : spec.name.slice(0, colon);
  const name = colon < 0 ? "default" : spec.name.slice(colon + 1);
  return { component, module: module.endsWith(".js") ? module : `${module}.js`, name };
}

/** `dir/module.js:function`. */
export function cronPath(job: CronJob): string {
  const { module, name } = pathOf(job);
  return `${module}:${name}`;
}

/** JSON text of the arguments, in UTF-8. */
export function cronArgs({ spec }: CronJob): ArrayBuffer {
  return new TextEncoder().encode(JSON.stringify(spec.args)).buffer;
}

/** Nanoseconds since the epoch. */
export function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1000)) * NANOSECONDS_PER_MICROSECOND;
}

/** Fields of a job that a push creates. */
export function newCronFields(name: string, spec: CronSpec, nowMs: number) {
  const nextTs = firstRun(asSchedule(spec.schedule), name, nowMs);
  return { name, spec: spec as unknown as Json, prevTs: null, nextTs, state: { kind: "pending" } };
}

/** Fields that change when a push gives a job another specification. */
export function changedCronFields(job: CronJob, spec: CronSpec, nowMs: number) {
  const json = spec as unknown as Json;
  if (canonicalJson(job.spec.schedule) === canonicalJson(spec.schedule)) return { spec: json };
  const old = asSchedule(job.spec.schedule);
  const nextButOne = nextRun(old, job.name, job.nextTs, job.nextTs);
  if (nextButOne - nowMs <= IMMINENT_MS) return { spec: json };
  return { spec: json, nextTs: firstRun(asSchedule(spec.schedule), job.name, nowMs) };
}

/** Deletes a job with what is known about its runs. */
export function removeCron(tx: Transaction, job: CronJob): void {
  const logs = tx.table("cronJobLogs");
  for (const { _id } of logs.find("by_name", [job.component, job.name])) logs.remove(_id);
  tx.table("cronJobs").remove(job._id);
}

/** Fields of a job whose run at `nextTs` is over. */
export function advanced(job: CronJob, nowMs: number) {
  const nextTs = nextRun(asSchedule(job.spec.schedule), job.name, job.nextTs, nowMs);
  return { state: { kind: "pending" }, prevTs: job.nextTs, nextTs };
}

/** Passes over runs that should have been already; the number of them. */
export function skipMissed(tx: Transaction, id: string): number {
  const table = tx.table("cronJobs");
  const document = table.get(id);
  if (document === null) return 0;
  const job = asCronJob(document);
  const schedule = asSchedule(job.spec.schedule);
  let { prevTs, nextTs } = job;
  let skipped = 0;
  while (nextTs < tx.nowMs) {
    prevTs = nextTs;
    nextTs = nextRun(schedule, job.name, nextTs, tx.nowMs);
    skipped++;
  }
  if (skipped > 0) table.patch(id, { prevTs, nextTs });
  return skipped;
}

export interface CronRun {
  readonly status: CronStatus;
  readonly logLines: readonly LogLine[];
  readonly executionMs: number;
}

export function successStatus(value: string): CronStatus {
  return {
    type: "success",
    result: value.length > RESULT_CHARS_MAX
      ? { type: "truncated", truncated_log: value.slice(0, RESULT_CHARS_MAX) }
      : { type: "default", value },
  };
}

/** Notes a run of the job at `job.nextTs`; old notes go. */
export function logRun(tx: Transaction, job: CronJob, run: CronRun): void {
  const table = tx.table("cronJobLogs");
  table.insert({
    component: job.component,
    name: job.name,
    ts: encodeValue(nanoseconds(job.nextTs)),
    udfPath: cronPath(job),
    udfArgs: encodeValue(cronArgs(job)),
    status: run.status as unknown as Json,
    logLines: boundedLines(run.logLines),
    executionTime: run.executionMs / 1000,
  });
  const rows = table.find("by_name", [job.component, job.name]);
  for (const { _id } of rows.slice(0, -LOGS_KEPT_PER_JOB)) table.remove(_id);
}

function boundedLines(lines: readonly LogLine[]): Json {
  const logLines: string[] = [];
  let room = LOG_CHARS_MAX;
  for (const line of lines) {
    const text = printLogLine(line);
    if (text.length > room) return { logLines, isTruncated: true };
    room -= text.length;
    logLines.push(text);
  }
  return { logLines, isTruncated: false };
}
