import assert from "node:assert/strict";
import { RandomStream, randomUuid, seedFromHex } from "./random.ts";

Deno.test("a stream repeats for its seed and differs for another", () => {
  const take = (hex: string) => {
    const stream = new RandomStream(() => seedFromHex(hex));
    return Array.from({ length: 100 }, () => stream.nextFraction());
  };
  assert.deepEqual(take("00ff"), take("00ff"));
  assert.notDeepEqual(take("00ff"), take("00fe"));
  assert.ok(take("00ff").every((fraction) => fraction >= 0 && fraction < 1));
});

Deno.test("the numbers are spread evenly and blocks differ", () => {
  const stream = new RandomStream(() => seedFromHex("0123456789abcdef"));
  const counts = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) counts[stream.nextUint32() >>> 28]!++;
  assert.ok(counts.every((count) => count > 800 && count < 1200), String(counts));
});

Deno.test("UUIDs have the form of version 4", () => {
  const stream = new RandomStream(() => seedFromHex("aa"));
  const uuids = Array.from({ length: 50 }, () => randomUuid(stream));
  assert.equal(new Set(uuids).size, 50);
  for (const uuid of uuids) {
    assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});
