import assert from "node:assert/strict";
import fc from "fast-check";
import { COMMIT_LOG_AGE_MS_MAX, CommitLog, type LoggedCommit } from "./commit_log.ts";
import type { Timestamp } from "./timestamp.ts";
import type { FlatReadSet } from "./types.ts";

const key = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 2 });
const touched = fc.tuple(fc.integer({ min: 0, max: 2 }), key);
const readSet = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), key, key), { maxLength: 4 })
  .map((list) => list.flat() as FlatReadSet);
const commit = fc.record({
  gap: fc.integer({ min: 1, max: 3 }),
  isolate: fc.option(fc.integer({ min: 0, max: 1 })),
  touched: fc.array(touched, { minLength: 1, maxLength: 4 }),
});

function logged(ts: number, isolate: number | null, keys: (number | string)[]): LoggedCommit {
  return {
    ts: ts as Timestamp,
    isolate,
    source: null,
    documents: [{ tablet: 1, id: `at ${ts}`, keys }],
  };
}

function touches(c: LoggedCommit, set: FlatReadSet): boolean {
  const keys = c.documents[0]!.keys;
  for (let k = 0; k < keys.length; k += 2) {
    for (let i = 0; i < set.length; i += 3) {
      if (keys[k] === set[i] && set[i + 1]! <= keys[k + 1]! && keys[k + 1]! < set[i + 2]!) {
        return true;
      }
    }
  }
  return false;
}

Deno.test("the commit log agrees with looking at every commit", () => {
  fc.assert(
    fc.property(
      fc.array(commit, { maxLength: 40 }),
      readSet,
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 100 }),
      fc.constantFrom(null, 0, 1),
      fc.constantFrom(1000, 4000, 1_000_000),
      (commits, set, after, upTo, isolate, bytesMax) => {
        const log = new CommitLog(0 as Timestamp, bytesMax);
        const all: LoggedCommit[] = [];
        let ts = 0;
        for (const c of commits) {
          ts += c.gap;
          all.push(logged(ts, c.isolate, c.touched.flat()));
          log.add(all.at(-1)!);
        }
        const kept = all.slice(all.length - log.commitCount);
        const forgotten = all[all.length - log.commitCount - 1]?.ts ?? 0;
        const first = log.firstChange(set, after as Timestamp, upTo as Timestamp);
        const conflict = log.findConflict(set, after as Timestamp, isolate);
        if (after < forgotten) {
          assert.equal(first, "unknown");
          assert.equal(conflict, "unknown");
          return;
        }
        const later = kept.filter((c) => c.ts > after && touches(c, set));
        assert.equal(first, later.find((c) => c.ts <= upTo)?.ts ?? null);
        const conflicting = later.filter((c) => isolate === null || c.isolate !== isolate);
        assert.ok(conflict !== "unknown");
        assert.equal(conflict === null, conflicting.length === 0);
        if (conflict !== null) assert.ok(conflicting.includes(conflict.commit));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("old commits are forgotten and then unknown", () => {
  const log = new CommitLog(0 as Timestamp);
  log.add(logged(1, null, [1, "a"]));
  log.add(logged(2, null, [1, "b"]));
  log.add(logged(COMMIT_LOG_AGE_MS_MAX * 1000 + 2, null, [1, "c"]));
  assert.equal(log.commitCount, 1);
  assert.equal(log.firstChange([1, "a", "b"], 1 as Timestamp), "unknown");
  assert.equal(log.firstChange([1, "a", "b"], 2 as Timestamp), null);
});
