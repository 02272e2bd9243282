import assert from "node:assert/strict";
import { ActionPool } from "./action_pool.ts";
import type { InitFrame, RunCall } from "./frames.ts";
import { LimitUsage } from "./limit_usage.ts";
import { DEFAULT_RUNTIME_LIMITS } from "./limits.ts";
import type { ActionOutcome, LogLine } from "./types.ts";

interface Harness {
  readonly pool: ActionPool;
  run(name: string, onLog?: (line: LogLine) => void): Promise<ActionOutcome>;
}

const ACTION_TIME_MS = 2_000;

async function withPool(
  body: (harness: Harness) => Promise<void>,
  actionTimeMs: number = ACTION_TIME_MS,
  isolates = 2,
) {
  let lastIsolate = 0;
  let lastCall = 0;
  const pool = new ActionPool({
    isolates,
    program: {
      entry: new URL("./testdata/fake_isolate.ts", import.meta.url).pathname,
      readableFiles: ["/dev/null"],
      allowNet: true,
      heapMebibytes: 96,
    },
    init: (isolate) => ({ type: "init", isolate }) as InitFrame,
    nextIsolate: () => ++lastIsolate,
    dispatch: (name, args) => {
      assert.equal(name, "test/double");
      return Promise.resolve({ ok: true, value: String(2 * JSON.parse(args)) });
    },
    limits: { ...DEFAULT_RUNTIME_LIMITS, actionTimeMs },
    usage: new LimitUsage(),
    onFault: () => {},
  });
  const run: Harness["run"] = (name, onLog = () => {}) =>
    pool.run(
      {
        callId: ++lastCall,
        kind: "action",
        path: { component: "", module: "m.js", name },
        args: "[{}]",
      } as RunCall,
      onLog,
    );
  try {
    await body({ pool, run });
  } finally {
    await pool.close();
  }
}

Deno.test("actions run side by side, ask the host and log", () =>
  withPool(async ({ run }) => {
    const lines: LogLine[] = [];
    const [plain, asked] = await Promise.all([
      run("plain"),
      run("ask"),
      run("log", (line) => lines.push(line)),
    ]);
    assert.ok(plain.result.ok);
    assert.deepEqual(asked.result, { ok: true, value: '{"ok":true,"value":"42"}' });
    assert.deepEqual(lines.map((line) => line.messages), [["'hello'"]]);
  }));

Deno.test("an action out of time ends; the others go on", () =>
  withPool(async ({ run }) => {
    const never = run("never");
    assert.ok((await run("plain")).result.ok);
    assert.deepEqual((await never).result, {
      ok: false,
      error: { text: "Function execution timed out (maximum duration: 2s)\n" },
    });
    assert.ok((await run("plain")).result.ok);
  }));

Deno.test("an action that computes past its time does not hold up those that come later", () =>
  withPool(async ({ run }) => {
    const loops = await Promise.all([run("loop"), run("loop"), run("loop")]);
    for (const { result } of loops) assert.ok(!result.ok);
    assert.ok((await run("plain")).result.ok);
  }));

Deno.test("actions behind one that computes without pause run elsewhere", () =>
  withPool(
    async ({ run }) => {
      // It goes on until the pool ends.
      run("loop").catch(() => {});
      const behind = await Promise.all([run("plain"), run("ask")]);
      assert.ok(behind.every(({ result }) => result.ok));
    },
    DEFAULT_RUNTIME_LIMITS.actionTimeMs,
    1,
  ));

Deno.test("actions whose isolate runs out of memory fail, later ones get a new isolate", () =>
  withPool(async ({ run }) => {
    assert.deepEqual((await run("heap")).result, {
      ok: false,
      error: {
        text: "JavaScript execution ran out of memory (maximum memory usage: 64 MB)\n",
      },
    });
    await assert.rejects(run("crash"), /Your request couldn't be completed. Try again later./);
    assert.ok((await run("plain")).result.ok);
  }, DEFAULT_RUNTIME_LIMITS.actionTimeMs));

Deno.test("closing fails what runs", async () => {
  let running: Promise<unknown> = Promise.resolve();
  await withPool(async ({ run }) => {
    await run("plain");
    running = assert.rejects(run("never"), /shutting down/);
  });
  await running;
});
