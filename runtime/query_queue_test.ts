import assert from "node:assert/strict";
import fc from "fast-check";
import type { PendingCall } from "./call_queue.ts";
import { QueryQueue } from "./query_queue.ts";

let lastCallId = 0;
function pending(client: string, source: string, isSolo = false): PendingCall {
  return {
    call: { callId: ++lastCallId, kind: "query" },
    client,
    source,
    isSolo,
  } as unknown as PendingCall;
}

/** A queue in which functions are long once `long` has their names. */
function stand(waitingMax = 1_000) {
  const long = new Set<string>();
  const queue = new QueryQueue(({ source }) => !long.has(source), waitingMax);
  /** Takes calls one by one as an isolate does that takes all (or short ones only). */
  const take = (count: number, onlyShort = false): string[] =>
    Array.from({ length: count }, () => {
      const lines = onlyShort ? queue.shortLines : queue.lines;
      const line = lines.find(({ first }) => first !== undefined);
      if (line === undefined) return "";
      const { client, source } = line.shift()!;
      queue.taken(line);
      return `${client} ${source}`;
    });
  const push = (client: string, source: string, count = 1) =>
    Array.from({ length: count }, () => queue.push(pending(client, source)));
  return { long, queue, take, push };
}

Deno.test("clients take turns, and so do the functions of one client", () => {
  const { push, take } = stand();
  push("flood", "a", 10);
  push("flood", "b", 2);
  push("other", "a", 2);
  assert.deepEqual(take(6), ["flood a", "other a", "flood b", "other a", "flood a", "flood b"]);
  assert.deepEqual(take(2), ["flood a", "flood a"]);
});

Deno.test("short and long queries take turns, whoever asks", () => {
  const { long, push, take } = stand();
  long.add("slow");
  for (let i = 0; i < 5; i++) push(`flood ${i}`, "slow");
  push("flood 0", "quick");
  push("other", "quick");
  assert.deepEqual(take(4).map((name) => name.split(" ").at(-1)), [
    "quick",
    "slow",
    "quick",
    "slow",
  ]);
  assert.deepEqual(take(1), ["flood 2 slow"]);
});

Deno.test("who takes short queries only finds them behind any number of long ones", () => {
  const { long, queue, push, take } = stand();
  push("flood", "slow", 3);
  push("other", "quick");
  // It turns out to be slow while its calls wait.
  long.add("slow");
  queue.putBack([pending("flood", "slow"), pending("other", "returned", true)]);
  assert.deepEqual(take(2, true), ["other quick", ""]);
  assert.equal(queue.length, 5);
  assert.deepEqual(take(5), ["flood slow", "other returned", ...Array(3).fill("flood slow")]);
});

Deno.test("a client that floods the queue leaves room for the others", () => {
  const { queue, push } = stand(100);
  assert.equal(push("flood", "a", 200).filter(Boolean).length, 50);
  assert.equal(push("another", "a", 200).filter(Boolean).length, 25);
  assert.ok(push("other", "a")[0]);
  assert.ok(!push("flood", "b")[0]);
  assert.equal(queue.length, 76);
});

Deno.test("whatever comes in goes out once, a client's calls of a short function in their order", () => {
  const name = fc.constantFrom("a", "b", "c");
  const step = fc.oneof(
    fc.record({ kind: fc.constant("push" as const), client: name, source: name }),
    fc.record({ kind: fc.constant("take" as const), onlyShort: fc.boolean() }),
    fc.record({ kind: fc.constant("late" as const), upTo: fc.nat(40) }),
    fc.record({ kind: fc.constant("long" as const), source: name }),
  );
  fc.assert(fc.property(fc.array(step), (plan) => {
    const { long, queue } = stand();
    const inside = new Map<number, PendingCall>();
    const leave = (call: PendingCall) => assert.ok(inside.delete(call.call.callId));
    for (const each of plan) {
      if (each.kind === "push") {
        const call = pending(each.client, each.source);
        inside.set(call.call.callId, call);
        assert.ok(queue.push(call));
      } else if (each.kind === "long") {
        long.add(each.source);
      } else if (each.kind === "late") {
        const limit = lastCallId - each.upTo;
        queue.removeLate(({ call }) => call.callId <= limit).forEach(leave);
      } else {
        const lines = each.onlyShort ? queue.shortLines : queue.lines;
        const line = lines.find(({ first }) => first !== undefined);
        if (line === undefined) continue;
        const call = line.shift()!;
        queue.taken(line);
        leave(call);
        if (long.has(call.source)) {
          assert.ok(!each.onlyShort);
          continue;
        }
        for (const other of inside.values()) {
          const isSame = other.client === call.client && other.source === call.source;
          assert.ok(!isSame || other.call.callId > call.call.callId);
        }
      }
      assert.equal(queue.length, inside.size);
    }
    queue.drain().forEach(leave);
    assert.equal(inside.size + queue.length, 0);
  }));
});
