import assert from "node:assert/strict";
import { Engine } from "../engine/engine.ts";
import { toNanos } from "../engine/timestamp.ts";
import { encodeValue } from "../engine/values/json.ts";
import type { PreparedModule } from "./frames.ts";
import { Runtime } from "./runtime.ts";
import { Turn } from "./turn.ts";
import type { FunctionCall, FunctionResult, Identity } from "./types.ts";

const FUNCTIONS = {
  Query: ["read", "loopQuery", "bomb"],
  Mutation: ["create", "increment", "fail", "spin", "loop", "stamp", "stampedAt"],
  Action: ["viaAction"],
};

const IMPORT_CONFIG = {
  serverVersion: "1.48.0",
  importPhaseRngSeed: btoa("\0".repeat(32)),
  importPhaseUnixTimestamp: 1,
};

interface Harness {
  readonly engine: Engine;
  readonly runtime: Runtime;
  mutation(name: string, args?: object): Promise<unknown>;
  query(name: string, args?: object): Promise<unknown>;
}

function functionCall(name: string, args: object = {}, identity?: Identity): FunctionCall {
  return {
    path: { component: "", module: "app.js", name },
    args: JSON.stringify([args]),
    context: {
      requestId: "0123456789abcdef",
      identity: identity ?? { kind: "anonymous" },
      caller: "Tester",
      visibility: "public",
      ip: null,
      userAgent: null,
    },
  };
}

/** The value of a result; its error is thrown. */
function valueOf(result: FunctionResult): unknown {
  if (!result.ok) throw new Error(result.error.text);
  return JSON.parse(result.value);
}

let preparedApp: PreparedModule | null = null;

async function prepareApp(runtime: Runtime): Promise<PreparedModule> {
  const source = Deno.readTextFileSync(new URL("./testdata/app.js", import.meta.url));
  const [module] = await runtime.analyze.prepare([{ path: "app.js", source }]);
  return module!;
}

async function push({ engine, runtime }: { engine: Engine; runtime: Runtime }) {
  const module = preparedApp ??= await prepareApp(runtime);
  const functions = Object.entries(FUNCTIONS).flatMap(([udfType, names]) =>
    names.map((name) => ({
      name,
      pos: null,
      udfType,
      visibility: { kind: "public" },
      args: '{"type":"any"}',
      returns: "null",
    }))
  );
  const analysis = { functions, httpRoutes: null, cronSpecs: null, sourceMapped: null };
  await engine.transact((tx) => {
    const { path, environment, hash, source, code, codeMap, sourceMap } = module;
    tx.table("modules").insert({
      component: "",
      path,
      environment,
      hash,
      analysis: JSON.stringify(analysis),
    });
    tx.table("moduleSources").insert({ hash, source, sourceMap, code, codeMap, imports: [] });
    tx.table("udfConfig").insert({
      component: "",
      serverVersion: "1.48.0",
      importPhaseRngSeed: btoa("\0".repeat(32)),
      importPhaseUnixTimestamp: 1,
    });
    tx.table("deployment").insert({ state: "running" });
  });
}

async function withRuntime(body: (harness: Harness) => Promise<void>) {
  const directory = await Deno.makeTempDir();
  const cursorKey = new Uint8Array(32);
  const engine = await Engine.open({ path: `${directory}/db.sqlite`, cursorKey });
  const runtime = await Runtime.start({
    engine,
    cursorKey,
    uploadKey: new Uint8Array(32),
    isolates: 2,
    actionIsolates: 1,
    deploymentName: "test",
    environment: () => ({}),
    cloudUrl: "http://127.0.0.1:3210",
    siteUrl: "http://127.0.0.1:3211",
    systemFunctions: {
      find: (module, name) =>
        module === "_system/cli/tables.js" && name === "default"
          ? { kind: "query", run: (tx, args) => [args, tx.table("modules").all().length] }
          : null,
    },
    onFault: () => {},
  });
  try {
    await push({ engine, runtime });
    await body({
      engine,
      runtime,
      mutation: async (name, args) =>
        valueOf((await runtime.runMutation(functionCall(name, args))).result),
      query: async (name, args) => {
        const ts = engine.committer.durable;
        return valueOf((await runtime.runQuery(functionCall(name, args), ts, null)).result);
      },
    });
  } finally {
    await runtime.close();
    await engine.close();
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a mutation's writes are seen by the query after it", () =>
  withRuntime(async ({ mutation, query }) => {
    const id = await mutation("create");
    assert.equal(await mutation("increment", { id }), 1);
    assert.equal(await query("read", { id }), 1);
    await assert.rejects(mutation("fail", { id }), /^Error: Uncaught Error: no\n/);
    assert.equal(await query("read", { id }), 1);
  }));

Deno.test("hundreds of increments of one counter at once: none is lost, none is refused", () =>
  withRuntime(async ({ mutation, query }) => {
    const id = await mutation("create");
    const values = await Promise.all(
      Array.from({ length: 300 }, () => mutation("increment", { id })),
    );
    assert.deepEqual(
      values.sort((a, b) => Number(a) - Number(b)),
      Array.from({ length: 300 }, (_, i) => i + 1),
    );
    assert.equal(await query("read", { id }), 300);
  }));

Deno.test("slow mutations that spill to other isolates conflict, run again and lose nothing", () =>
  withRuntime(async ({ mutation, query }) => {
    const id = await mutation("create");
    await Promise.all([
      ...Array.from({ length: 12 }, () => mutation("spin", { id, ms: 20 })),
      ...Array.from({ length: 60 }, () => mutation("increment", { id })),
    ]);
    assert.equal(await query("read", { id }), 72);
  }));

Deno.test("mutations on top of each other see commit timestamps, never their placeholders", () =>
  withRuntime(async ({ runtime, mutation }) => {
    const id = await mutation("create");
    const outcomes = await Promise.all(Array.from({ length: 30 }, async (_, i) => {
      const name = i % 3 === 2 ? "increment" : "stamp";
      return { name, ...await runtime.runMutation(functionCall(name, { id })) };
    }));
    const stamps = outcomes.filter(({ name }) => name === "stamp")
      .sort((a, b) => a.ts! - b.ts!);
    const seen = stamps.map(({ result }) => valueOf(result));
    const committed = stamps.map(({ ts }) => encodeValue(toNanos(ts!)));
    assert.deepEqual(seen, [null, ...committed.slice(0, -1)]);
  }));

Deno.test("a mutation returns the timestamp of its commit, also when the request is repeated", () =>
  withRuntime(async ({ runtime, mutation }) => {
    const call = functionCall("stampedAt", { id: await mutation("create") });
    const session = { sessionId: "s", requestId: 1 };
    const { result, ts } = await runtime.runMutation(call, session);
    assert.deepEqual(valueOf(result), [encodeValue(toNanos(ts!))]);
    assert.deepEqual((await runtime.runMutation(call, session)).result, result);
  }));

Deno.test("a long mutation is not starved by many short ones on the same document", () =>
  withRuntime(async ({ mutation, query }) => {
    const id = await mutation("create");
    let isLongDone = false;
    let short = 0;
    const pump = async () => {
      while (!isLongDone) {
        await mutation("increment", { id });
        short++;
      }
    };
    const pumps = Array.from({ length: 8 }, pump);
    try {
      for (let i = 0; i < 2; i++) await mutation("spin", { id, ms: 150 });
    } finally {
      isLongDone = true;
      await Promise.all(pumps);
    }
    assert.ok(short > 0);
    assert.equal(await query("read", { id }), short + 2);
  }));

Deno.test("the runtime knows how near functions came to their limits", () =>
  withRuntime(async ({ runtime, mutation }) => {
    const id = await mutation("create");
    await mutation("increment", { id });
    const { usage } = runtime;
    assert.equal(usage.highest("documentsWritten"), 1);
    assert.ok(usage.highest("argsBytes")! >= 32 && usage.highest("userTimeMs")! > 0);
    assert.ok(usage.highest("analysisTimeMs") === null || usage.highest("analysisTimeMs")! > 0);
    assert.equal(usage.highest("functionsScheduled"), null);
  }));

Deno.test("an isolate's conflict with a write of the server itself", () =>
  withRuntime(async ({ engine, mutation, query }) => {
    const id = await mutation("create") as string;
    const spinning = Array.from({ length: 5 }, () => mutation("spin", { id, ms: 30 }));
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await engine.transact((tx) => {
        const database = tx.database("");
        const { n } = JSON.parse(database.get({ id })!);
        database.patch(id, { n: n + 100 });
      });
    }
    await Promise.all(spinning);
    assert.equal(await query("read", { id }), 505);
  }));

Deno.test("a mutation that meets a conflict on every try says with what, and changes nothing", () =>
  withRuntime(async ({ engine, mutation, query }) => {
    const id = await mutation("create") as string;
    let isOver = false;
    const write = async () => {
      while (!isOver) {
        await engine.transact((tx) => void tx.database("").patch(id, { n: 7_000 }), "m.js:other");
        await engine.transact((tx) => void tx.database("").patch(id, { n: 8_000 }), "m.js:other");
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    const writing = write();
    try {
      await assert.rejects(mutation("spin", { id, ms: 60 }), {
        code: "OptimisticConcurrencyControlFailure",
        message: 'Documents read from or written to the "counters" table changed while this ' +
          "mutation was being run and on every subsequent retry. " +
          `A call to "m.js:other" changed the document with ID "${id}". ` +
          "See https://docs.convex.dev/error#1",
      });
    } finally {
      isOver = true;
      await writing;
    }
    assert.equal(await query("read", { id }), 8_000);
  }));

Deno.test("endless loops and memory bombs end with the platform's texts, others go on", () =>
  withRuntime(async ({ mutation, query }) => {
    const id = await mutation("create");
    const timedOut = /^Error: Function execution timed out \(maximum duration: 1s\)\n$/;
    const hostile = [
      assert.rejects(mutation("loop", { id }), timedOut),
      assert.rejects(
        query("bomb"),
        // A machine that is short of processors may run out of time first.
        /ran out of memory \(maximum memory usage: 64 MB\)\n$|timed out \(maximum duration: 1s\)\n$/,
      ),
    ];
    assert.equal(await mutation("increment", { id }), 1);
    await Promise.all(hostile);
    await assert.rejects(query("loopQuery"), timedOut);
    assert.equal(await query("read", { id }), 1);
  }));

Deno.test("mutations survive that their isolates are killed, exactly once", () =>
  withRuntime(async ({ runtime, mutation, query }) => {
    const id = await mutation("create");
    const running = Array.from({ length: 200 }, () => mutation("increment", { id }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const pid of runtime.isolatePids) Deno.kill(pid, "SIGKILL");
    await Promise.all(running);
    assert.equal(await query("read", { id }), 200);
  }));

Deno.test("a repeated request gets the recorded outcome", () =>
  withRuntime(async ({ runtime, mutation, query }) => {
    const id = await mutation("create");
    const session = { sessionId: "s", requestId: 1 };
    const call = functionCall("increment", { id });
    const [first, joined] = await Promise.all([
      runtime.runMutation(call, session),
      runtime.runMutation(call, session),
    ]);
    const later = await runtime.runMutation(call, session);
    assert.deepEqual([first.replayed, joined.replayed, later.replayed], [false, true, true]);
    assert.deepEqual([joined.ts, later.ts], [first.ts, first.ts]);
    assert.deepEqual(later.result, { ok: true, value: "1" });
    assert.equal(await query("read", { id }), 1);
  }));

Deno.test("mutations of one line keep their order, whatever conflicts and dies around them", () =>
  withRuntime(async ({ engine, runtime, mutation, query }) => {
    const id = await mutation("create");
    const other = await mutation("create");
    const order: number[] = [];
    const turns = Array.from({ length: 100 }, () => new Turn());
    turns[0]!.come();
    const line = Promise.all(turns.map(async (turn, i) => {
      // One that writes its commit's timestamp makes those behind it wait for the commit.
      const name = i % 50 === 49 ? "stamp" : "increment";
      const accepted = () => {
        if (order.includes(i)) return;
        order.push(i);
        turns[i + 1]?.come(turn.acceptedIn);
      };
      const call = functionCall(name, { id: i % 3 === 0 ? other : id });
      const outcome = await runtime.runMutation(call, undefined, accepted, turn);
      accepted();
      return outcome.ts!;
    }));
    const rivals = Promise.all(Array.from({ length: 10 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i));
      // Commits of the host conflict with whatever an isolate has run meanwhile.
      await engine.transact((tx) => {
        const [table] = tx.table("udfConfig").all();
        tx.table("udfConfig").patch(table!._id, { importPhaseUnixTimestamp: i + 2 });
      });
      await mutation("increment", { id });
    }));
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const pid of runtime.isolatePids) Deno.kill(pid, "SIGKILL");
    const [timestamps, { length: added }] = await Promise.all([line, rivals]);
    assert.deepEqual(order, turns.map((_, i) => i));
    assert.deepEqual(timestamps, timestamps.toSorted((a, b) => a - b));
    const counted = turns.filter((_, i) => i % 50 !== 49).length + added;
    const sum = await query("read", { id }) as number +
      (await query("read", { id: other }) as number);
    assert.equal(sum, counted);
  }));

Deno.test("an action calls mutations and queries", () =>
  withRuntime(async ({ runtime, mutation }) => {
    const id = await mutation("create");
    const { result } = await runtime.runAction(functionCall("viaAction", { id }));
    assert.deepEqual(valueOf(result), [1, 1]);
  }));

Deno.test("functions are found by kind; the server's own need an administrator", () =>
  withRuntime(async ({ engine, runtime }) => {
    const path = (name: string) => functionCall(name).path;
    assert.deepEqual(
      ["read", "create", "viaAction", "missing"].map((name) => runtime.kindOf(path(name))),
      ["query", "mutation", "action", null],
    );
    const system = (identity: Identity) => {
      const call = functionCall("default", { a: 1 }, identity);
      const at = { ...call, path: { ...call.path, module: "_system/cli/tables.js" } };
      return runtime.runQuery(at, engine.committer.durable, null);
    };
    assert.deepEqual(valueOf((await system({ kind: "admin" })).result), [{ a: 1 }, 1]);
    assert.deepEqual((await system({ kind: "anonymous" })).result, {
      ok: false,
      error: { text: "Could not find public function for '_system/cli/tables'.\n" },
    });
  }));

Deno.test("pushed modules are analysed, and what fails is told in the platform's words", () =>
  withRuntime(async ({ runtime }) => {
    const analyze = async (source: string) =>
      runtime.analyze.analyzeModules(
        await runtime.analyze.prepare([{ path: "m.js", source }]),
        {},
        IMPORT_CONFIG,
      );
    const source = Deno.readTextFileSync(new URL("./testdata/app.js", import.meta.url));
    const { functions } = (await analyze(source))["m.js"]!;
    const expected = Object.entries(FUNCTIONS).flatMap(([udfType, names]) =>
      names.map((name) => `${udfType} ${name}`)
    );
    assert.deepEqual(
      functions.map(({ udfType, name }) => `${udfType} ${name}`).sort(),
      expected.sort(),
    );
    await assert.rejects(analyze(`throw new Error("boom");`), {
      code: "InvalidModules",
      message:
        /^Loading the pushed .*\n {4}error:\nFailed to analyze m\.js: Uncaught Error: boom\n/,
    });
    // The isolate of the failure serves the next push.
    assert.deepEqual((await analyze("export const x = 1;"))["m.js"]!.functions, []);
  }));

Deno.test("many modules that each need much memory are analysed one after another", () =>
  withRuntime(async ({ runtime }) => {
    const pushed = Array.from({ length: 16 }, (_, i) => ({
      path: `m${i}.js`,
      source: `const table = new Array(6_000_000).fill(0.5 + ${i});
        export const size = () => table.length;`,
    }));
    const modules = await runtime.analyze.prepare(pushed);
    const analysed = await runtime.analyze.analyzeModules(modules, null, IMPORT_CONFIG);
    assert.equal(Object.keys(analysed).length, pushed.length);
  }));
