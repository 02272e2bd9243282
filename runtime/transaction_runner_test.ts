import assert from "node:assert/strict";
import type { Engine } from "../engine/engine.ts";
import type { PlatformError } from "../engine/errors.ts";
import type { CommitResult } from "../engine/types.ts";
import { ContentionTracker } from "./contention.ts";
import type { CallOutcome } from "./call_queue.ts";
import type { RunResult } from "./frames.ts";
import type { CallRequest, Pool } from "./pool.ts";
import { TransactionRunner } from "./transaction_runner.ts";
import { Turn, TurnLostError } from "./turn.ts";
import type { ConflictedAttempt, FunctionCall, FunctionResult } from "./types.ts";

const CALL: FunctionCall = {
  path: { component: "", module: "m.js", name: "f" },
  args: "[{}]",
  context: {
    requestId: "0123456789abcdef",
    identity: { kind: "anonymous" },
    caller: "Tester",
    visibility: "public",
    ip: null,
    userAgent: null,
  },
};

const CONFLICT = {
  kind: "conflict",
  conflict: { ts: 1, table: "t", id: "id1", source: "m.js:g" },
} as CommitResult;

/** A runner whose runs all come to `result` and whose commits come to `commits`, one after another. */
function stand(commits: CommitResult[], result: FunctionResult = { ok: true, value: "1" }) {
  const requests: CallRequest[] = [];
  const contention = new ContentionTracker();
  const submit: Pool["submit"] = (request) => {
    requests.push(request);
    const commit = Promise.resolve(commits.shift() ?? CONFLICT);
    const ran = { result, logLines: [], stats: {} } as unknown as RunResult;
    request.settle({ kind: "ran", result: ran, commit });
  };
  const engine = { committer: { sessionOutcome: () => null } } as unknown as Engine;
  return { runner: new TransactionRunner(engine, { submit, contention }), requests, contention };
}

Deno.test("a mutation that conflicts runs again with another seed and is contended from then on", async () => {
  const { runner, requests, contention } = stand([
    CONFLICT,
    { kind: "committed", ts: 7 } as CommitResult,
  ]);
  const outcome = await runner.runMutation(CALL, undefined);
  assert.equal(outcome.ts, 7);
  assert.equal(requests.length, 2);
  assert.notEqual(requests[0]!.call.seed, requests[1]!.call.seed);
  assert.equal(requests[0]!.call.requestId, requests[1]!.call.requestId);
  const now = performance.now();
  assert.ok(contention.isContended("m.js:f", now) && contention.isContended("m.js:g", now));
});

Deno.test("after four retries, the last one exclusive, the conflict is the caller's error", async () => {
  const { runner, requests } = stand([]);
  const attempts: ConflictedAttempt[] = [];
  const call = { ...CALL, onConflict: (attempt: ConflictedAttempt) => attempts.push(attempt) };
  await assert.rejects(runner.runMutation(call, undefined), (error: PlatformError) => {
    assert.equal(error.kind, "occ");
    assert.equal(error.code, "OptimisticConcurrencyControlFailure");
    assert.equal(
      error.message,
      'Documents read from or written to the "t" table changed while this mutation was being run ' +
        'and on every subsequent retry. A call to "m.js:g" changed the document with ID "id1". ' +
        "See https://docs.convex.dev/error#1",
    );
    return true;
  });
  assert.deepEqual(requests.map((r) => r.isExclusive), [false, false, false, false, true]);
  assert.deepEqual(
    attempts.map(({ retries, willRetry, table, source }) => [retries, willRetry, table, source]),
    [0, 1, 2, 3, 4].map((retries) => [retries, retries < 4, "t", "m.js:g"]),
  );
});

Deno.test("a mutation that fails and conflicts every time shows its own error", async () => {
  const { runner } = stand([], { ok: false, error: { text: "Uncaught Error: no\n" } });
  const outcome = await runner.runMutation(CALL, undefined);
  assert.deepEqual(outcome.result, { ok: false, error: { text: "Uncaught Error: no\n" } });
  assert.equal(outcome.ts, null);
});

Deno.test("calls that wait count as their user's, else their connection's, else their address's", async () => {
  const committed = { kind: "committed", ts: 7 } as CommitResult;
  const { runner, requests } = stand(Array(4).fill(committed));
  const user = {
    kind: "user",
    attributes: { tokenIdentifier: "issuer|ann", issuer: "issuer", subject: "ann" },
    token: "",
    expiresAtMs: 0,
  } as const;
  const contexts = [
    { ip: "192.0.2.1", connection: "connection 1", identity: user },
    { ip: "192.0.2.1", connection: "connection 1" },
    { ip: "192.0.2.1" },
    {},
  ];
  for (const context of contexts) {
    const call = { ...CALL, context: { ...CALL.context, ...context } };
    await runner.runMutation(call, undefined);
  }
  assert.deepEqual(requests.map(({ client }) => client), [
    "user issuer|ann",
    "connection 1",
    "192.0.2.1",
    "anonymous",
  ]);
});

/** A runner whose runs end when, and as, the test says. */
function heldStand() {
  const requests: CallRequest[] = [];
  const pool = {
    submit: (request: CallRequest) => void requests.push(request),
    contention: new ContentionTracker(),
  };
  const engine = { committer: { sessionOutcome: () => null } } as unknown as Engine;
  const committed = (ts: number): CallOutcome => ({
    kind: "ran",
    result: {
      result: { ok: true, value: `${ts}` },
      logLines: [],
      stats: {},
    } as unknown as RunResult,
    commit: Promise.resolve({ kind: "committed", ts } as CommitResult),
  });
  return { runner: new TransactionRunner(engine, pool), requests, committed };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("a run before the turn counts if the turn has come when it is to be committed", async () => {
  const { runner, requests, committed } = heldStand();
  const outcome = runner.runMutation(CALL, undefined, { turn: new Turn() });
  requests[0]!.settle(committed(7));
  assert.equal((await outcome).ts, 7);
});

for (
  const [what, end] of [
    ["that was not to be committed", (request) => request.settle({ kind: "early" })],
    ["that was stopped", (request) => request.settle({ kind: "overrun", message: "too long" })],
    ["that was turned away", (request) => request.fail(new Error("too many"))],
  ] as [string, (request: CallRequest) => void][]
) {
  Deno.test(`a run before the turn ${what} is repeated when the turn has come`, async () => {
    const { runner, requests, committed } = heldStand();
    const turn = new Turn();
    const outcome = runner.runMutation(CALL, undefined, { turn });
    end(requests[0]!);
    await settled();
    assert.equal(requests.length, 1, "not before");
    turn.come();
    await settled();
    requests[1]!.settle(committed(9));
    assert.equal((await outcome).ts, 9);
    assert.equal(requests.length, 2);
  });
}

Deno.test("a request whose turn is lost fails, and runs for the connection that repeats it", async () => {
  const { runner, requests, committed } = heldStand();
  const session = { sessionId: "s", requestId: 1 };
  const lost = new Turn();
  const first = runner.runMutation(CALL, session, { turn: lost });
  const turn = new Turn();
  turn.come();
  const repeated = runner.runMutation(CALL, session, { turn });
  await settled();
  requests[0]!.settle({ kind: "early" });
  lost.lose();
  await assert.rejects(first, TurnLostError);
  await settled();
  requests[1]!.settle(committed(9));
  assert.equal((await repeated).ts, 9);
});
