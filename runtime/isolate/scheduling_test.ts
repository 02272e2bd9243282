import assert from "node:assert/strict";
import { asJob } from "../../engine/scheduled_jobs.ts";
import { Sandbox } from "../../engine/testing/sandbox.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { Json, JsonObject } from "../../engine/values/value.ts";
import type { AnalyzedFunction } from "../frames.ts";
import { cancelScheduled, scheduleFunction, type SchedulingContext } from "./scheduling.ts";

const FUNCTION = { name: "send", udfType: "Mutation" } as unknown as AnalyzedFunction;
const FIVE_YEARS_SECONDS = 5 * 366 * 86_400;

function context(tx: Transaction, more: Partial<SchedulingContext> = {}): SchedulingContext {
  return {
    tx,
    code: {
      module: (_component, path) =>
        path === "mail/out.js" ? { functions: new Map([["send", FUNCTION]]) } : null,
      childComponent: () => null,
      componentPath: (id) => id,
      handleTarget: (id) =>
        id === "h1" ? { component: "", module: "mail/out.js", name: "send" } : null,
    },
    component: "",
    parent: undefined,
    warn: () => {},
    ...more,
  };
}

const now = (tx: Transaction) => tx.nowMs / 1000;

Deno.test("a job keeps the canonical name, the arguments and the time that was asked for", () => {
  const sandbox = new Sandbox();
  sandbox.write((tx) => {
    const calls: JsonObject[] = [
      { name: "mail/out:send", args: { to: { $integer: "AQAAAAAAAAA=" } }, ts: now(tx) + 60 },
      { name: "mail/out.js:send", args: {}, ts: now(tx) - 60 },
      { functionHandle: "function://h1#x", args: {}, ts: now(tx) },
    ];
    const ids = calls.map((args) => scheduleFunction(args, context(tx)));
    const [later, past, handle] = ids.map((id) => asJob(tx.table("scheduledJobs").get(id)!));
    assert.equal(later!.name, "mail/out.js:send");
    assert.equal(later!.args, '[{"to":{"$integer":"AQAAAAAAAAA="}}]');
    assert.ok(Math.abs(later!.due! - tx.nowMs - 60_000) < 0.01);
    assert.equal(later!.due, later!.scheduledTime);
    assert.equal(past!.due, tx.nowMs);
    assert.ok(Math.abs(past!.scheduledTime - tx.nowMs + 60_000) < 0.01);
    assert.equal(handle!.name, "mail/out.js:send");
    assert.deepEqual(later!.state, { kind: "pending" });
  });
});

Deno.test("what cannot be scheduled is refused in the platform's words", () => {
  const sandbox = new Sandbox();
  const target = { name: "mail/out:send", args: {} };
  const tooBig = "Invalid arguments for `ts`: cannot convert float seconds to Duration: value is " +
    "either too big or NaN";
  const refused: [string, (tx: Transaction) => JsonObject, string | RegExp][] = [
    ["no time", () => target, tooBig],
    ["a time that is NaN", () => ({ ...target, ts: null }), tooBig],
    ["a time that is text", () => ({ ...target, ts: "12" }), tooBig],
    ["an enormous time", () => ({ ...target, ts: 1e300 }), tooBig],
    [
      "a negative time",
      () => ({ ...target, ts: -1 }),
      "Invalid arguments for `ts`: cannot convert float seconds to Duration: value is negative",
    ],
    [
      "the far future",
      (tx) => ({ ...target, ts: now(tx) + FIVE_YEARS_SECONDS + 1 }),
      /^UnixTimestamp\(.*s\) is more than 5 years in the future$/,
    ],
    [
      "the far past",
      (tx) => ({ ...target, ts: now(tx) - FIVE_YEARS_SECONDS - 1 }),
      /^UnixTimestamp\(.*s\) is more than 5 years in the past$/,
    ],
    [
      "no function",
      (tx) => ({ args: {}, ts: now(tx) }),
      "Invalid arguments for `scheduler`: Missing required argument 'name'",
    ],
    [
      "a missing module",
      (tx) => ({ name: "gone:send", args: {}, ts: now(tx) }),
      "Attempted to schedule function at nonexistent path: gone.js",
    ],
    [
      "a missing export",
      (tx) => ({ name: "mail/out:sent", args: {}, ts: now(tx) }),
      "Attempted to schedule function, but no exported function sent found in the file: " +
      "mail/out.js. Did you forget to export it?",
    ],
    [
      "a function of the server's",
      (tx) => ({ name: "_system/cli/tables:default", args: {}, ts: now(tx) }),
      /nonexistent path/,
    ],
    ["a bad path", (tx) => ({ name: "../x:send", args: {}, ts: now(tx) }), /not a valid path/],
    [
      "an unknown handle",
      (tx) => ({ functionHandle: "function://h2", args: {}, ts: now(tx) }),
      "Function handle not found",
    ],
    ["arguments that are no value", (tx) => ({ ...target, args: { $x: 1 }, ts: now(tx) }), /\$x/],
  ];
  for (const [what, args, message] of refused) {
    sandbox.read((tx) => {
      assert.throws(() => scheduleFunction(args(tx), context(tx)), { message }, what);
      assert.equal(tx.usage.functionsScheduled, 0, what);
      assert.deepEqual(tx.finish().writes, [], what);
    });
  }
});

Deno.test("one transaction schedules so much and no more", () => {
  const sandbox = new Sandbox();
  const limits = { functionsScheduled: 2, scheduledArgsBytes: 100 };
  const send = (tx: Transaction, args: Json) =>
    scheduleFunction({ name: "mail/out:send", ts: now(tx), args }, context(tx));
  sandbox.read((tx) => {
    send(tx, {});
    assert.throws(() => send(tx, { text: "x".repeat(100) }), {
      message: "Too large total size of the arguments of scheduled functions from this mutation " +
        "(limit: 100 bytes)",
    });
    send(tx, {});
    assert.throws(() => send(tx, {}), {
      message: "Too many functions scheduled by this mutation (limit: 2)",
    });
  }, { limits });
});

Deno.test("large arguments of one job are warned of", () => {
  const sandbox = new Sandbox();
  const warnings: string[] = [];
  sandbox.read((tx) => {
    const warn = (message: string) => void warnings.push(message);
    for (const mebibytes of [3, 3.5, 5]) {
      const args = { text: "x".repeat(mebibytes * 2 ** 20) };
      scheduleFunction({ name: "mail/out:send", ts: now(tx), args }, context(tx, { warn }));
    }
  });
  assert.equal(warnings.length, 2);
  assert.match(
    warnings[0]!,
    /^Large arguments for a single scheduled function .* 4194304 bytes\)\.$/,
  );
  assert.match(warnings[1]!, /This will become a hard error in the future\.$/);
});

Deno.test("children of a cancelled job are born cancelled", () => {
  const sandbox = new Sandbox();
  sandbox.write((tx) => {
    const args = { name: "mail/out:send", args: {}, ts: now(tx) + 60 };
    const parent = { component: "", id: scheduleFunction(args, context(tx)) };
    const child = () =>
      asJob(
        tx.table("scheduledJobs").get(
          scheduleFunction(args, context(tx, { parent })),
        )!,
      );
    assert.equal(child().state.kind, "pending");
    cancelScheduled(tx, "", parent.id);
    const { state, due, scheduledTime, completedTime } = child();
    assert.deepEqual({ state, due, scheduledTime, completedTime }, {
      state: { kind: "canceled" },
      due: null,
      scheduledTime: tx.nowMs,
      completedTime: tx.nowMs,
    });
  });
});

Deno.test("only ids of scheduled functions can be cancelled", () => {
  const sandbox = new Sandbox();
  const user = sandbox.write((tx) => tx.database("").insert("messages", {}));
  sandbox.read((tx) => {
    const job = scheduleFunction(
      { name: "mail/out:send", args: {}, ts: now(tx) },
      context(tx),
    );
    cancelScheduled(tx, "", job);
    cancelScheduled(tx, "", job);
    tx.table("scheduledJobs").remove(job);
    cancelScheduled(tx, "", job);
    assert.throws(() => cancelScheduled(tx, "", user), {
      message: "Invalid scheduled function ID. The ID must be an ID on the " +
        "'_scheduled_functions' table.",
    });
    for (const id of ["", "x", `${job}0`, null, 7, undefined]) {
      assert.throws(() => cancelScheduled(tx, "", id), {
        message: /^Invalid argument `id` for `db\.cancel_job`: Unable to decode ID/,
      });
    }
  });
});
