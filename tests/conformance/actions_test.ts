// Actions of a pushed app: time, timers, the network, each other, and what they leave unfinished (spec
// function-runtime 1.4, 4 and 5); and modules that functions load while they run (3.3).
import assert from "node:assert/strict";
import { action, httpClient, LiveClient, post, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

let server: Server;
const closing = new AbortController();
let webUrl: string;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/conformance");
  const web = Deno.serve({ port: 0, signal: closing.signal, onListen: () => {} }, answer);
  webUrl = `http://127.0.0.1:${web.addr.port}`;
});
Deno.test.afterAll(async () => {
  // Some requests are never answered: a shutdown would wait for them.
  closing.abort();
  await server[Symbol.asyncDispose]();
});

/** What the functions fetch. */
async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/echo":
      return Response.json({
        method: request.method,
        headers: Object.fromEntries(request.headers),
        body: await request.text(),
      });
    case "/redirect":
      return new Response(null, {
        status: 302,
        headers: { location: url.searchParams.get("to")! },
      });
    case "/loop":
      return new Response(null, { status: 302, headers: { location: "/loop" } });
    case "/stream": {
      const parts = ["one ", "two ", "three"];
      return new Response(
        new ReadableStream({
          async pull(controller) {
            await new Promise((resolve) => setTimeout(resolve, 20));
            const part = parts.shift();
            if (part === undefined) controller.close();
            else controller.enqueue(new TextEncoder().encode(part));
          },
        }),
      );
    }
    case "/endless":
      return new Response(
        new ReadableStream({
          async pull(controller) {
            await new Promise((resolve) => setTimeout(resolve, 5));
            controller.enqueue(new Uint8Array(10));
          },
        }),
      );
    default: {
      const { promise, resolve } = Promise.withResolvers<void>();
      request.signal.addEventListener("abort", () => resolve());
      await promise;
      return new Response("never");
    }
  }
}

/** Where nobody listens. */
function closedUrl(): string {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  return `http://127.0.0.1:${listener.addr.port}`;
}

const FETCHES: Readonly<Record<string, unknown>> = {
  redirects: [true, "GET", "", "kept"],
  manual: [302, "/echo"],
  error: /^! \w+: .*redirect/i,
  loop: /^! \w+: .*redirect/i,
  crossOrigin: [null, "kept"],
  agents: ["Convex/1.0", "Mine/2"],
  upload: "one two three",
  stream: ["one two three", true],
  abort: /^! AbortError: /,
  abortBefore: /^! AbortError: /,
  timeout: /^! TimeoutError: /,
  refused: /^! \w+: .*(refused|error sending request)/i,
  file: /^! \w+: /,
  data: /^! \w+: /,
  form: true,
};

for (const [what, expected] of Object.entries(FETCHES)) {
  Deno.test(`fetch: ${what}`, async () => {
    const url = what === "refused" ? closedUrl() : webUrl;
    const found = await httpClient(server).action(action("actions:fetching"), { what, url });
    if (expected instanceof RegExp) assert.match(String(found), expected);
    else assert.deepEqual(found, expected);
  });
}

Deno.test("actions: timers", async () => {
  assert.deepEqual(await httpClient(server).action(action("actions:timers"), {}), {
    seen: ["NaN", "with,arguments", "first", "second"],
    refused: true,
    passed: true,
  });
});

Deno.test("actions: many at once see nothing of each other", async () => {
  const marks = Array.from({ length: 8 }, (_, i) => `mark ${i}`);
  const seen = await Promise.all(
    marks.map((mark) => httpClient(server).action(action("actions:marks"), { mark, ms: 300 })),
  );
  assert.deepEqual(
    seen,
    marks.map((mark) => ({ before: ["fresh", null], after: [mark, mark, mark] })),
  );
});

Deno.test("actions: any number of operations at once", async () => {
  const args = { count: 1500 };
  assert.equal(await httpClient(server).action(action("actions:manyOperations"), args), 1500);
});

Deno.test("actions: calls are separate transactions and end in their own order", async () => {
  const client = httpClient(server);
  const [before, after] = await client.action(action("actions:separateTransactions"), {});
  assert.equal(after, before + 1);
  assert.deepEqual(await client.action(action("actions:completionOrder"), {}), ["quick", "slow"]);
});

Deno.test("actions: what is left behind is named in a warning", async () => {
  const args = { url: `${webUrl}/never` };
  const { json } = await post(`${server.url}/api/action`, { path: "actions:dangling", args });
  assert.equal(json.value, "returned");
  assert.deepEqual(json.logLines, [
    "[WARN] 2 unawaited operations: [query, fetch]. Async operations should be awaited or they " +
    "might not run. See https://docs.convex.dev/functions/actions#dangling-promises for more " +
    "information.",
  ]);
});

Deno.test("actions: one goes on when its client has gone", async () => {
  await using observer = new LiveClient(server);
  const notes = observer.watch("actions:notes");
  {
    await using leaving = new LiveClient(server);
    void leaving.action(action("actions:sleepAndNote"), { ms: 700, text: "after all" })
      .catch(() => {});
    // An answer to a later message shows that the action has arrived.
    await leaving.watch("checks").until((result) => result === "direct");
    await leaving.query(query("checks"), {});
  }
  await notes.until((texts) => (texts as string[]).includes("after all"));
});

Deno.test("modules: actions import their own while they run, queries do not", async () => {
  const client = httpClient(server);
  assert.equal(await client.action(action("modules:lazyInAction"), {}), "lazily: own module");
  await assert.rejects(
    () => client.query(query("modules:lazyInQuery"), {}),
    /Uncaught TypeError: dynamic module import unsupported/,
  );
  assert.equal(await client.query(query("modules:cycle"), {}), "through the cycle");
});

Deno.test("modules: import.meta is refused", async () => {
  const client = httpClient(server);
  const refused = "TypeError: import.meta unsupported";
  assert.equal(await client.query(query("modules:metaInQuery"), {}), refused);
  assert.equal(await client.action(action("modules:metaInAction"), {}), refused);
});

Deno.test("modules: nothing but pushed modules can be imported", async () => {
  const byName = (name: string) => httpClient(server).action(action("modules:byName"), { name });
  // The importer is a chunk in `_deps/`.
  assert.deepEqual(await byName("../checks.js"), [
    "act",
    "add",
    "callsDirectly",
    "count",
    "default",
    "hidden",
    "notAFunction",
    "plainFunction",
    "returning",
    "undefinedResult",
    "unsupported",
    "unvalidated",
    "validated",
    "writing",
  ]);
  for (const name of ["./missing.js", "node:fs", "npm:zod", "zod"]) {
    assert.match(
      String(await byName(name)),
      /^Error: Couldn't find JavaScript module '.*'\. Did you forget to run `npx convex dev`\?/,
    );
  }
  for (const name of ["file:///etc/passwd", "https://example.com/x.js", "data:text/javascript,1"]) {
    assert.match(String(await byName(name)), /^Error: ./);
  }
});
