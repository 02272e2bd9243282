import assert from "node:assert/strict";
import { ContentionTracker } from "./contention.ts";

Deno.test("both sides of a conflict are contended for a while", () => {
  const tracker = new ContentionTracker();
  tracker.conflict("a", "b", 0);
  tracker.conflict("c", null, 20_000);
  assert.deepEqual(["a", "b", "c", "d"].map((s) => tracker.isContended(s, 25_000)), [
    true,
    true,
    true,
    false,
  ]);
  assert.deepEqual(["a", "b", "c"].map((s) => tracker.isContended(s, 31_000)), [
    false,
    false,
    true,
  ]);
});

Deno.test("the tracker forgets the oldest functions when there are too many", () => {
  const tracker = new ContentionTracker();
  for (let i = 0; i < 5_000; i++) tracker.conflict(`f${i}`, null, 0);
  assert.equal(tracker.isContended("f0", 1), false);
  assert.equal(tracker.isContended("f4999", 1), true);
});
