import assert from "node:assert/strict";
import type { FromIsolate } from "../frames.ts";
import type { ChunkFrame } from "../stream_frames.ts";
import { type CallOptions, LIBRARY, Stand, type TestIsolate } from "./testing/stand.ts";

type ActionResult = FromIsolate & { readonly type: "actionResult" };
type Syscall = FromIsolate & { readonly type: "syscall" };

const CODE = LIBRARY + `
exports.echo = action(async (call, args) => call("actions/query", { name: "x:y", args }));
exports.sleep = action(async (call, { ms }) => {
  const started = Date.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return Date.now() - started >= ms - 2;
});
exports.get = action(async (call, { url }) => {
  const response = await fetch(url);
  return [response.status, await response.text()];
});
exports.dangle = action(async (call) => { call("actions/mutation", { name: "x:y", args: {} }); console.log("end"); });
exports.unhandled = action(async (call) => {
  Promise.reject(new Error("nobody"));
  await new Promise((resolve) => setTimeout(resolve, 1000));
});
exports.leaves = action(async () => {
  Promise.reject(new Error("left behind"));
  return "returned";
});
exports.readsOn = action(async (call, { url }) => {
  const { body } = await fetch(url);
  const read = async () => {
    try {
      for await (const _ of body);
    } catch {
      await fetch(url);
    }
  };
  read();
  return "returned";
});
exports.missing = action(async () => {
  try {
    await import("./missing.js");
  } catch (error) {
    return [error.constructor === Error, error.name, error.message];
  }
});
exports.thrower = action(async () => {
  setTimeout(() => { throw new Error("from a timer"); }, 1);
  await new Promise((resolve) => setTimeout(resolve, 1000));
});
exports.load = action(async () => (await import("./lazy.js")).value);
exports.storage = action(async () => {
  const id = await Convex.jsSyscall("storage/storeBlob", { requestId: "", version: "1", blob: new Blob(["abc"], { type: "text/plain" }) });
  const blob = await Convex.jsSyscall("storage/getBlob", { requestId: "", version: "1", storageId: id });
  return [id, await blob.text(), blob.type, blob instanceof Blob];
});
exports.local = action(async () => {
  const store = new AsyncLocalStorage();
  const seen = await store.run("inside", async () => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    return store.getStore();
  });
  return [seen, store.getStore() ?? null];
});
exports.interval = action(() => new Promise((resolve) => {
  let n = 0;
  const id = setInterval(() => { if (++n === 3) { clearInterval(id); resolve(n); } }, 1);
}));
`;

const NAMES = [
  "echo",
  "sleep",
  "get",
  "dangle",
  "unhandled",
  "leaves",
  "missing",
  "readsOn",
  "thrower",
  "load",
  "storage",
  "local",
  "interval",
];

async function withIsolate(body: (isolate: TestIsolate) => Promise<void>): Promise<void> {
  const functions = Object.fromEntries(NAMES.map((name) => [name, { udfType: "Action" as const }]));
  const stand = await Stand.open({
    "a.js": { code: CODE, functions },
    "lazy.js": { code: "exports.value = 'lazy';" },
  });
  try {
    await body(await stand.isolate("actions"));
  } finally {
    await stand.close();
  }
}

function start(isolate: TestIsolate, name: string, options: CallOptions = {}): number {
  const call = isolate.call("action", `a:${name}`, options);
  isolate.send({ type: "action", callId: call.callId, call });
  return call.callId;
}

async function result(isolate: TestIsolate, callId: number): Promise<ActionResult> {
  const isResult = (frame: FromIsolate) => frame.type === "actionResult" && frame.callId === callId;
  return await isolate.receive(isResult) as ActionResult;
}

async function value(isolate: TestIsolate, name: string, options?: CallOptions) {
  const frame = await result(isolate, start(isolate, name, options));
  assert.ok(frame.result.ok, frame.result.ok ? "" : frame.result.error.text);
  return JSON.parse(frame.result.value);
}

async function error(isolate: TestIsolate, name: string): Promise<string> {
  const frame = await result(isolate, start(isolate, name));
  return frame.result.ok ? `no error: ${frame.result.value}` : frame.result.error.text;
}

Deno.test("actions run at the same time and ask the host", () =>
  withIsolate(async (isolate) => {
    const slow = start(isolate, "sleep", { arguments: [{ ms: 80 }] });
    const asking = start(isolate, "echo", { arguments: [{ a: 1 }] });
    const syscall = await isolate.receive((frame) => frame.type === "syscall") as Syscall;
    assert.equal(syscall.callId, asking);
    assert.equal(syscall.name, "1.0/actions/query");
    assert.deepEqual(JSON.parse(syscall.args), { name: "x:y", args: { a: 1 } });
    const { callId, opId } = syscall;
    isolate.send({ type: "reply", callId, opId, result: { ok: true, value: "[7]" } });
    const answered = await result(isolate, asking);
    assert.deepEqual(answered.result, { ok: true, value: "[7]" });
    assert.deepEqual((await result(isolate, slow)).result, { ok: true, value: "true" });
  }));

Deno.test("errors of the host's services are the action's own", () =>
  withIsolate(async (isolate) => {
    const asking = start(isolate, "echo");
    const { callId, opId } = await isolate.receive((frame) => frame.type === "syscall") as Syscall;
    const failure = { ok: false, message: "inner\n", data: '{"code":1}' } as const;
    isolate.send({ type: "reply", callId, opId, result: failure });
    const { result: outcome } = await result(isolate, asking);
    assert.equal(outcome.ok ? "" : outcome.error.text, "Uncaught Error: inner\n\n");
  }));

Deno.test("actions have time, timers, the network and dynamic imports", () =>
  withIsolate(async (isolate) => {
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request) => new Response(request.headers.get("user-agent"), { status: 201 }),
    );
    const url = `http://127.0.0.1:${server.addr.port}/`;
    assert.deepEqual(await value(isolate, "get", { arguments: [{ url }] }), [201, "Convex/1.0"]);
    await server.shutdown();
    assert.equal(await value(isolate, "load"), "lazy");
    assert.deepEqual(await value(isolate, "missing"), [
      true,
      "Error",
      "Couldn't find JavaScript module 'missing.js'. Did you forget to run `npx convex dev`?",
    ]);
    assert.equal(await value(isolate, "interval"), 3);
    assert.deepEqual(await value(isolate, "local"), ["inside", null]);
  }));

Deno.test("errors that nobody catches end the action, not the process", () =>
  withIsolate(async (isolate) => {
    assert.equal(await error(isolate, "unhandled"), "Uncaught Error: nobody\n");
    assert.equal(await error(isolate, "thrower"), "Uncaught Error: from a timer\n");
    assert.equal(await error(isolate, "leaves"), "Uncaught Error: left behind\n");
    assert.equal(isolate.exit, null);
  }));

Deno.test("an action that has ended takes nothing more from the network", () =>
  withIsolate(async (isolate) => {
    const aborted = Promise.withResolvers<void>();
    let requests = 0;
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
      if (++requests > 1) return new Response("again");
      return new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(1024)),
          cancel: () => aborted.resolve(),
        }),
      );
    });
    const url = `http://127.0.0.1:${server.addr.port}/`;
    assert.equal(await value(isolate, "readsOn", { arguments: [{ url }] }), "returned");
    await aborted.promise;
    // Long enough for the process to have sent another request, which it must not.
    await value(isolate, "sleep", { arguments: [{ ms: 50 }] });
    assert.equal(requests, 1);
    await server.shutdown();
  }));

Deno.test("operations left behind are named in the log; lines are streamed", () =>
  withIsolate(async (isolate) => {
    const callId = start(isolate, "dangle");
    const log = await isolate.receive((frame) => frame.type === "log");
    assert.equal(log.type === "log" && log.callId, callId);
    const { logLines } = await result(isolate, callId);
    assert.deepEqual(logLines.map(({ level, messages }) => [level, ...messages]), [
      ["LOG", "'end'"],
      [
        "WARN",
        "1 unawaited operation: [mutation]. Async operations should be awaited or they might not " +
        "run. See https://docs.convex.dev/functions/actions#dangling-promises for more information.",
      ],
    ]);
  }));

Deno.test("blobs pass between user code and the host", () =>
  withIsolate(async (isolate) => {
    const callId = start(isolate, "storage");
    const store = await isolate.receive((frame) => frame.type === "syscall") as Syscall;
    assert.deepEqual(JSON.parse(store.args), {
      requestId: "",
      version: "1",
      contentType: "text/plain",
    });
    const chunk = await isolate.receive((frame) => frame.type === "chunk") as ChunkFrame;
    assert.deepEqual([chunk.stream, new TextDecoder().decode(chunk.bytes)], [store.opId, "abc"]);
    await isolate.receive((frame) => frame.type === "end");
    isolate.send({ type: "reply", callId, opId: store.opId, result: { ok: true, value: '"id1"' } });
    const get = await isolate.receive((frame) => frame.type === "syscall") as Syscall;
    assert.equal(get.name, "storage/getBlob");
    const value = '{"contentType":"text/plain"}';
    isolate.send({ type: "reply", callId, opId: get.opId, result: { ok: true, value } });
    isolate.send({ ...chunk, stream: get.opId });
    isolate.send({ type: "end", callId, stream: get.opId, error: null });
    const { result: outcome } = await result(isolate, callId);
    assert.equal(outcome.ok && outcome.value, '["id1","abc","text/plain",true]');
  }));

Deno.test("a cancelled action is forgotten", () =>
  withIsolate(async (isolate) => {
    const callId = start(isolate, "sleep", { arguments: [{ ms: 30 }] });
    isolate.send({ type: "cancel", callId });
    await value(isolate, "sleep", { arguments: [{ ms: 60 }] });
    assert.deepEqual(isolate.frames.filter(({ type }) => type !== "usage"), []);
  }));

Deno.test("an action that comes too late is not begun", () =>
  withIsolate(async (isolate) => {
    const send = (startBefore: number) => {
      const call = isolate.call("action", "a:interval");
      isolate.send({ type: "action", callId: call.callId, call, startBefore });
      return call.callId;
    };
    const late = send(Date.now() - 1);
    const inTime = send(Date.now() + 3_600_000);
    assert.ok((await result(isolate, inTime)).result.ok);
    const heard = isolate.frames.filter(({ type }) => type !== "usage");
    assert.deepEqual(heard, [{ type: "late", callId: late }, { type: "begun", callId: inTime }]);
  }));
