import assert from "node:assert/strict";
import { DEFAULT_RUNTIME_LIMITS } from "./limits.ts";
import type { ProcessUsage } from "./process_usage.ts";
import { overrunMessage, Watchdog } from "./watchdog.ts";

const MEBIBYTE = 1024 * 1024;

function stand(usage: ProcessUsage | null = { cpuMs: 0, residentBytes: 80 * MEBIBYTE }) {
  let now: ProcessUsage | null = usage;
  const watchdog = new Watchdog(DEFAULT_RUNTIME_LIMITS, () => now);
  watchdog.restart(0);
  assert.equal(watchdog.check(0), null);
  return {
    watchdog,
    use: (cpuMs: number, mebibytes = 80) => now = { cpuMs, residentBytes: mebibytes * MEBIBYTE },
  };
}

Deno.test("a function that computes too long is found by its processor time", () => {
  const { watchdog, use } = stand();
  use(900);
  assert.equal(watchdog.check(900), null);
  use(1200);
  assert.equal(watchdog.check(1200), "userTime");
});

Deno.test("a process that gets no processor is not blamed, until it must be stuck", () => {
  const { watchdog, use } = stand();
  use(300);
  assert.equal(watchdog.check(5_000), null);
  assert.equal(watchdog.check(16_000), "stuck");
});

Deno.test("without the kernel's count the clock decides", () => {
  const { watchdog } = stand(null);
  assert.equal(watchdog.check(1_000), null);
  assert.equal(watchdog.check(1_200), "userTime");
});

Deno.test("reported progress counts, and each result starts anew", () => {
  const { watchdog, use } = stand();
  watchdog.progress(800, 5_000);
  assert.equal(watchdog.check(6_000), null);
  use(400);
  assert.equal(watchdog.check(6_400), "userTime");
  watchdog.restart(6_400);
  assert.equal(watchdog.check(6_500), null);
  watchdog.progress(0, 15_001);
  assert.equal(watchdog.check(6_600), "systemTime");
});

Deno.test("a process whose heap is nearly full gets time to fail of that", () => {
  const { watchdog, use } = stand();
  use(1_500, 130);
  assert.equal(watchdog.check(1_500), null);
  use(3_200, 130);
  assert.equal(watchdog.check(3_200), "userTime");
});

Deno.test("memory outside of the heap is bounded, too", () => {
  const { watchdog, use } = stand();
  use(10, 400);
  assert.equal(watchdog.check(20), "memory");
});

Deno.test("a process that was large before the call began is told from one that became so", () => {
  const { watchdog, use } = stand();
  use(10, 400);
  assert.equal(watchdog.check(20), "memory");
  assert.equal(watchdog.wasLargeBefore, false);
  watchdog.restart(40);
  assert.equal(watchdog.wasLargeBefore, true);
});

Deno.test("the platform's texts", () => {
  assert.deepEqual(
    (["userTime", "systemTime", "memory"] as const).map((overrun) =>
      overrunMessage(overrun, DEFAULT_RUNTIME_LIMITS)
    ),
    [
      "Function execution timed out (maximum duration: 1s)",
      "Your request timed out performing too many system operations.",
      "JavaScript execution ran out of memory (maximum memory usage: 64 MB)",
    ],
  );
});
