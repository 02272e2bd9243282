import assert from "node:assert/strict";
import fc from "fast-check";
import { ReadSet } from "./read_set.ts";

const KEYS = 20;
const key = (n: number) => String.fromCharCode(0x61 + n);

Deno.test("intervals are merged when they overlap or touch", () => {
  const interval = fc.tuple(fc.nat(2), fc.nat(KEYS), fc.nat(KEYS));
  fc.assert(fc.property(fc.array(interval), (intervals) => {
    const readSet = new ReadSet();
    const model = Array.from({ length: 3 }, () => new Array<boolean>(KEYS + 1).fill(false));
    for (const [index, start, end] of intervals) {
      readSet.add(index, key(start), key(end));
      if (start < end) model[index]!.fill(true, start, end);
    }
    let runs = 0;
    model.forEach((keys, index) =>
      keys.forEach((isRead, n) => {
        assert.equal(readSet.has(index, key(n)), isRead);
        if (isRead && keys[n - 1] !== true) runs++;
      })
    );
    assert.equal(readSet.intervalCount, runs);
    assert.equal(readSet.toFlat().length, 3 * runs);
  }));
});
