// Scheduling and cancelling, in the transaction of a mutation or in one of the host's for an action
// (spec services 1.3, 1.5; function-runtime 1.4).

import { PlatformError, userError } from "../../engine/errors.ts";
import { asJob, cancelJob, insertJob } from "../../engine/scheduled_jobs.ts";
import { SYSTEM_TABLES } from "../../engine/system_tables.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { ComponentId } from "../../engine/types.ts";
import { decodeId } from "../../engine/values/id.ts";
import { decodeValue } from "../../engine/values/json.ts";
import { sizeOf } from "../../engine/values/size.ts";
import type { Json, JsonObject } from "../../engine/values/value.ts";
import type { FunctionPath, JobReference } from "../types.ts";
import { type AddressBook, resolveAddress } from "./function_address.ts";
import { canonicalName, inComponent } from "./function_path.ts";

/** How far from now a job may be scheduled. */
const DISTANCE_SECONDS_MAX = 5 * 366 * 24 * 3600;
/** Seconds that a duration of the reference can hold. */
const DURATION_SECONDS_MAX = 2 ** 64;
/** Arguments of one job from which on there is a warning, and of which the platform disapproves. */
const JOB_ARGS_WARNING_BYTES = 0.8 * 4 * 2 ** 20;
const JOB_ARGS_BYTES = 4 * 2 ** 20;

export interface SchedulingContext {
  readonly tx: Transaction;
  readonly code: AddressBook;
  /** Component of the function that schedules. */
  readonly component: ComponentId;
  /** The job that the function that schedules is part of. */
  readonly parent: JobReference | undefined;
  warn(message: string, code: string): void;
}

/**
 * Adds a job; its id is the result.
 * @throws PlatformError what is wrong with the time, the function or the arguments
 */
export function scheduleFunction(args: JsonObject, context: SchedulingContext): string {
  const { tx, code, component } = context;
  const scheduledTime = checkTime(args.ts, tx.nowMs);
  const path = resolveAddress(args, "scheduler", component, code);
  checkExists(path, code);
  const list: Json[] = [args.args ?? {}];
  charge(list, context);
  return insertJob(tx, component, {
    component: path.component,
    name: canonicalName(path),
    args: JSON.stringify(list),
    scheduledTime,
  }, isCanceled(tx, context.parent));
}

/** The time in milliseconds. */
function checkTime(ts: Json | undefined, nowMs: number): number {
  const invalid = (reason: string) =>
    userError(
      "InvalidArgument",
      `Invalid arguments for \`ts\`: cannot convert float seconds to Duration: value is ${reason}`,
    );
  if (typeof ts !== "number" || ts >= DURATION_SECONDS_MAX) throw invalid("either too big or NaN");
  if (ts < 0) throw invalid("negative");
  const distance = ts - nowMs / 1000;
  if (Math.abs(distance) > DISTANCE_SECONDS_MAX) {
    throw userError(
      "InvalidScheduledFunctionDelay",
      `UnixTimestamp(${ts}s) is more than 5 years in the ${distance > 0 ? "future" : "past"}`,
    );
  }
  return Math.round(ts * 1e6) / 1000;
}

/** What the function is, and whether it takes these arguments, is checked when it runs. */
function checkExists(path: FunctionPath, code: AddressBook): void {
  const module = code.module(path.component, path.module);
  if (module === null) {
    const component = path.component === "" ? "" : `${code.componentPath(path.component)} `;
    throw userError(
      "InvalidScheduledFunction",
      `Attempted to schedule function at nonexistent path: ${component}${path.module}`,
    );
  }
  if (!module.functions.has(path.name)) {
    throw userError(
      "InvalidScheduledFunction",
      `Attempted to schedule function, but no exported function ${path.name} found in the file: ` +
        `${path.module}${inComponent(path, code)}. Did you forget to export it?`,
    );
  }
}

function charge(args: Json[], { tx, warn }: SchedulingContext): void {
  const { usage, limits } = tx;
  if (usage.functionsScheduled + 1 > limits.functionsScheduled) {
    throw userError(
      "TooManyFunctionsScheduled",
      `Too many functions scheduled by this mutation (limit: ${limits.functionsScheduled})`,
    );
  }
  const bytes = sizeOf(decodeValue(args));
  if (usage.scheduledArgsBytes + bytes > limits.scheduledArgsBytes) {
    throw userError(
      "ScheduledFunctionsArgumentsTooLarge",
      "Too large total size of the arguments of scheduled functions from this mutation " +
        `(limit: ${limits.scheduledArgsBytes} bytes)`,
    );
  }
  usage.functionsScheduled++;
  usage.scheduledArgsBytes += bytes;
  if (bytes > JOB_ARGS_WARNING_BYTES) {
    const future = bytes > JOB_ARGS_BYTES ? " This will become a hard error in the future." : "";
    warn(
      "Large arguments for a single scheduled function from this mutation " +
        `(actual: ${bytes} bytes, limit: ${JOB_ARGS_BYTES} bytes).${future}`,
      "warning:ScheduledFunctionsArgumentsTooLarge",
    );
  }
}

/** Children of a cancelled job are born cancelled. */
function isCanceled(tx: Transaction, parent: JobReference | undefined): boolean {
  if (parent === undefined) return false;
  const document = tx.table("scheduledJobs", parent.component).get(parent.id);
  return document !== null && asJob(document).state.kind === "canceled";
}

/**
 * Cancels a job of the component.
 * @throws PlatformError when `id` is not the id of a scheduled function
 */
export function cancelScheduled(
  tx: Transaction,
  component: ComponentId,
  id: Json | undefined,
): void {
  cancelJob(tx.table("scheduledJobs", component), checkJobId(id));
}

/** @throws PlatformError `InvalidArgument` */
export function checkJobId(id: Json | undefined): string {
  let tableNumber: number;
  try {
    ({ tableNumber } = decodeId(String(id)));
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw userError(
      error.code,
      `Invalid argument \`id\` for \`db.cancel_job\`: ${error.message}`,
    );
  }
  if (tableNumber !== SYSTEM_TABLES.scheduledJobs.number) {
    throw userError(
      "InvalidArgument",
      "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.",
    );
  }
  return id as string;
}
