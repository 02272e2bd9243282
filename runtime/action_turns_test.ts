// The turns of an action's transactions.
import assert from "node:assert/strict";
import { ACTION_TRANSACTIONS_MAX, ActionTurns } from "./action_turns.ts";

Deno.test("a bounded number is under way, the others follow in order, failures give their place back", async () => {
  const turns = new ActionTurns();
  const started: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const count = ACTION_TRANSACTIONS_MAX * 3;
  const all = Array.from({ length: count }, (_, i) =>
    turns.run(async () => {
      started.push(i);
      ends[i] = Promise.withResolvers<void>();
      await ends[i].promise;
      return i;
    }).catch(() => -1));
  for (let i = 0; i < count; i++) {
    while (ends[i] === undefined) await null;
    assert.ok(started.length <= ACTION_TRANSACTIONS_MAX + i, `${started.length} after ${i} ends`);
    if (i % 2 === 0) ends[i]!.resolve();
    else ends[i]!.reject(new Error("failed"));
  }
  const order = Array.from({ length: count }, (_, i) => i);
  assert.deepEqual(await Promise.all(all), order.map((i) => i % 2 === 0 ? i : -1));
  assert.deepEqual(started, order);
});
