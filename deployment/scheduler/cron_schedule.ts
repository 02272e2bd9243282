// When cron jobs run (spec services 2.2).

import { assert } from "../../engine/errors.ts";
import type { Json } from "../../engine/values/value.ts";
import { CronExpression } from "./cron_expression.ts";

export type Weekday = typeof WEEKDAYS[number];

/** A schedule as `crons.ts` declares it, checked (`cron_specs.ts`). */
export type CronSchedule =
  | {
    readonly type: "interval";
    readonly seconds?: number;
    readonly minutes?: number;
    readonly hours?: number;
  }
  | { readonly type: "hourly"; readonly minuteUTC?: number }
  | { readonly type: "daily"; readonly hourUTC: number; readonly minuteUTC?: number }
  | {
    readonly type: "weekly";
    readonly dayOfWeek: Weekday;
    readonly hourUTC: number;
    readonly minuteUTC?: number;
  }
  | {
    readonly type: "monthly";
    readonly day: number;
    readonly hourUTC: number;
    readonly minuteUTC?: number;
  }
  | { readonly type: "cron"; readonly cron: string };

export const WEEKDAYS = [
  "sunday",
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
] as const;

const MINUTES_PER_HOUR = 60;

/** The stored schedule of a job that passed the checks of the push. */
export function asSchedule(json: Json): CronSchedule {
  return json as unknown as CronSchedule;
}

/** When a job runs first that was created, or got this schedule, at `nowMs`. */
export function firstRun(schedule: CronSchedule, name: string, nowMs: number): number {
  return schedule.type === "interval" ? nowMs : nextRun(schedule, name, nowMs, nowMs);
}

/**
 * The run after the one at `previousMs`. Intervals count from that one, whenever it really ran; the
 * clock's schedules go on after `nowMs`.
 */
export function nextRun(
  schedule: CronSchedule,
  name: string,
  previousMs: number,
  nowMs: number,
): number {
  if (schedule.type === "interval") return previousMs + periodMs(schedule);
  const next = new CronExpression(expressionOf(schedule, name)).next(Math.max(previousMs, nowMs));
  assert(next !== null, () => `the cron job ${name} never runs`);
  return next;
}

function periodMs(schedule: CronSchedule & { type: "interval" }): number {
  const { seconds = 0, minutes = 0, hours = 0 } = schedule;
  return ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

function expressionOf(
  schedule: Exclude<CronSchedule, { type: "interval" }>,
  name: string,
): string {
  if (schedule.type === "cron") return schedule.cron;
  const minute = schedule.minuteUTC ?? minuteOf(name);
  switch (schedule.type) {
    case "hourly":
      return `${minute} * * * *`;
    case "daily":
      return `${minute} ${schedule.hourUTC} * * *`;
    case "weekly":
      return `${minute} ${schedule.hourUTC} * * ${WEEKDAYS.indexOf(schedule.dayOfWeek)}`;
    case "monthly":
      return `${minute} ${schedule.hourUTC} ${schedule.day} * *`;
  }
}

/** A minute for jobs that leave it open: each has its own, so that not all run at the full hour. */
function minuteOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash, 31) + name.charCodeAt(i) >>> 0;
  return hash % MINUTES_PER_HOUR;
}
