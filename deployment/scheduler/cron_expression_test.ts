import assert from "node:assert/strict";
import { CronExpression } from "./cron_expression.ts";

/** A Sunday. */
const START = Date.UTC(2026, 10, 22);

/** The next matches, e.g. "2026-11-30 00:00". */
function matches(expression: string, count: number): string[] {
  const cron = new CronExpression(expression);
  const times: string[] = [];
  for (let after: number | null = START; times.length < count;) {
    after = cron.next(after);
    if (after === null) break;
    times.push(new Date(after).toISOString().slice(0, 16).replace("T", " "));
  }
  return times;
}

const CASES: readonly (readonly [string, ...string[]])[] = [
  ["* * * * *", "2026-11-22 00:01", "2026-11-22 00:02"],
  ["*/20 * * * *", "2026-11-22 00:20", "2026-11-22 00:40", "2026-11-22 01:00"],
  ["50/5 * * * *", "2026-11-22 00:50", "2026-11-22 00:55", "2026-11-22 01:50"],
  ["0 22-1 * * *", "2026-11-22 01:00", "2026-11-22 22:00", "2026-11-22 23:00", "2026-11-23 00:00"],
  ["0 12 * * FRI-MON", "2026-11-22 12:00", "2026-11-23 12:00", "2026-11-27 12:00"],
  ["0  0\t1 jan *", "2027-01-01 00:00", "2028-01-01 00:00"],
  ["0 0 29 2 *", "2028-02-29 00:00", "2032-02-29 00:00"],
  ["0 0 31 * *", "2026-12-31 00:00", "2027-01-31 00:00", "2027-03-31 00:00"],
  ["0 0 L * *", "2026-11-30 00:00", "2026-12-31 00:00"],
  ["0 0 LW * *", "2026-11-30 00:00", "2026-12-31 00:00", "2027-01-29 00:00"],
  ["0 0 L-3 * *", "2026-11-27 00:00", "2026-12-28 00:00", "2027-01-28 00:00"],
  ["30 6 L-3W 2 *", "2027-02-25 06:30", "2028-02-25 06:30"],
  ["0 0 L-30W 8 *", "2027-08-02 00:00"],
  ["0 0 15W * *", "2026-12-15 00:00", "2027-01-15 00:00"],
  ["0 0 * * L", "2026-11-28 00:00", "2026-12-05 00:00"],
  ["0 0 * * 5L", "2026-11-27 00:00", "2026-12-25 00:00"],
  ["0 0 * * TUE#3", "2026-12-15 00:00", "2027-01-19 00:00"],
  ["0 0 13 * 5", "2026-11-27 00:00", "2026-12-04 00:00", "2026-12-11 00:00", "2026-12-13 00:00"],
  ["0 0 L-3 * WED", "2026-11-25 00:00", "2026-11-27 00:00", "2026-12-02 00:00"],
];

for (const [expression, ...expected] of CASES) {
  Deno.test(`cron ${expression}`, () => {
    assert.deepEqual(matches(expression, expected.length), expected);
  });
}

Deno.test("dates that never are match never", () => {
  for (const expression of ["0 0 31 11 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"]) {
    assert.deepEqual(matches(expression, 1), [], expression);
  }
});

Deno.test("what the platform does not accept is refused", () => {
  const refused = [
    "",
    "* * * *",
    "* * * * * *",
    " * * * * *",
    "* * * * * ",
    "@daily",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * 32 * *",
    "* * * 0 *",
    "* * * 13 *",
    "* * * * 7",
    "* * * * MOO",
    "*/60 * * * *",
    "*/0 * * * *",
    "*,5 * * * *",
    "5,* * * * *",
    "*-5 * * * *",
    "? * * * *",
    "* * ? * *",
    "1- * * * *",
    "-1 * * * *",
    "1,,2 * * * *",
    "1.5 * * * *",
    "* * L,15 * *",
    "* * 15W,16 * *",
    "* * L-31 * *",
    "* * 32W * *",
    "* * * * 2#6",
    "* * * * 2#0",
    "* * * * 5L,1",
    "* * * * +1",
  ];
  for (const expression of refused) {
    assert.throws(() => new CronExpression(expression), SyntaxError, JSON.stringify(expression));
  }
});
