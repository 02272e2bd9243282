import assert from "node:assert/strict";
import type { CommitResult, FinishedTransaction } from "../engine/types.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import { ChainCoordinator, type CommitSink } from "./chain_coordinator.ts";
import type { ResetFrame, RunResult } from "./frames.ts";

const TS = 7 as Timestamp;

/** Decides when it is told to. */
class SlowSink implements CommitSink {
  flush(): void {}

  readonly seen: number[] = [];
  decide: (accept: boolean) => void = () => {};

  commit(transaction: FinishedTransaction, onAccepted: (ts: Timestamp) => void) {
    this.seen.push(transaction.chain!.seq);
    const { promise, resolve } = Promise.withResolvers<CommitResult>();
    this.decide = (accept) => {
      if (accept) {
        onAccepted(TS);
        return resolve({ kind: "committed", ts: TS });
      }
      resolve({ kind: "conflict", conflict: { ts: TS, table: null, id: null, source: null } });
    };
    return promise;
  }
}

function stand() {
  const sink = new SlowSink();
  const resets: ResetFrame[] = [];
  const stale: number[] = [];
  const early: number[] = [];
  const ahead = new Set<number>();
  const chain = new ChainCoordinator(1, sink, (frame) => resets.push(frame));
  const result = (seq: number, epoch: number) =>
    ({
      chainSeq: seq,
      epoch,
      writes: [{ tablet: 1, id: "a", json: null, isNew: false }],
      readSet: [],
      begin: TS,
      result: { ok: true, value: "null" },
    }) as unknown as RunResult;
  const take = (seq: number, epoch = 0) =>
    chain.take({
      result: result(seq, epoch),
      source: "f",
      session: undefined,
      isEarly: () => ahead.has(seq),
      onEarly: () => early.push(seq),
      onStale: () => stale.push(seq),
      onAccepted: () => {},
      onSubmitted: () => {},
    });
  return { sink, resets, stale, early, ahead, chain, result, take };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("a member waits until those before it are decided", async () => {
  const { sink, take, resets } = stand();
  take(1);
  take(2);
  take(3);
  assert.deepEqual(sink.seen, [1]);
  sink.decide(true);
  assert.deepEqual(sink.seen, [1, 2]);
  sink.decide(true);
  sink.decide(true);
  await settled();
  assert.deepEqual(sink.seen, [1, 2, 3]);
  assert.deepEqual(resets, []);
});

Deno.test("after a refusal the waiting members are stale and the isolate keeps what was accepted", async () => {
  const { sink, take, resets, stale } = stand();
  take(1);
  take(2);
  take(3);
  sink.decide(true);
  sink.decide(false);
  await settled();
  assert.deepEqual(resets, [{ type: "reset", epoch: 1, upTo: 1 }]);
  assert.deepEqual(stale, [3]);
  take(4);
  take(5, 1);
  assert.deepEqual(stale, [3, 4]);
  assert.deepEqual(sink.seen, [1, 2, 5]);
});

Deno.test("a discarded member resets the chain only after the members before it are decided", async () => {
  const { sink, take, resets, stale, chain, result } = stand();
  take(1);
  chain.discard(result(2, 0));
  take(3);
  assert.deepEqual(resets, []);
  sink.decide(true);
  await settled();
  assert.deepEqual(resets, [{ type: "reset", epoch: 1, upTo: 1 }]);
  assert.deepEqual(stale, [3]);
});

Deno.test("an early member is not offered, and what ran on top of it is stale", async () => {
  const { sink, take, resets, stale, early, ahead } = stand();
  ahead.add(2);
  take(1);
  take(2);
  take(3);
  sink.decide(true);
  await settled();
  assert.deepEqual(sink.seen, [1]);
  assert.deepEqual([early, stale], [[2], [3]]);
  assert.deepEqual(resets, [{ type: "reset", epoch: 1, upTo: 1 }]);
});

Deno.test("whether a member is early counts when those before it are decided", async () => {
  const { sink, take, early, ahead } = stand();
  ahead.add(2);
  take(1);
  take(2);
  ahead.delete(2);
  sink.decide(true);
  sink.decide(true);
  await settled();
  assert.deepEqual([sink.seen, early], [[1, 2], []]);
});
