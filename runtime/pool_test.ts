import assert from "node:assert/strict";
import { DEFAULT_TRANSACTION_LIMITS } from "../engine/limits.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { CommitResult, FinishedTransaction } from "../engine/types.ts";
import type { CallOutcome } from "./call_queue.ts";
import type { CommitSink } from "./chain_coordinator.ts";
import { LimitUsage } from "./limit_usage.ts";
import { DEFAULT_RUNTIME_LIMITS } from "./limits.ts";
import { Pool } from "./pool.ts";
import { TransactionSyscalls } from "./transaction_syscalls.ts";

/** Accepts everything but what `refuse` names, once. */
class FakeSink implements CommitSink {
  /** How many commits there were at each flush. */
  readonly flushedAfter: number[] = [];

  flush(): void {
    this.flushedAfter.push(this.committed.length);
  }

  latest = 1 as Timestamp;
  readonly committed: FinishedTransaction[] = [];
  readonly refuse = new Set<string>();

  commit(transaction: FinishedTransaction, onAccepted: (ts: Timestamp) => void) {
    return Promise.resolve(this.#decide(transaction, onAccepted));
  }

  #decide(
    transaction: FinishedTransaction,
    onAccepted: (ts: Timestamp) => void,
  ): CommitResult {
    const id = transaction.writes[0]?.id ?? "";
    if (this.refuse.delete(id)) {
      const conflict = { ts: this.latest, table: "t", id, source: null };
      return { kind: "conflict", conflict };
    }
    this.latest = (this.latest + 1) as Timestamp;
    this.committed.push(transaction);
    onAccepted(this.latest);
    return { kind: "committed", ts: this.latest };
  }
}

interface Harness {
  readonly pool: Pool;
  readonly sink: FakeSink;
  /** What the operator was told. */
  readonly faults: readonly string[];
  /** An argument of the isolates' processes, and of no others. */
  readonly mark: string;
  call(
    kind: "query" | "mutation",
    name: string,
    args?: object,
    isExclusive?: boolean,
    client?: string,
  ): Promise<CallOutcome>;
}

/** @param silent numbers of isolates that never get ready */
async function withPool(
  isolates: number,
  body: (harness: Harness) => Promise<void>,
  silent: readonly number[] = [],
  userTimeMs = 400,
) {
  const sink = new FakeSink();
  const faults: string[] = [];
  const mark = `isolates-of-test-${crypto.randomUUID()}`;
  let lastIsolate = 0;
  let lastCall = 0;
  const pool = await Pool.start({
    isolates,
    program: {
      entry: new URL("./testdata/fake_isolate.ts", import.meta.url).pathname,
      programArguments: [mark],
      readableFiles: ["/dev/null"],
      allowNet: false,
      heapMebibytes: 96,
    },
    init: (isolate) => ({
      type: "init",
      isolate,
      mode: "transactions",
      dbPath: "",
      deploymentName: silent.includes(isolate) ? "silent" : "",
      ipv4Only: false,
      cursorKey: "",
      uploadKey: "",
      env: { cloudUrl: "", siteUrl: "" },
      limits: DEFAULT_TRANSACTION_LIMITS,
      runtimeLimits: DEFAULT_RUNTIME_LIMITS,
    }),
    nextIsolate: () => ++lastIsolate,
    sink,
    syscalls: new TransactionSyscalls(() => {}),
    limits: { ...DEFAULT_RUNTIME_LIMITS, userTimeMs },
    usage: new LimitUsage(),
    startMsMax: silent.length === 0 ? undefined : 5_000,
    onFault: (message) => void faults.push(message),
  });
  const call: Harness["call"] = (kind, name, args = {}, isExclusive = false, client = "c") =>
    new Promise((settle, fail) =>
      pool.submit({
        call: {
          callId: ++lastCall,
          kind,
          path: { component: "", module: "m.js", name },
          args: JSON.stringify([args]),
          identity: { kind: "anonymous" },
          requestId: "0",
          visibility: "public",
          journal: null,
          at: kind === "query" ? 1 as Timestamp : null,
          seed: "",
          ip: null,
          userAgent: null,
          caller: "Tester",
        },
        source: `m.js:${name}`,
        client,
        session: undefined,
        isExclusive,
        settle,
        fail,
      })
    );
  try {
    while (pool.pids.length < isolates) await new Promise((resolve) => setTimeout(resolve, 5));
    await body({ pool, sink, faults, mark, call });
  } finally {
    await pool.close();
  }
}

/** For calls that fill their heap: V8 struggles for long before it gives up. */
function withPatientPool(isolates: number, body: (harness: Harness) => Promise<void>) {
  return withPool(isolates, body, [], 30_000);
}

/** Process ids of the pool's isolates, those that only start included; `mark` is among their arguments. */
function processesOf(mark: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(mark);
    } catch {
      return false;
    }
  });
}

function message(outcome: CallOutcome): string {
  assert.equal(outcome.kind, "overrun");
  return outcome.kind === "overrun" ? outcome.message : "";
}

/** Which isolate ran it. */
function pidOf(outcome: CallOutcome): number {
  assert.ok(outcome.kind === "ran" && outcome.result.result.ok);
  return JSON.parse(outcome.result.result.value).pid;
}

const TIMED_OUT = "Function execution timed out (maximum duration: 400ms)";
const OUT_OF_MEMORY = "JavaScript execution ran out of memory (maximum memory usage: 64 MB)";

Deno.test("many calls of one turn all run, mutations in order in one chain", () =>
  withPool(1, async ({ call, sink }) => {
    const names = Array.from({ length: 200 }, (_, i) => `f${i}`);
    const outcomes = await Promise.all([
      ...names.map((name) => call("mutation", name)),
      ...names.map((name) => call("query", name)),
    ]);
    assert.ok(outcomes.every((outcome) => outcome.kind === "ran"));
    assert.deepEqual(sink.committed.map((t) => t.writes[0]!.id), names);
    assert.deepEqual(sink.committed.map((t) => t.chain!.seq), names.map((_, i) => i + 1));
  }));

Deno.test("after a refused member the rest of the chain runs again, and nothing twice", () =>
  withPool(2, async ({ call, sink }) => {
    sink.refuse.add("f3");
    const names = Array.from({ length: 10 }, (_, i) => `f${i}`);
    const outcomes = await Promise.all(names.map((name) => call("mutation", name)));
    const commits = await Promise.all(outcomes.map((o) => o.kind === "ran" ? o.commit : null));
    assert.deepEqual(
      commits.map((commit) => commit!.kind),
      names.map((name) => name === "f3" ? "conflict" : "committed"),
    );
    assert.deepEqual(
      sink.committed.map((t) => t.writes[0]!.id).sort(),
      names.filter((name) => name !== "f3"),
    );
  }));

Deno.test("an endless loop is found and stopped; calls beside it finish soon", () =>
  withPool(2, async ({ call }) => {
    let hasLoopEnded = false;
    const loop = call("mutation", "loop").finally(() => hasLoopEnded = true);
    const neighbours = Promise.all([
      ...Array.from({ length: 20 }, (_, i) => call("mutation", `n${i}`)),
      ...Array.from({ length: 20 }, (_, i) => call("query", `n${i}`)),
    ]);
    assert.ok((await neighbours).every((outcome) => outcome.kind === "ran"));
    assert.ok(!hasLoopEnded, "they waited for the loop");
    assert.equal(message(await loop), TIMED_OUT);
    assert.equal((await call("mutation", "after")).kind, "ran");
  }));

Deno.test("with one isolate, the calls behind an endless loop run once it is stopped", () =>
  withPool(1, async ({ call }) => {
    const outcomes = await Promise.all(["a", "loop", "b"].map((name) => call("query", name)));
    assert.deepEqual(outcomes.map((outcome) => outcome.kind), ["ran", "overrun", "ran"]);
  }));

for (const bomb of ["heap", "buffers"]) {
  Deno.test(`an isolate that dies of memory (${bomb}) takes only the culprit with it`, () =>
    withPatientPool(2, async ({ call, faults }) => {
      const calls = ["a", "b", bomb, "c", "d"].map((name) => call("mutation", name));
      const outcomes = await Promise.all(calls);
      assert.deepEqual(outcomes.map((o) => o.kind), ["ran", "ran", "overrun", "ran", "ran"]);
      assert.equal(message(outcomes[2]!), OUT_OF_MEMORY);
      for (const fault of faults) {
        assert.equal(fault, "an isolate ended (heap): its JavaScript heap was full");
      }
    }));
}

Deno.test("a call that finds no memory beside what others left behind gets an isolate of its own", () =>
  withPatientPool(1, async ({ call }) => {
    const first = await call("mutation", "keep", { kilobytes: 70_000 });
    const second = await call("mutation", "keep", { kilobytes: 70_000 });
    assert.notEqual(pidOf(second), pidOf(first));
  }));

Deno.test("a call whose nested call never ends runs again without it", () =>
  withPool(2, async ({ call, sink }) => {
    const neighbours = Array.from({ length: 5 }, (_, i) => call("mutation", `n${i}`));
    const outcomes = await Promise.all([call("mutation", "nest"), ...neighbours]);
    assert.deepEqual(outcomes.map(({ kind }) => kind), Array(6).fill("ran"));
    assert.equal(sink.committed.length, 6);
  }));

Deno.test("system time is not user time", () =>
  withPool(1, async ({ call }) => {
    assert.equal((await call("query", "system", { ms: 1_000 })).kind, "ran");
  }));

Deno.test("calls survive isolates killed from outside", () =>
  withPool(2, async ({ call, pool }) => {
    const spinning = [call("mutation", "spin", { ms: 150 }), call("query", "spin", { ms: 150 })];
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const pid of pool.pids) Deno.kill(pid, "SIGKILL");
    const outcomes = await Promise.all(spinning);
    assert.ok(outcomes.every((outcome) => outcome.kind === "ran"));
  }));

Deno.test("a call that crashes its isolate fails, its neighbours do not", () =>
  withPool(2, async ({ call }) => {
    const crash = assert.rejects(call("query", "crash"), /Your request couldn't be completed/);
    const neighbours = await Promise.all([call("query", "a"), call("query", "b")]);
    await crash;
    assert.ok(neighbours.every((outcome) => outcome.kind === "ran"));
  }));

Deno.test("a flood of slow queries does not hold mutations up", () =>
  withPool(2, async ({ call }) => {
    await call("query", "spin", { ms: 100 });
    let finished = 0;
    const flood = Array.from(
      { length: 12 },
      () => call("query", "spin", { ms: 100 }).then(() => finished++),
    );
    await Promise.all(Array.from({ length: 20 }, (_, i) => call("mutation", `f${i}`)));
    assert.ok(finished < 8, `${finished} queries were before them`);
    await Promise.all(flood);
  }));

Deno.test("one client's flood of slow queries holds up neither small nor slow ones of others", () =>
  withPool(1, async ({ call }) => {
    await call("query", "spin", { ms: 25 });
    const order: string[] = [];
    const query = (client: string, name: string, ms: number) =>
      call("query", name, { ms }, false, client).then(() => order.push(`${client} ${name}`));
    const flood = Array.from({ length: 6 }, () => query("flood", "spin", 25));
    await Promise.all([...flood, query("other", "small", 0), query("other", "spin", 25)]);
    assert.ok(order.indexOf("other small") <= 1, order.join(", "));
    assert.ok(order.indexOf("other spin") <= 3, order.join(", "));
  }));

Deno.test("with one isolate, a mutation waits for the endless query before it, not for all", () =>
  withPool(1, async ({ call }) => {
    const order: string[] = [];
    const note = (name: string, pending: Promise<CallOutcome>) =>
      pending.then((outcome) => {
        order.push(name);
        return outcome;
      });
    // Each is handed out before the next comes: the mutation is in the isolate, behind the first query.
    const calls: Promise<CallOutcome>[] = [];
    for (const [kind, name] of [["query", "loop"], ["mutation", "patient"]] as const) {
      calls.push(note(kind, call(kind, name)));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    // One only: nobody waits longer than five seconds.
    calls.push(note("query", call("query", "loop")));
    await Promise.all(calls);
    assert.deepEqual(order, ["query", "mutation", "query"]);
  }));

Deno.test("an exclusive mutation waits for those of other isolates and keeps new ones away", () =>
  withPool(2, async ({ call, sink }) => {
    await call("mutation", "spin", { ms: 40 });
    // Known to be slow, they do not travel together: one of them spills to the other isolate.
    const slow = [call("mutation", "spin", { ms: 40 }), call("mutation", "spin", { ms: 120 })];
    await new Promise((resolve) => setTimeout(resolve, 30));
    const exclusive = call("mutation", "exclusive", {}, true);
    const later = Array.from({ length: 5 }, (_, i) => call("mutation", `later${i}`));
    await Promise.all([...slow, exclusive, ...later]);
    const order = sink.committed.map((transaction) => transaction.writes[0]!.id);
    assert.deepEqual(order.slice(0, 4), ["spin", "spin", "spin", "exclusive"]);
    // It reads what the others have committed: its snapshot was opened after the last of them.
    assert.deepEqual(sink.flushedAfter, [3]);
  }));

Deno.test("isolates that never get ready are replaced, and who waits for it is served", () =>
  withPool(1, async ({ call, pool }) => {
    const [first] = pool.pids;
    const running = call("mutation", "spin", { ms: 100 });
    await new Promise((resolve) => setTimeout(resolve, 30));
    Deno.kill(first!, "SIGKILL");
    assert.equal((await running).kind, "ran");
    assert.notEqual(pool.pids[0], first);
  }, [2, 3]));

Deno.test("isolates that are killed while they start are replaced without delay", () =>
  withPool(1, async ({ call, pool, mark }) => {
    const start = performance.now();
    const running = call("mutation", "spin", { ms: 300 });
    for (let kills = 0; kills < 12;) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      for (const pid of processesOf(mark)) {
        Deno.kill(pid, "SIGKILL");
        kills++;
      }
    }
    const outcome = await running.catch((error: Error) => error.message);
    // Three of its isolates were killed, or it ran in the end.
    assert.ok(typeof outcome !== "string" || /couldn't be completed/.test(outcome));
    assert.equal((await call("mutation", "after")).kind, "ran");
    // With the pauses after failed starts it would take half a minute.
    assert.ok(performance.now() - start < 20_000, `${performance.now() - start} ms`);
    assert.equal(pool.pids.length, 1);
  }));

Deno.test("a stopped isolate takes nothing with it but the call that it is running", () =>
  withPool(2, async ({ call, pool }) => {
    const stopped = pool.pids[1]!;
    const running = call("query", "spin", { ms: 50 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    Deno.kill(stopped, "SIGSTOP");
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => call("query", `q${i}`)));
    }
    // Who waits for it waits until it is given up.
    assert.ok(pool.pids.includes(stopped));
    Deno.kill(stopped, "SIGCONT");
    assert.equal((await running).kind, "ran");
  }));

Deno.test("a call that has to run alone gets its turn, however busy the others keep the isolate", () =>
  withPool(1, async ({ call, pool }) => {
    pool.contention.conflict("m.js:hot", null, performance.now());
    let isOver = false;
    const clients = Array.from({ length: 200 }, async () => {
      while (!isOver) await call("mutation", "hot");
    });
    try {
      // Else it would be turned away.
      await assert.rejects(call("mutation", "crash"), /Your request couldn't be completed/);
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
  }));

Deno.test("a program that cannot start is an error at once", async () => {
  const start = Pool.start({
    isolates: 1,
    program: { entry: "/nonexistent.ts", readableFiles: [], allowNet: false, heapMebibytes: 96 },
    init: () => ({ type: "init" }) as never,
    nextIsolate: () => 1,
    sink: new FakeSink(),
    syscalls: new TransactionSyscalls(() => {}),
    limits: DEFAULT_RUNTIME_LIMITS,
    usage: new LimitUsage(),
    onFault: () => {},
  });
  await assert.rejects(start, /cannot start an isolate/);
});
