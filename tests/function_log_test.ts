// The log of executions as the CLI and dashboards read it: what an entry holds for each kind of function
// and caller, cursors, long polls, the entries of one request of a client.
import assert from "node:assert/strict";
import {
  action,
  asAdmin,
  httpClient,
  LiveClient,
  mutation,
  post,
  query,
} from "./harness/clients.ts";
import type { LogEntry } from "./harness/function_log.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";
import { setVariables } from "./harness/variables.ts";

interface Page {
  readonly entries: readonly LogEntry[];
  readonly newCursor: number;
}

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/conformance");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

/** One poll; waits for an entry if there is none after the cursor. */
async function poll(
  cursor: number,
  search = "",
  path = "stream_function_logs",
  client = "npm-cli-1.48.0",
): Promise<Page> {
  const response = await fetch(`${server.url}/api/${path}?cursor=${cursor}${search}`, {
    headers: { authorization: `Convex ${server.adminKey}`, "convex-client": client },
  });
  assert.equal(response.status, 200);
  return await response.json();
}

/** The entries of what `work` does, from the end of the log on. */
async function entriesOf(work: () => Promise<unknown>): Promise<Page["entries"]> {
  await post(`${server.url}/api/query`, { path: "logging:formats", args: {} });
  const { newCursor } = await poll(0);
  await work();
  return (await poll(newCursor)).entries;
}

Deno.test("a completion has every field", async () => {
  const requestId = "0123456789abcdef";
  const [entry, ...others] = await entriesOf(() =>
    post(`${server.url}/api/mutation`, { path: "limits:write", args: { n: 2, bytes: 10 } }, {
      "convex-request-id": requestId,
    })
  );
  assert.deepEqual(others, []);
  const { timestamp, executionTimestamp, executionTime, userExecutionTime, ...rest } = entry!;
  const { executionId, usageStats, returnBytes, ...fields } = rest;
  assert.deepEqual(fields, {
    kind: "Completion",
    udfType: "Mutation",
    componentPath: null,
    identifier: "limits:write",
    logLines: [],
    caller: "HttpApi",
    success: null,
    error: null,
    requestId,
    parentExecutionId: null,
    cachedResult: false,
    willRetry: false,
    occInfo: null,
    identityType: "unknown",
    environment: "isolate",
  });
  assert.match(
    executionId,
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.ok(Math.abs(Number(timestamp) * 1000 - Date.now()) < 60_000, "seconds");
  assert.ok(Number(executionTimestamp) <= Number(timestamp));
  assert.ok(Number(executionTime) >= 0 && Number(userExecutionTime) >= 0);
  assert.equal(typeof returnBytes, "number");
  const stats = usageStats as Record<string, number>;
  assert.equal(stats.databaseWriteDocuments, 2);
  assert.ok(stats.databaseWriteBytes! > 20);
  assert.deepEqual(Object.keys(stats).sort(), [
    "databaseIoReadBytes",
    "databaseIoWriteBytes",
    "databaseReadBytes",
    "databaseReadDocuments",
    "databaseWriteBytes",
    "databaseWriteDocuments",
    "memoryUsedMb",
    "networkEgressBytes",
    "storageReadBytes",
    "storageWriteBytes",
    "textIndexQueryBytes",
    "textIndexWriteQueryBytes",
    "vectorIndexReadBytes",
    "vectorIndexReadQueryBytes",
    "vectorIndexWriteBytes",
    "vectorIndexWriteQueryBytes",
  ]);
});

Deno.test("lines are objects for the CLI and the dashboard, strings for everybody else", async () => {
  const path = "logging:failing";
  const [entry] = await entriesOf(() => post(`${server.url}/api/query`, { path, args: {} }));
  assert.equal(entry!.error!.split("\n")[0], "Uncaught Error: with a line");
  const [line, ...others] = entry!.logLines as unknown as Record<string, unknown>[];
  assert.deepEqual(others, []);
  const { timestamp, ...fields } = line!;
  assert.deepEqual(fields, {
    messages: ["'before the error'"],
    isTruncated: false,
    level: "LOG",
    systemMetadata: null,
  });
  assert.ok(Number.isInteger(timestamp));
  for (const client of ["npm-1.48.0", "python-0.7.0"]) {
    const { entries } = await poll(0, "", "stream_function_logs", client);
    assert.deepEqual(entries.at(-1)!.logLines, ["[LOG] 'before the error'"]);
  }
});

Deno.test("a result of the cache is an execution that did not run", async () => {
  const args = { key: "logged" };
  const entries = await entriesOf(async () => {
    for (let i = 0; i < 2; i++) await httpClient(server).query(query("caching:plain"), args);
    await using live = new LiveClient(server);
    await live.watch("caching:plain", args).until(() => true);
  });
  assert.deepEqual(
    entries.map(({ identifier, cachedResult, caller }) => [identifier, cachedResult, caller]),
    [
      ["caching:plain", false, "HttpApi"],
      ["caching:plain", true, "HttpApi"],
      ["caching:plain", true, "SyncWorker"],
    ],
  );
  const [first, second, third] = entries;
  assert.equal(second!.executionTime, 0);
  assert.ok(Number(second!.executionTimestamp) <= Number(first!.timestamp));
  assert.equal((third!.usageStats as Record<string, number>).databaseReadDocuments, 0);
  assert.equal(new Set(entries.map(({ executionId }) => executionId)).size, 3);
});

Deno.test("an action's lines come while it runs; what it calls is of the same request", async () => {
  const entries = await entriesOf(() =>
    httpClient(server).action(action("logging:fromAction"), {})
  );
  const shape = entries.map(({ kind, identifier, udfType, caller, logLines }) => [
    kind,
    identifier,
    udfType,
    caller ?? null,
    logLines.map(({ messages }) => messages.join(" ")),
  ]);
  assert.deepEqual(shape, [
    ["Progress", "logging:fromAction", "Action", null, ["'action before'"]],
    ["Completion", "logging:inner", "Mutation", "Action", ["'inner' 'two'"]],
    ["Progress", "logging:fromAction", "Action", null, ["'action after'"]],
    ["Completion", "logging:fromAction", "Action", "HttpApi", []],
  ]);
  const [before, nested, , end] = entries;
  assert.equal(nested!.parentExecutionId, end!.executionId);
  assert.equal(before!.executionId, end!.executionId);
  assert.deepEqual(new Set(entries.map(({ requestId }) => requestId)).size, 1);
  assert.deepEqual(Object.keys(before!).sort(), [
    "componentPath",
    "executionId",
    "identifier",
    "kind",
    "logLines",
    "requestId",
    "timestamp",
    "udfType",
  ]);
  const { entries: executions } = await poll(0, "", "stream_udf_execution");
  assert.deepEqual(executions.at(-1)!.logLines, ["[LOG] 'action before'", "[LOG] 'action after'"]);
  assert.ok(executions.every(({ kind }) => kind === "Completion"));
});

Deno.test("an HTTP action is named by its route and tells its status", async () => {
  const [entry] = await entriesOf(() =>
    fetch(`${server.siteUrl}/notAResponse`).then((r) => r.text())
  );
  assert.deepEqual(
    [entry!.udfType, entry!.identifier, entry!.caller, entry!.success],
    ["HttpAction", "GET /notAResponse", "HttpEndpoint", null],
  );
  const [answered] = await entriesOf(() =>
    fetch(`${server.siteUrl}/large?bytes=10`, { method: "GET" }).then((r) => r.text())
  );
  assert.deepEqual([answered!.success, answered!.error], [{ status: "200" }, null]);
});

Deno.test("a client finds the entries of its own request", async () => {
  await using live = new LiveClient(server);
  const { sessionId } = (live as unknown as { client: { sessionId: string } }).client;
  const entries = await entriesOf(async () => {
    await live.mutation(mutation("logging:outer"), {});
    await httpClient(server).query(query("caching:plain"), { key: "of others" });
  });
  assert.equal(entries.length, 2);
  const { entries: own } = await poll(0, `&sessionId=${sessionId}&clientRequestCounter=0`);
  assert.deepEqual(own.map(({ identifier }) => identifier), ["logging:outer"]);
  assert.equal(own[0]!.caller, "SyncWorker");
  const text = new TextEncoder().encode(`${sessionId}|0`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  assert.equal(own[0]!.requestId, digest.toHex().slice(0, 16));
});

Deno.test("cursors go up; a poll at the end waits for the next entry", async () => {
  await httpClient(server).query(query("caching:plain"), { key: "the end" });
  const { newCursor } = await poll(0);
  const waiting = poll(newCursor);
  await httpClient(server).query(query("caching:plain"), { key: "awaited" });
  const page = await waiting;
  assert.deepEqual(page.entries.map(({ identifier }) => identifier), ["caching:plain"]);
  assert.ok(page.newCursor > newCursor);
  // Of several entries, each has a later time.
  const { entries } = await poll(0, "", "app_metrics/stream_function_logs");
  const times = entries.filter(({ kind }) => kind === "Completion")
    .map(({ timestamp }) => Number(timestamp));
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  for (const search of ["", "?cursor=x", "?cursor="]) {
    const response = await fetch(`${server.url}/api/stream_function_logs${search}`, {
      headers: { authorization: `Convex ${server.adminKey}` },
    });
    assert.deepEqual(
      [response.status, (await response.json()).code],
      [400, "BadQueryArgs"],
      search,
    );
  }
  const anonymous = await fetch(`${server.url}/api/stream_function_logs?cursor=0`);
  assert.equal(anonymous.status, 403);
  await anonymous.body?.cancel();
});

Deno.test("a run of a mutation that met a conflict is an execution that will be retried", async () => {
  const conflicts = async () => {
    let isOver = false;
    const run = httpClient(server).mutation(mutation("logging:slowReader"), { rounds: 5e6 })
      .catch(() => {}).finally(() => isOver = true);
    for (let i = 0; !isOver; i++) await setVariables(server, { CONTENDED: `${i}` });
    await run;
  };
  // Whether a change falls into the run is a matter of luck.
  const conflicted = async () => {
    for (let tries = 0; tries < 50; tries++) {
      const entries = await entriesOf(conflicts);
      if (entries[0]?.willRetry) return entries;
    }
    throw new Error("no conflict");
  };
  const [first, ...others] = await conflicted();
  const { documentId, ...info } = first!.occInfo as Record<string, unknown>;
  assert.equal(typeof documentId, "string");
  assert.deepEqual(info, {
    tableName: null,
    writeSource: "update_environment_variables",
    componentPath: null,
    retryCount: 0,
  });
  assert.match(first!.error!, /^Data read or written in this mutation changed while it was being/);
  assert.ok(others.length >= 1, "the run after it");
  for (const { requestId, executionId } of others) {
    assert.equal(requestId, first!.requestId);
    assert.notEqual(executionId, first!.executionId);
  }
  assert.equal(others.at(-1)!.willRetry, false);
  await setVariables(server, { CONTENDED: null });
});

Deno.test("system functions are not logged; who called is", async () => {
  const entries = await entriesOf(async () => {
    const client = asAdmin(httpClient(server), server);
    await client.query(query("_system/cli/tables"), {
      paginationOpts: { numItems: 5, cursor: null },
    });
    await client.query(query("caching:plain"), { key: "administrator" });
  });
  assert.deepEqual(
    entries.map(({ identifier, identityType }) => [identifier, identityType]),
    [["caching:plain", "instance_admin"]],
  );
});
