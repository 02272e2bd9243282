// More work than the server can do: queues are bounded, callers are told so or try again by themselves, and
// nobody waits without end because of others (spec function-runtime 6).
import assert from "node:assert/strict";
import { httpClient, LiveClient, mutation, post, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

/** So small that a few endless calls are too many: calls wait five seconds at most. */
const LIMITS = { userTimeMs: 400, systemTimeMs: 1_500 };
const TIMED_OUT = "Function execution timed out (maximum duration: 400ms)\n";

let server: Server;
let limitsFile: string;
Deno.test.beforeAll(async () => {
  limitsFile = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(limitsFile, JSON.stringify(LIMITS));
  const flags = ["--isolates", "1", "--limits", limitsFile];
  server = await serverWithApp("tests/apps/conformance", { flags });
});
Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Deno.remove(limitsFile);
});

let lastNonce = 0;
/** Calls without end, all at once, each ended by the limit on time or turned away. */
async function flood(
  kind: "query" | "mutation",
  count: number,
  onTimedOut: () => void = () => {},
): Promise<{ timedOut: number; turnedAway: number }> {
  const path = kind === "query" ? "limits:spinInQuery" : "limits:spinInMutation";
  let timedOut = 0;
  const call = async () => {
    const body = { path, args: { nonce: ++lastNonce } };
    const { status, json } = await post(`${server.url}/api/${kind}`, body);
    if (status !== 429) {
      assert.equal(json.errorMessage.split("Server Error\n")[1], TIMED_OUT);
      timedOut++;
      return onTimedOut();
    }
    assert.deepEqual(json, {
      code: "TooManyConcurrentRequests",
      message: "Too many concurrent requests. Your backend is limited to 1 concurrent " +
        `${kind === "query" ? "queries" : "mutations"}. Please try again later.`,
    });
  };
  await Promise.all(Array.from({ length: count }, call));
  return { timedOut, turnedAway: count - timedOut };
}

const countOf = (group: string) => httpClient(server).query(query("limits:countGroup"), { group });

Deno.test("overload: who waits too long is turned away, with the documented error", async () => {
  const { timedOut, turnedAway } = await flood("query", 15);
  assert.ok(timedOut > 0 && turnedAway > 0, `${timedOut} timed out, ${turnedAway} turned away`);
  assert.equal(await countOf("nothing"), 0);
});

Deno.test("overload: a live client tries again by itself, and its mutation runs once", async () => {
  await using client = new LiveClient(server);
  await client.watch("limits:countGroup", { group: "retried" }).until((count) => count === 0);
  let count = 0;
  // It may come in before the flood does: then once more.
  do {
    const flooded = flood("mutation", 15);
    await (await fetch(`${server.url}/version`)).body?.cancel();
    await client.mutation(mutation("limits:write"), { n: 1, bytes: 1, group: "retried" });
    count++;
    await flooded;
  } while (client.connectionState().connectionCount === 1 && count < 5);
  assert.ok(client.connectionState().connectionCount > 1, "it was turned away and came back");
  assert.equal(await countOf("retried"), count);
});

Deno.test("overload: the calls of others take turns with a flood of queries", async () => {
  let timedOut = 0;
  const flooded = flood("query", 15, () => timedOut++);
  const waited: number[] = [];
  const wait = async (call: () => Promise<unknown>) => {
    const before = timedOut;
    await call();
    waited.push(timedOut - before);
  };
  const client = httpClient(server);
  for (let i = 0; i < 3; i++) {
    const write = { n: 1, bytes: 1, group: "fair" };
    await wait(() => client.mutation(mutation("limits:write"), write));
    await wait(() => client.query(query("limits:countGroup"), { group: "fair" }));
  }
  await flooded;
  // Each behind the one that is running and, a query, perhaps one more.
  assert.ok(waited.every((count) => count <= 3), waited.join(", "));
  assert.equal(await countOf("fair"), 3);
});

Deno.test("limits: system time, however short each call is", async () => {
  const often = (times: number) =>
    post(`${server.url}/api/mutation`, { path: "limits:callOften", args: { times, ms: 250 } });
  assert.equal((await often(1)).json.status, "success");
  const { json } = await often(10);
  assert.equal(
    json.errorMessage.split("Server Error\n")[1].trimEnd(),
    "Your request timed out performing too many system operations.",
  );
  assert.equal(await countOf("called often"), 1, "what it had written is gone");
});
