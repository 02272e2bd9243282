// Cron jobs as `crons.ts` declares them: checked at push, stored as documents, compared by name.
// Running them is the scheduler's business (spec services 2, deploy 14).

import { z } from "zod";
import { userError } from "../engine/errors.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import { canonicalJson } from "../engine/values/json.ts";
import type { Json } from "../engine/values/value.ts";
import type { ModuleAnalysis } from "../runtime/frames.ts";
import { CronExpression } from "./scheduler/cron_expression.ts";
import {
  asCronJob,
  changedCronFields,
  type CronSpec,
  newCronFields,
  removeCron,
} from "./scheduler/cron_jobs.ts";
import { WEEKDAYS } from "./scheduler/cron_schedule.ts";

export interface DeclaredCron {
  readonly identifier: string;
  readonly spec: CronSpec;
}

const cronSpec = z.object({
  name: z.string(),
  args: z.array(z.json()),
  schedule: z.record(z.string(), z.json()),
});

export const CRONS_MODULE = "crons.js";
const ARGS_SIZE_BYTES_MAX = 1 << 20;

/** Names of jobs that a push created, changed or deleted. */
export interface CronDiff {
  readonly added: string[];
  readonly updated: string[];
  readonly deleted: string[];
}

/**
 * The jobs that the analysed modules declare. The function of each must be part of the same push.
 * @throws PlatformError `InvalidCron`, `InvalidModules`
 */
export function declaredCrons(analysis: Readonly<Record<string, ModuleAnalysis>>): DeclaredCron[] {
  return (analysis[CRONS_MODULE]?.cronSpecs ?? []).map(({ identifier, spec: raw }) => {
    const parsed = cronSpec.safeParse(raw);
    if (!parsed.success) throw userError("InvalidCron", z.prettifyError(parsed.error));
    const spec = parsed.data;
    checkSpec(identifier, spec);
    const { module, name, path } = targetOf(spec);
    const target = analysis[module]?.functions.find((candidate) => candidate.name === name);
    if (target === undefined) {
      throw userError(
        "InvalidModules",
        `The cron job '${identifier}' schedules a function that does not exist: ${path}`,
      );
    }
    if (target.udfType === "Query") {
      throw userError(
        "InvalidModules",
        `The cron job '${identifier}' schedules a query function, only actions and mutations can be scheduled: ${path}`,
      );
    }
    return { identifier, spec };
  });
}

function targetOf(spec: CronSpec): { module: string; name: string; path: string } {
  const colon = spec.name.lastIndexOf(":");
  const module = colon < 0 ? spec.name : spec.name.slice(0, colon);
  const name = colon < 0 ? "default" : spec.name.slice(colon + 1);
  const file = module.endsWith(".js") ? module : `${module}.js`;
  return { module: file, name, path: `${file}:${name}` };
}

function checkSpec(identifier: string, spec: CronSpec): void {
  if (!/^[\x20-\x7e]+$/.test(identifier)) {
    throw userError(
      "InvalidCron",
      `The cron identifier ${JSON.stringify(identifier)} may only contain printable ASCII.`,
    );
  }
  const size = JSON.stringify(spec.args).length;
  if (size >= ARGS_SIZE_BYTES_MAX) {
    throw userError(
      "InvalidCron",
      `Cron job args too large (${size} > maximum size ${ARGS_SIZE_BYTES_MAX})`,
    );
  }
  const problem = scheduleProblem(spec.schedule);
  if (problem !== null) throw userError("InvalidCron", problem);
}

/** What is wrong with a schedule, or null. */
function scheduleProblem(schedule: CronSpec["schedule"]): string | null {
  const json = JSON.stringify(schedule);
  const outside = (field: string, min: number, max: number): boolean => {
    const value = schedule[field];
    return typeof value !== "number" || !Number.isInteger(value) || value < min || value > max;
  };
  const time = (hasHour: boolean): string | null => {
    if (hasHour && outside("hourUTC", 0, 23)) return `hourUTC must be 0-23 in ${json}`;
    if (schedule.minuteUTC !== undefined && outside("minuteUTC", 0, 59)) {
      return `minuteUTC must be 0-59 in ${json}`;
    }
    return null;
  };
  switch (schedule.type) {
    case "interval": {
      const given = ["seconds", "minutes", "hours"].filter((unit) => schedule[unit] !== undefined);
      if (given.length !== 1) return "Exactly one of (seconds, minutes, hours) should be specified";
      return outside(given[0]!, 1, Number.MAX_SAFE_INTEGER)
        ? "Interval must be an integer greater than 0"
        : null;
    }
    case "hourly":
      return time(false);
    case "daily":
      return time(true);
    case "weekly":
      return WEEKDAYS.some((day) => day === schedule.dayOfWeek)
        ? time(true)
        : `dayOfWeek must be one of ${WEEKDAYS.join(", ")} in ${json}`;
    case "monthly":
      return outside("day", 1, 31) ? `day of month must be 1-31 in ${json}` : time(true);
    case "cron":
      return expressionProblem(String(schedule.cron));
    default:
      return `Unknown schedule type in ${json}`;
  }
}

function expressionProblem(expression: string): string | null {
  try {
    const next = new CronExpression(expression).next(Date.now());
    return next === null ? `The cron spec "${expression}" will never match any time` : null;
  } catch {
    return "Failed to parse cron expression";
  }
}

/** Makes the declared jobs those of the component; equal ones are left alone. */
export function replaceCrons(
  tx: Transaction,
  component: ComponentId,
  specs: readonly DeclaredCron[],
): CronDiff {
  const table = tx.table("cronJobs");
  const existing = new Map(
    table.find("by_name", [component]).map((row) => [String(row.name), row]),
  );
  const diff: CronDiff = { added: [], updated: [], deleted: [] };
  for (const { identifier, spec } of specs) {
    const row = existing.get(identifier);
    existing.delete(identifier);
    const json = spec as unknown as Json;
    if (row === undefined) {
      table.insert({
        component,
        ...newCronFields(identifier, spec, tx.nowMs),
      });
      diff.added.push(identifier);
    } else if (canonicalJson(row.spec as Json) !== canonicalJson(json)) {
      table.patch(row._id, changedCronFields(asCronJob(row), spec, tx.nowMs));
      diff.updated.push(identifier);
    }
  }
  for (const [name, row] of existing) {
    removeCron(tx, asCronJob(row));
    diff.deleted.push(name);
  }
  return diff;
}
