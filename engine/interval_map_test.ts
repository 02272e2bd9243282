import assert from "node:assert/strict";
import fc from "fast-check";
import { IntervalMap } from "./interval_map.ts";
import type { FlatReadSet } from "./types.ts";

/** The obvious implementation: look at everything. */
class NaiveMap<T> {
  readonly #items = new Map<T, FlatReadSet>();
  add(readSet: FlatReadSet, item: T): void {
    this.#items.set(item, readSet);
  }
  remove(item: T): void {
    this.#items.delete(item);
  }
  stab(index: number, key: string): Set<T> {
    const found = new Set<T>();
    for (const [item, readSet] of this.#items) {
      for (let i = 0; i < readSet.length; i += 3) {
        if (readSet[i] === index && readSet[i + 1]! <= key && key < readSet[i + 2]!) {
          found.add(item);
        }
      }
    }
    return found;
  }
}

const key = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 3 });
const interval = fc.tuple(fc.integer({ min: 0, max: 2 }), key, key);
const readSet = fc.array(interval, { maxLength: 6 }).map((list) => list.flat() as FlatReadSet);
const item = fc.integer({ min: 0, max: 12 });
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant("add" as const), readSet, item }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("remove" as const), item }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("stab" as const),
      index: fc.integer({ min: 0, max: 2 }),
      key,
    }),
  },
);

Deno.test("an IntervalMap finds what a naive list finds", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
      const map = new IntervalMap<number>();
      const naive = new NaiveMap<number>();
      for (const step of actions) {
        if (step.type === "add") {
          map.add(step.readSet, step.item);
          naive.add(step.readSet, step.item);
        } else if (step.type === "remove") {
          map.remove(step.item);
          naive.remove(step.item);
        } else {
          assert.deepEqual(
            new Set(map.stab(step.index, step.key)),
            naive.stab(step.index, step.key),
          );
        }
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("an emptied IntervalMap finds nothing", () => {
  const map = new IntervalMap<string>();
  map.add([1, "a", "c", 1, "a", "c", 1, "b", "d"], "one");
  assert.equal(map.size, 1);
  map.remove("one");
  map.remove("one");
  assert.equal(map.size, 0);
  assert.deepEqual(map.stab(1, "b"), []);
});
