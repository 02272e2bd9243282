// Whatever call below the engine fails, the engine says so or goes on as if nothing had happened. It
// never gives a wrong answer, never forgets what it acknowledged, and opens again.

import assert from "node:assert/strict";
import { checkDatabase } from "./check.ts";
import { Engine } from "./engine.ts";
import { finishIndexes, prepareIndexes } from "./index_lifecycle.ts";
import { activateSchema, schemaStatus, submitSchema } from "./schema_lifecycle.ts";
import { type FaultKind, FaultyStorage } from "./testing/faulty_storage.ts";
import type { Timestamp } from "./timestamp.ts";
import type { Transaction } from "./transaction.ts";
import { parseSchema } from "./values/schema.ts";
import type { Json } from "./values/value.ts";

/** How many of the calls fail, each in a run of its own, spread over all of them. */
const RUNS = 60;
const PAIRS = 6;
const TIMEOUT_MS = 10_000;

const SCHEMA = parseSchema(JSON.stringify({
  tables: [{
    tableName: "pairs",
    indexes: [{ indexDescriptor: "by_n", fields: ["n"] }],
    documentType: { type: "any" },
  }],
  schemaValidation: true,
}));

interface Pair {
  readonly n: number;
  readonly half: string;
}

/** What is known to be in the database, and what may be. */
class Expectation {
  readonly acknowledged = new Set<number>();
  readonly attempted = new Set<number>();
  isPushed = false;

  /** @throws AssertionError when the answer cannot be right */
  check(pairs: readonly Pair[]): void {
    const halves = new Map<number, string[]>();
    for (const { n, half } of pairs) halves.set(n, [...(halves.get(n) ?? []), half]);
    for (const [n, found] of halves) {
      assert.deepEqual(found.sort(), ["a", "b"], `pair ${n} is there in part`);
      assert.ok(this.attempted.has(n), `pair ${n} was never written`);
    }
    for (const n of this.acknowledged) assert.ok(halves.has(n), `pair ${n} is gone`);
  }
}

Deno.test("the scenario works without faults", async () => {
  const { calls, failures } = await runWithFault(0, "before");
  assert.deepEqual(failures, []);
  assert.ok(calls > RUNS);
});

for (const kind of ["before", "after", "rollback"] as const) {
  Deno.test(`a call that fails (${kind}) ends in an error or a clean restart`, async () => {
    const { error } = console;
    // Background work reports there that the disk has failed.
    console.error = () => {};
    try {
      const { calls } = await runWithFault(0, kind);
      const start = 1 + Math.floor(Math.random() * calls / RUNS);
      for (let failAt = start; failAt <= calls; failAt += Math.max(1, Math.floor(calls / RUNS))) {
        try {
          await runWithFault(failAt, kind);
        } catch (cause) {
          throw new Error(`with call ${failAt} failing: ${(cause as Error).stack}`, { cause });
        }
      }
    } finally {
      console.error = error;
    }
  });
}

/** Goes through the scenario with a fault, opens the database again, and compares. */
async function runWithFault(
  failAt: number,
  kind: FaultKind,
): Promise<{ calls: number; failures: unknown[] }> {
  const directory = await Deno.makeTempDir({ prefix: "concave-faults-" });
  const path = `${directory}/db.sqlite`;
  const expectation = new Expectation();
  const failures: unknown[] = [];
  const storage = new FaultyStorage(failAt, kind);
  try {
    await inTime(scenario(path, storage, expectation, failures));
  } finally {
    storage.remove();
  }
  const { calls } = storage;
  await inTime(verify(path, expectation));
  await Deno.remove(directory, { recursive: true });
  return { calls, failures };
}

/** Each step may fail; the next one is tried all the same. */
async function scenario(
  path: string,
  storage: FaultyStorage,
  expectation: Expectation,
  failures: unknown[],
): Promise<void> {
  let now = 1_700_000_000_000;
  const attempt = async (body: () => unknown) => {
    try {
      return await body();
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      assert.ok(storage.hasFailed, `no fault explains ${(error as Error).stack}`);
      failures.push(error);
    }
  };
  let opened: Engine | undefined;
  await attempt(async () => opened = await openEngine(path, () => now, storage));
  if (opened === undefined) return;
  const engine: Engine = opened;
  let isFatal = false;
  engine.onFatal(() => isFatal = true);
  const readAt: Timestamp[] = [];
  for (let n = 0; n < PAIRS; n++) {
    await attempt(() => writePair(engine, n, expectation));
    await attempt(() => expectation.check(readPairs(engine)));
    readAt.push(engine.committer.durable);
    now += 1000;
  }
  await attempt(async () => {
    const id = await startPush(engine);
    await writePair(engine, PAIRS, expectation);
    await engine.backgroundIdle();
    if (schemaStatus(engine, { "": id }).type !== "complete") return;
    await finishPush(engine, id);
    expectation.isPushed = true;
  });
  if (expectation.isPushed) {
    await attempt(() => {
      const found = readPairs(engine, "pairs.by_n");
      expectation.check(found);
      assert.deepEqual(found.map(({ n }) => n), found.map(({ n }) => n).sort((a, b) => a - b));
    });
  }
  for (const [n, ts] of readAt.entries()) {
    await attempt(() => {
      const pairs = readPairs(engine, null, ts);
      // Everything acknowledged by then, nothing from later.
      assert.ok(pairs.every((pair) => pair.n <= n), "an older timestamp shows what came later");
      assert.equal(pairs.length % 2, 0, "an older timestamp shows half a pair");
    });
  }
  now += 3_600_000;
  await attempt(() => engine.housekeeping());
  const before = failures.length;
  const wasBroken = storage.hasFailed;
  await attempt(() => writePair(engine, PAIRS + 1, expectation));
  await attempt(() => expectation.check(readPairs(engine)));
  // A database that did not give up has got over the fault.
  const failsOnlyNow = !wasBroken;
  assert.ok(
    isFatal || failsOnlyNow || failures.length === before,
    `it goes on failing: ${failures}`,
  );
  await attempt(() => engine.close());
  // The process ends now, and with it its locks.
  await engine.close().catch(() => {});
}

/** Without faults again: all is there, and nothing in the way of going on. */
async function verify(path: string, expectation: Expectation): Promise<void> {
  const engine = await openEngine(path, () => 1_700_010_000_000);
  try {
    expectation.check(readPairs(engine));
    await engine.backgroundIdle();
    const id = await startPush(engine);
    await engine.backgroundIdle();
    assert.equal(schemaStatus(engine, { "": id }).type, "complete");
    await finishPush(engine, id);
    expectation.check(readPairs(engine, "pairs.by_n"));
    await writePair(engine, PAIRS + 2, expectation);
    expectation.check(readPairs(engine, "pairs.by_n"));
  } finally {
    await engine.close();
  }
  assert.deepEqual([...checkDatabase(path)], []);
}

function openEngine(path: string, clock: () => number, storage?: FaultyStorage): Promise<Engine> {
  return Engine.open({ path, cursorKey: new Uint8Array(32), clock, disk: storage?.disk });
}

async function writePair(engine: Engine, n: number, expectation: Expectation): Promise<void> {
  expectation.attempted.add(n);
  await engine.transact((tx) => {
    tx.database("").insert("pairs", { n, half: "a" });
    tx.database("").insert("pairs", { n, half: "b" });
  });
  expectation.acknowledged.add(n);
}

function readPairs(engine: Engine, index: string | null = null, ts?: Timestamp): Pair[] {
  const source: Json = index === null
    ? { type: "FullTableScan", tableName: "pairs", order: "asc" }
    : { type: "IndexRange", indexName: index, range: [], order: "asc" };
  return engine.read((tx: Transaction) => {
    const stream = tx.database("").startQuery({ source, operators: [] });
    const pairs: Pair[] = [];
    for (let json = stream.next(); json !== null; json = stream.next()) {
      pairs.push(JSON.parse(json));
    }
    return pairs;
  }, ts).value;
}

async function startPush(engine: Engine): Promise<string> {
  const { value } = await engine.transact((tx) => {
    prepareIndexes(tx, "", SCHEMA);
    return submitSchema(tx, "", SCHEMA)!;
  });
  return value;
}

async function finishPush(engine: Engine, id: string): Promise<void> {
  await engine.transact((tx) => {
    activateSchema(tx, "", id);
    finishIndexes(tx, "", SCHEMA);
  });
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it hangs")), TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

Deno.test("a file that ends too early is an error, never a wrong answer", async () => {
  const directory = await Deno.makeTempDir({ prefix: "concave-faults-" });
  const whole = `${directory}/whole.sqlite`;
  const expectation = new Expectation();
  const engine = await openEngine(whole, () => 1_700_000_000_000);
  for (let n = 0; n < 200; n++) await writePair(engine, n, expectation);
  await engine.close();
  const bytes = await Deno.readFile(whole);
  for (let part = 0; part < 20; part++) {
    const path = `${directory}/${part}.sqlite`;
    await Deno.writeFile(path, bytes.subarray(0, Math.floor(bytes.length * part / 20)));
    let pairs: Pair[];
    try {
      const engine = await openEngine(path, () => 1_700_000_000_000);
      try {
        pairs = readPairs(engine);
      } finally {
        await engine.close().catch(() => {});
      }
    } catch {
      continue;
    }
    // An empty file is a new database.
    if (part > 0) expectation.check(pairs);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test({
  name: "a full disk ends the process with a clear error, and nothing is lost",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const directory = await Deno.makeTempDir({ prefix: "concave-faults-" });
    const path = `${directory}/db.sqlite`;
    const child = new URL("./testing/crash_child.ts", import.meta.url).pathname;
    const limitBlocks = 400 + Math.floor(Math.random() * 2000);
    // Writes beyond the limit fail, as they do on a full disk, once its signal is ignored.
    const script = `trap '' XFSZ; ulimit -f ${limitBlocks}; exec "$0" "$@"`;
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", script, Deno.execPath(), "run", "-A", "--no-check", child, path],
    }).output();
    assert.notEqual(code, 0);
    assert.match(new TextDecoder().decode(stderr), /The database cannot be written any more: /);
    const lines = new TextDecoder().decode(stdout).split("\n").slice(0, -1);
    assert.ok(lines.length > 0, "something was written before the disk was full");
    const engine = await openEngine(path, Date.now);
    const pairs = readPairs(engine);
    await engine.close();
    const halves = Map.groupBy(pairs, ({ n }) => n);
    for (const line of lines) assert.equal(halves.get(Number(line))?.length, 2, line);
    for (const [n, both] of halves) assert.equal(both.length, 2, `pair ${n} is there in part`);
    assert.deepEqual([...checkDatabase(path)], []);
    await Deno.remove(directory, { recursive: true });
  },
});
