// The front door with real sockets.

import assert from "node:assert/strict";
import { userError } from "../engine/errors.ts";
import type { FunctionCall } from "../runtime/types.ts";
import { socketClientVersion } from "./client_version.ts";
import { SyncServer } from "./sync_server.ts";
import { FakeWorld, SESSION_A } from "./testing/fake_world.ts";

function call(module: string, name: string, args: unknown): FunctionCall {
  return {
    path: { component: "", module, name },
    args: JSON.stringify([args]),
    context: {
      requestId: "0123456789abcdef",
      identity: { kind: "anonymous" },
      caller: "HttpApi",
      visibility: "public",
      ip: null,
      userAgent: null,
    },
  };
}

Deno.test("sockets and HTTP queries share results; closing says so with 1001", async () => {
  const { backend } = new FakeWorld();
  const sync = new SyncServer({
    engine: backend,
    runner: backend,
    authenticate: () => Promise.resolve({ kind: "anonymous" }),
  });
  const server = Deno.serve({ port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 120 });
    sync.accept(socket, socketClientVersion(null, "1.48.0"), { ip: null, userAgent: null });
    return response;
  });

  const outcome = await sync.query(call("app.js", "get", { name: "x" }));
  assert.deepEqual(outcome.result, { ok: true, value: "0" });

  const socket = new WebSocket(`ws://127.0.0.1:${server.addr.port}`);
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  const values = await new Promise<unknown[]>((resolve) => {
    const seen: unknown[] = [];
    socket.onmessage = ({ data }) => {
      for (const { value } of JSON.parse(data).modifications) seen.push(value);
      if (seen.length === 1) backend.commit({ x: 4 });
      else resolve(seen);
    };
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: "Connect", sessionId: SESSION_A, connectionCount: 0 }));
      const add = { type: "Add", queryId: 0, udfPath: "app:get", args: [{ name: "x" }] };
      const modifications = [add];
      socket.send(
        JSON.stringify({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications }),
      );
    };
  });
  assert.deepEqual(values, [0, 4]);
  assert.deepEqual(backend.runs, ["get", "get"], "the first result came from the cache");
  const { sessions, queries, subscriptions } = sync.stats();
  assert.deepEqual([sessions, queries, subscriptions], [1, 1, 1]);

  await sync.close();
  assert.equal((await closed).code, 1001);
  assert.equal(sync.stats().sessions, 0);
  await server.shutdown();
});

Deno.test("a client learns why its connection ends, whatever else it has sent meanwhile", async () => {
  const { backend } = new FakeWorld();
  const sync = new SyncServer({
    engine: backend,
    runner: backend,
    authenticate: () => Promise.reject(userError("BadToken", "no good token")),
  });
  const server = Deno.serve({ port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    sync.accept(socket, socketClientVersion(null, "1.48.0"), { ip: null, userAgent: null });
    return response;
  });
  const modify = (baseVersion: number, newVersion: number) =>
    JSON.stringify({ type: "ModifyQuerySet", baseVersion, newVersion, modifications: [] });
  const event = JSON.stringify({ type: "Event", eventType: "x", event: null });
  const token = { type: "Authenticate", tokenType: "User", value: "a.b.c", baseVersion: 0 };
  const cases: [frame: string | Uint8Array<ArrayBuffer>, last: string | undefined, code: number][] =
    [
      ["nonsense", "FatalError", 1005],
      [modify(5, 6), "FatalError", 1005],
      [JSON.stringify(token), "AuthError", 1005],
      [modify(0, 0), undefined, 1011],
      [new Uint8Array([1]), undefined, 1011],
    ];
  for (const [frame, last, code] of cases) {
    const socket = new WebSocket(`ws://127.0.0.1:${server.addr.port}`);
    const types: string[] = [];
    socket.onmessage = ({ data }) => types.push(JSON.parse(data).type);
    const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
    await new Promise((resolve) => socket.onopen = resolve);
    // So many that the rest has arrived when the wrong one is read.
    for (let i = 0; i < 100; i++) socket.send(event);
    socket.send(frame);
    for (let i = 0; i < 100; i++) socket.send(event);
    assert.equal((await closed).code, code, String(frame));
    assert.deepEqual(types, last === undefined ? [] : [last]);
  }
  await sync.close();
  await server.shutdown();
});

Deno.test("a system function's result is never taken for those whom the runner would refuse", async () => {
  const { backend } = new FakeWorld();
  backend.queries.set("tables", (run) => run.call.context.identity.kind);
  const authenticate = () => Promise.reject(new Error("not asked"));
  const sync = new SyncServer({ engine: backend, runner: backend, authenticate });
  for (const kind of ["admin", "anonymous", "admin"] as const) {
    const asked = call("_system/cli.js", "tables", {});
    const context = { ...asked.context, identity: { kind } };
    const { result } = await sync.query({ ...asked, context });
    assert.deepEqual(result, { ok: true, value: `"${kind}"` });
  }
  assert.equal(backend.runs.length, 2);
  await sync.close();
});
