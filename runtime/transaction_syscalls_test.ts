import assert from "node:assert/strict";
import { userError } from "../engine/errors.ts";
import type { CommitResult } from "../engine/types.ts";
import { CallEnd, type PendingCall } from "./call_queue.ts";
import { DEFAULT_RUNTIME_LIMITS } from "./limits.ts";
import { TransactionSyscalls } from "./transaction_syscalls.ts";

function ask(
  syscalls: TransactionSyscalls,
  name: string,
  pending: object | undefined,
  args = "{}",
) {
  const frame = { type: "syscall", callId: 1, opId: 1, name, args } as const;
  const limits = { ...DEFAULT_RUNTIME_LIMITS, systemTimeMs: 50 };
  return syscalls.answer(frame, new Uint8Array([1, 2]), pending as PendingCall | undefined, limits);
}

Deno.test("a mutation gets the answer of the room above, or is told why there is none", async () => {
  const faults: string[] = [];
  const syscalls = new TransactionSyscalls((message) => faults.push(message));
  const pending = { end: new CallEnd() };
  syscalls.register("sum", ({ args, bytes }) => {
    const value = JSON.stringify((args.n as number) + bytes.length);
    return Promise.resolve({ value, bytes });
  });
  syscalls.register("refuse", () => Promise.reject(userError("Refused", "not like this")));
  syscalls.register("fail", () => Promise.reject(new Error("the disk is gone")));
  syscalls.register("hang", () => new Promise(() => {}));

  const reply = await ask(syscalls, "sum", pending, '{"n":40}');
  assert.deepEqual(reply, { result: { ok: true, value: "42" }, bytes: new Uint8Array([1, 2]) });
  const message = async (name: string, call: object | undefined = pending, args?: string) => {
    const { result } = await ask(syscalls, name, call, args);
    return result.ok ? "answered" : result.message;
  };
  const failure = "Your request couldn't be completed. Try again later.";
  assert.equal(await message("refuse"), "not like this");
  assert.equal(await message("nothing"), "Unknown async operation nothing");
  assert.equal(
    await message("hang"),
    "Your request timed out performing too many system operations.",
  );
  assert.deepEqual(faults, []);
  // The details are for the operator.
  assert.equal(await message("fail"), failure);
  assert.equal(await message("sum", pending, "no json"), failure);
  assert.match(faults[0]!, /syscall fail failed: Error: the disk is gone/);
  assert.equal(faults.length, 2);
  const { result } = await ask(syscalls, "sum", undefined);
  assert.equal(result.ok, false);
});

Deno.test("what waits for the end of a call hears of it once, however it ends", async () => {
  const heard: string[] = [];
  const say = (what: string) => () => void heard.push(what);
  const failed = new CallEnd();
  failed.whenDecided(say("early"));
  assert.equal(heard.length, 0);
  failed.settle(null);
  failed.whenDecided(say("late"));
  assert.deepEqual(heard, ["early", "late"]);

  const committed = new CallEnd();
  let commit!: (result: CommitResult) => void;
  committed.whenDecided(say("before the commit"));
  const commits = new Promise<CommitResult>((resolve) => commit = resolve);
  committed.settle(commits);
  committed.whenDecided(say("while it commits"));
  await Promise.resolve();
  assert.equal(heard.length, 2);
  commit({ kind: "committed", ts: 1 as never });
  await commits;
  await Promise.resolve();
  assert.deepEqual(heard.slice(2), ["before the commit", "while it commits"]);

  // Nobody knows whether it is committed.
  const undecided = new CallEnd();
  undecided.whenDecided(say("never"));
  undecided.settle(Promise.reject(new Error("the disk is gone")));
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(heard.length, 4);
});
