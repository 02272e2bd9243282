import assert from "node:assert/strict";
import fc from "fast-check";
import type { FunctionRunner, MutationOutcome } from "../runtime/types.ts";
import { type Turn, TurnLostError } from "../runtime/turn.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { PreparedCall } from "./call_target.ts";
import { MutationQueue } from "./mutation_queue.ts";
import { FakeClock } from "./testing/fake_clock.ts";

/** A mutation that waits for the test to say how it goes on. */
interface Running {
  readonly requestId: number;
  readonly turn: Turn;
  /** Its place in the order; false if it may not have one yet. */
  accept(): boolean;
  /** It is durable, or failed as functions do. */
  finish(): void;
  /** Nobody knows what came of it. */
  break(): void;
}

function stand() {
  const clock = new FakeClock();
  const running: Running[] = [];
  const accepted: number[] = [];
  const answered: number[] = [];
  const failures: unknown[] = [];
  const runMutation: FunctionRunner["runMutation"] = (_call, session, onAccepted, turn) => {
    const { promise, resolve, reject } = Promise.withResolvers<MutationOutcome>();
    const { requestId } = session!;
    let isAccepted = false;
    running.push({
      requestId,
      turn: turn!,
      accept: () => {
        if (!turn!.hasCome || isAccepted) return false;
        isAccepted = true;
        accepted.push(requestId);
        onAccepted?.();
        return true;
      },
      finish: () =>
        resolve({
          result: { ok: true, value: "null" },
          ts: requestId as Timestamp,
          logLines: [],
          replayed: false,
          stats: {} as MutationOutcome["stats"],
        }),
      break: () => reject(new Error("unknown")),
    });
    return promise;
  };
  const queue = new MutationQueue({ runMutation } as unknown as FunctionRunner, clock, {
    onAnswer: ({ requestId }) => answered.push(requestId),
    onFailure: (error) => {
      failures.push(error);
      queue.end();
    },
    mayStart: () => true,
  });
  const push = (requestId: number) => {
    const call = { call: {}, refusal: null, requestId: "" } as unknown as PreparedCall;
    queue.push({ requestId, sessionId: "s", call });
  };
  const finishFirst = async () => {
    const first = running.shift()!;
    assert.ok(first.accept());
    first.finish();
    await clock.settle();
  };
  return { clock, queue, running, accepted, answered, failures, push, finishFirst };
}

Deno.test("while mutations are swift, more and more run before their turn, which comes in order", async () => {
  const { running, push, finishFirst } = stand();
  for (let i = 0; i < 100; i++) push(i);
  assert.deepEqual(running.map((m) => m.requestId), [0]);
  await finishFirst();
  assert.deepEqual(running.map((m) => [m.requestId, m.turn.hasCome]), [[1, true], [2, false]]);
  await finishFirst();
  assert.deepEqual(running.map((m) => m.turn.hasCome), [true, false, false]);
  for (let i = 0; i < 30; i++) await finishFirst();
  assert.equal(running.length, 16, "and not more than so many");
});

Deno.test("slow ones, and such that ran in vain, make it half as many, once for all that ran together", async () => {
  const { clock, running, push, finishFirst } = stand();
  for (let i = 0; i < 200; i++) push(i);
  for (let i = 0; i < 15; i++) await finishFirst();
  assert.equal(running.length, 16);
  await clock.advance(7);
  for (let i = 0; i < 16; i++) await finishFirst();
  assert.equal(running.length, 8);
  for (let i = 0; i < 30; i++) await finishFirst();
  assert.equal(running.length, 16);
  running[1]!.turn.whenCome();
  await finishFirst();
  assert.equal(running.length, 16);
  await finishFirst();
  assert.equal(running.length, 15, "none starts");
});

Deno.test("the time limit of a mutation that started before its turn begins with its turn", async () => {
  const { clock, running, failures, push, finishFirst } = stand();
  push(0);
  push(1);
  push(2);
  await finishFirst();
  await clock.advance(50_000);
  await finishFirst();
  await clock.advance(50_000);
  assert.deepEqual(failures, []);
  assert.equal(running[0]!.requestId, 2);
  await clock.advance(10_001);
  assert.equal(failures.length, 1);
});

Deno.test("when nobody knows what came of one, those after it lose their turn", async () => {
  const { clock, running, failures, answered, push, finishFirst } = stand();
  for (let i = 0; i < 100; i++) push(i);
  for (let i = 0; i < 5; i++) await finishFirst();
  const [first, ...others] = running;
  first!.break();
  await clock.settle();
  for (const { turn } of others) await assert.rejects(turn.whenCome(), TurnLostError);
  assert.equal(failures.length, 1);
  assert.deepEqual(answered, [0, 1, 2, 3, 4]);
});

Deno.test("whatever happens, mutations are accepted and answered in order and without a gap", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom("push", "accept", "finish", "break", "wait"), fc.nat(40)), {
        maxLength: 200,
      }),
      async (steps) => {
        const { clock, queue, running, accepted, answered, failures, push } = stand();
        let pushed = 0;
        for (const [what, n] of steps) {
          const mutation = running[n % Math.max(1, running.length)];
          if (what === "push") push(pushed++);
          else if (what === "wait") await clock.advance(n);
          else if (what === "accept") mutation?.accept();
          else if (what === "finish" && accepted.includes(mutation?.requestId ?? -1)) {
            mutation!.finish();
          } else if (what === "break" && n === 40) mutation?.break();
          await clock.settle();
        }
        assert.deepEqual(accepted, accepted.map((_, i) => i));
        assert.deepEqual(answered, answered.map((_, i) => i));
        if (failures.length > 0) return;
        // Nothing is stuck: whoever has the turn can always go on.
        while (queue.length > 0) {
          const next = running.find((m) => m.turn.hasCome && !answered.includes(m.requestId))!;
          next.accept();
          next.finish();
          await clock.settle();
        }
        assert.equal(answered.length, pushed);
      },
    ),
    { numRuns: 100 },
  ));
