import assert from "node:assert/strict";
import { type CronSchedule, firstRun, nextRun } from "./cron_schedule.ts";

/** A Sunday, half a minute past ten. */
const NOW = Date.UTC(2026, 10, 22, 10, 0, 30);

const first = (schedule: CronSchedule) => new Date(firstRun(schedule, "job", NOW)).toISOString();

Deno.test("clock schedules begin at their next time", () => {
  assert.equal(first({ type: "hourly", minuteUTC: 0 }), "2026-11-22T11:00:00.000Z");
  assert.equal(first({ type: "hourly", minuteUTC: 1 }), "2026-11-22T10:01:00.000Z");
  assert.equal(first({ type: "daily", hourUTC: 10, minuteUTC: 0 }), "2026-11-23T10:00:00.000Z");
  assert.equal(
    first({ type: "weekly", dayOfWeek: "sunday", hourUTC: 9, minuteUTC: 5 }),
    "2026-11-29T09:05:00.000Z",
  );
  assert.equal(
    first({ type: "monthly", day: 31, hourUTC: 0, minuteUTC: 0 }),
    "2026-12-31T00:00:00.000Z",
  );
  assert.equal(first({ type: "cron", cron: "15 3 1 * *" }), "2026-12-01T03:15:00.000Z");
});

Deno.test("a minute that is left open is always the same", () => {
  const schedule = { type: "hourly" } as const;
  const one = firstRun(schedule, "job", NOW);
  assert.equal(nextRun(schedule, "job", one, one), one + 3600_000);
});

Deno.test("intervals begin at once and count from the time that was planned", () => {
  const schedule = { type: "interval", seconds: 10 } as const;
  assert.equal(firstRun(schedule, "job", NOW), NOW);
  assert.equal(nextRun(schedule, "job", NOW, NOW + 7_000), NOW + 10_000);
  assert.equal(nextRun({ type: "interval", minutes: 2 }, "job", NOW, NOW), NOW + 120_000);
  assert.equal(nextRun({ type: "interval", hours: 1 }, "job", NOW, NOW), NOW + 3600_000);
});

Deno.test("clock schedules jump over what was missed", () => {
  const schedule = { type: "hourly", minuteUTC: 0 } as const;
  const missed = Date.UTC(2026, 10, 20, 5);
  assert.equal(nextRun(schedule, "job", missed, NOW), Date.UTC(2026, 10, 22, 11));
});
