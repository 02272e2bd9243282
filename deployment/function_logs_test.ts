import assert from "node:assert/strict";
import {
  type CompletionEntry,
  FunctionLogs,
  LOG_BYTES_MAX,
  type ProgressEntry,
} from "./function_logs.ts";

const execution = {
  kind: "mutation",
  componentPath: null,
  requestId: "0123456789abcdef",
  executionId: "e",
  startedAt: 1000,
} as const;

function completion(identifier: string): CompletionEntry {
  return {
    ...execution,
    type: "completion",
    environment: "isolate",
    identifier,
    caller: "HttpApi",
    parentExecutionId: null,
    identity: "anonymous",
    duration: 1,
    error: null,
    logLines: [],
    stats: {
      executionMs: 1,
      documentsRead: 0,
      bytesRead: 0,
      documentsWritten: 0,
      bytesWritten: 0,
    },
    httpStatus: null,
    isCached: false,
    conflict: null,
    returnBytes: 4,
  };
}

function progress(identifier: string): ProgressEntry {
  return { ...execution, type: "progress", identifier, logLines: [] };
}

Deno.test("entries of the same moment get strictly increasing times", async () => {
  const logs = new FunctionLogs();
  for (const name of ["a", "b", "c"]) logs.add(completion(name), 5000);
  const page = await logs.poll(0);
  assert.deepEqual(page.entries.map(({ entry }) => entry.identifier), ["a", "b", "c"]);
  const times = page.entries.map(({ time }) => time);
  assert.ok(times[0]! < times[1]! && times[1]! < times[2]!);
  assert.equal(page.newCursor, times[2]);
  assert.deepEqual(logs.after(times[0]!).map(({ entry }) => entry.identifier), ["b", "c"]);
});

Deno.test("a poll at the end waits for the next entry", async () => {
  const logs = new FunctionLogs();
  logs.add(completion("a"), 1000);
  const poll = logs.poll(1000);
  logs.add(progress("b"), 2000);
  assert.deepEqual((await poll).entries.map(({ entry }) => entry.identifier), ["b"]);
});

Deno.test("a closed log answers with an empty page and the old cursor", async () => {
  const logs = new FunctionLogs();
  const poll = logs.poll(7);
  logs.close();
  assert.deepEqual(await poll, { entries: [], newCursor: 7 });
  assert.deepEqual(await logs.poll(7), { entries: [], newCursor: 7 });
});

Deno.test("only the newest completions are kept, with the progress between them", async () => {
  const logs = new FunctionLogs();
  for (let i = 0; i < 1500; i++) {
    logs.add(progress(`p${i}`), i);
    logs.add(completion(`c${i}`), i);
  }
  const { entries } = await logs.poll(0);
  const completions = entries.filter(({ entry }) => entry.type === "completion");
  assert.equal(completions.length, 1000);
  assert.equal(completions[0]!.entry.identifier, "c500");
  assert.equal(entries.at(-1)!.entry.identifier, "c1499");
});

Deno.test("long lines make room for fewer entries; the newest is always there", () => {
  const logs = new FunctionLogs();
  const messages = ["x".repeat(LOG_BYTES_MAX / 64)];
  const logLines = [{ messages, level: "LOG", timestamp: 1, isTruncated: false } as const];
  for (let i = 0; i < 100; i++) logs.add({ ...completion(`long${i}`), logLines }, 1000 + i);
  const kept = logs.after(0).map(({ entry }) => entry.identifier);
  assert.equal(kept.at(-1), "long99");
  assert.ok(kept.length >= 30 && kept.length < 32, `${kept.length} entries`);
  const all = { ...completion("huge"), logLines: new Array(100).fill(logLines[0]) };
  logs.add(all, 2000);
  assert.deepEqual(logs.after(0).map(({ entry }) => entry.identifier), ["huge"]);
  logs.add(completion("small"), 3000);
  assert.deepEqual(logs.after(0).map(({ entry }) => entry.identifier), ["small"]);
});
