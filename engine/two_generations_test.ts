import assert from "node:assert/strict";
import { TwoGenerations } from "./two_generations.ts";

Deno.test("what is used stays, what is not goes, and the weight is bounded", () => {
  const cache = new TwoGenerations<number, string>(100, (value) => value.length);
  cache.set(0, "often used");
  for (let i = 1; i < 100; i++) {
    cache.set(i, "0123456789");
    assert.equal(cache.get(0), "often used");
  }
  const kept = Array.from({ length: 100 }, (_, i) => i).filter((i) => cache.get(i) !== undefined);
  assert.ok(kept.length <= 10);
  assert.equal(cache.get(1), undefined);
});

Deno.test("a deleted or replaced entry is not found in either generation", () => {
  const cache = new TwoGenerations<string, number>(4);
  cache.set("a", 1);
  for (const filler of ["x", "y"]) cache.set(filler, 0);
  cache.set("a", 2);
  assert.equal(cache.get("a"), 2);
  cache.delete("a");
  assert.equal(cache.get("a"), undefined);
  cache.clear();
  assert.equal(cache.get("x"), undefined);
});
