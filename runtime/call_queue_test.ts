import assert from "node:assert/strict";
import fc from "fast-check";
import { CallQueue, type PendingCall } from "./call_queue.ts";

function pending(callId: number): PendingCall {
  return { call: { callId } } as unknown as PendingCall;
}

Deno.test("the queue behaves like an array", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("push" as const) }),
      fc.record({ kind: fc.constant("shift" as const), count: fc.nat(400) }),
      fc.record({ kind: fc.constant("putBack" as const), count: fc.nat(5) }),
      fc.record({ kind: fc.constant("fill" as const), count: fc.nat(400) }),
    ),
  );
  fc.assert(fc.property(steps, (plan) => {
    const queue = new CallQueue();
    const model: PendingCall[] = [];
    let last = 0;
    const make = (count: number) => Array.from({ length: count }, () => pending(++last));
    for (const step of plan) {
      if (step.kind === "putBack") {
        const calls = make(step.count);
        queue.putBack(calls);
        model.unshift(...calls);
      } else if (step.kind === "shift") {
        for (let i = 0; i < step.count; i++) assert.equal(queue.shift(), model.shift());
      } else {
        for (const call of make(step.kind === "fill" ? step.count : 1)) {
          queue.push(call);
          model.push(call);
        }
      }
      assert.equal(queue.length, model.length);
      assert.equal(queue.first, model[0]);
    }
    assert.deepEqual(queue.drain(), model);
    assert.equal(queue.length, 0);
  }));
});

Deno.test("time in which the server stood still does not count as waiting", () => {
  const queue = new CallQueue();
  for (const queuedAtMs of [0, 100, 200, 6_900]) queue.push({ queuedAtMs } as PendingCall);
  queue.shift();
  queue.excuse(6_500, 7_000);
  assert.deepEqual(queue.drain().map(({ queuedAtMs }) => queuedAtMs), [6_600, 6_700, 7_000]);
});
