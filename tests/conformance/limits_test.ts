// Every limit of the runtime, made small by a limits file: within, near and beyond it (spec
// function-runtime 6).
import assert from "node:assert/strict";
import { action, httpClient, mutation, post, query } from "../harness/clients.ts";
import { logEntries } from "../harness/function_log.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

const LIMITS = {
  documentsRead: 20,
  bytesRead: 4_000,
  intervalsRead: 10,
  documentsWritten: 15,
  bytesWritten: 2_048,
  functionsScheduled: 5,
  scheduledArgsBytes: 500,
  userTimeMs: 500,
  actionTimeMs: 1_500,
  argsBytes: 1_024,
  resultBytes: 1_024,
  httpResponseBytes: 10_240,
  logLines: 10,
  logLineBytes: 100,
  nestedDepth: 3,
};
const HINT = "Consider using smaller limits in your queries, paginating your queries, or using " +
  "indexed queries with a selective index range expressions.";

let server: Server;
let limitsFile: string;
Deno.test.beforeAll(async () => {
  limitsFile = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(limitsFile, JSON.stringify(LIMITS));
  server = await serverWithApp("tests/apps/conformance", { flags: ["--limits", limitsFile] });
  const client = httpClient(server);
  for (let i = 0; i < 3; i++) await client.mutation(mutation("limits:write"), { n: 8, bytes: 10 });
});
Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Deno.remove(limitsFile);
});

let lastNonce = 0;
const nonce = () => ({ nonce: ++lastNonce });

type Kind = "query" | "mutation" | "action";

/** What a call brings: the error's first lines, or none, and the log lines. */
async function outcome(
  kind: Kind,
  path: string,
  args: Record<string, unknown>,
): Promise<{ error: string | null; logLines: string[] }> {
  const { json } = await post(`${server.url}/api/${kind}`, { path, args });
  const { logLines = [] } = json;
  if (json.status === "success") return { error: null, logLines };
  return { error: json.errorMessage.split("Server Error\n")[1], logLines };
}

interface Case {
  readonly kind: Kind;
  readonly path: string;
  readonly far: Record<string, unknown>;
  readonly near: Record<string, unknown>;
  readonly beyond: Record<string, unknown>;
  /** The warning near the limit; null: there is none. */
  readonly warning: { readonly code: string; readonly text: RegExp } | null;
  readonly error: string;
}

const CASES: Readonly<Record<string, Case>> = {
  documentsRead: {
    kind: "query",
    path: "limits:read",
    far: { n: 15 },
    near: { n: 18 },
    beyond: { n: 24 },
    warning: {
      code: "TooManyDocumentsRead",
      text: new RegExp(
        `^Many documents read in a single function execution \\(actual: 18, limit: 20\\)\\. ${HINT}$`,
      ),
    },
    error: "Uncaught Error: Too many documents read in a single function execution (limit: 20). " +
      HINT,
  },
  intervalsRead: {
    kind: "query",
    path: "limits:ranges",
    far: { n: 5 },
    near: { n: 10 },
    beyond: { n: 11 },
    warning: {
      code: "TooManyReads",
      text: new RegExp(
        `^Many reads in a single function execution \\(actual: \\d+, limit: 10\\)\\. ${HINT}$`,
      ),
    },
    error: `Uncaught Error: Too many reads in a single function execution (limit: 10). ${HINT}`,
  },
  documentsWritten: {
    kind: "mutation",
    path: "limits:write",
    far: { n: 5, bytes: 1, group: "w" },
    near: { n: 14, bytes: 1, group: "w" },
    beyond: { n: 16, bytes: 1, group: "w" },
    warning: {
      code: "TooManyWrites",
      text: /^Many writes in a single function execution \(actual: 14, limit: 15\)\.$/,
    },
    error: "Uncaught Error: Too many writes in a single function execution (limit: 15)",
  },
  bytesWritten: {
    kind: "mutation",
    path: "limits:write",
    far: { n: 1, bytes: 100, group: "b" },
    near: { n: 2, bytes: 850, group: "b" },
    beyond: { n: 3, bytes: 850, group: "b" },
    warning: {
      code: "TooManyBytesWritten",
      text:
        /^Many bytes written in a single function execution \(actual: 1\d{3} bytes, limit: 2048 bytes\)\.$/,
    },
    error: "Uncaught Error: Too many bytes written in a single function execution (limit: 2 KiB)",
  },
  functionsScheduled: {
    kind: "mutation",
    path: "limits:schedule",
    far: { n: 2, bytes: 1 },
    near: { n: 5, bytes: 1 },
    beyond: { n: 6, bytes: 1 },
    warning: {
      code: "TooManyFunctionsScheduled",
      text: /^Many functions scheduled by this mutation \(actual: 5, limit: 5\)\.$/,
    },
    error: "Uncaught Error: Too many functions scheduled by this mutation (limit: 5)",
  },
  scheduledArgsBytes: {
    kind: "mutation",
    path: "limits:schedule",
    far: { n: 1, bytes: 100 },
    near: { n: 2, bytes: 210 },
    beyond: { n: 3, bytes: 210 },
    warning: {
      code: "ScheduledFunctionsArgumentsTooLarge",
      text: new RegExp(
        "^Large total size of the arguments of scheduled functions from this mutation " +
          "\\(actual: \\d+ bytes, limit: 500 bytes\\)\\.$",
      ),
    },
    error:
      "Uncaught Error: Too large total size of the arguments of scheduled functions from this " +
      "mutation (limit: 500 bytes)",
  },
  argsBytes: {
    kind: "query",
    path: "limits:echo",
    far: { text: "x".repeat(500), bytes: 1 },
    near: { text: "x".repeat(900), bytes: 1 },
    beyond: { text: "x".repeat(2_024), bytes: 1 },
    warning: {
      code: "TooLargeFunctionArguments",
      text: /^Large size of the function arguments \(actual: 9\d\d bytes, limit: 1024 bytes\)\.$/,
    },
    error: "Arguments for limits.js:echo are too large (actual: 2 KiB, limit: 1 KiB)",
  },
  "argsBytes of an action": {
    kind: "action",
    path: "limits:echoInAction",
    far: { text: "x".repeat(500), bytes: 1 },
    near: { text: "x".repeat(900), bytes: 1 },
    beyond: { text: "x".repeat(2_024), bytes: 1 },
    warning: {
      code: "FunctionArgumentsTooLarge",
      text: /^Large size of the action arguments \(actual: 9\d\d bytes, limit: 1024 bytes\)\.$/,
    },
    error: "Arguments for limits.js:echoInAction are too large (actual: 2 KiB, limit: 1 KiB)",
  },
  resultBytes: {
    kind: "query",
    path: "limits:echo",
    far: { text: "", bytes: 500 },
    near: { text: "", bytes: 900 },
    beyond: { text: "", bytes: 2_046 },
    warning: {
      code: "TooLargeFunctionResult",
      text: /^Large size of the function return value \(actual: 902 bytes, limit: 1024 bytes\)\.$/,
    },
    error: "Function limits.js:echo return value is too large (actual: 2 KiB, limit: 1 KiB)",
  },
  "resultBytes of an action": {
    kind: "action",
    path: "limits:echoInAction",
    far: { text: "", bytes: 500 },
    near: { text: "", bytes: 900 },
    beyond: { text: "", bytes: 2_046 },
    warning: {
      code: "TooLargeFunctionResult",
      text: /^Large size of the action return value \(actual: 902 bytes, limit: 1024 bytes\)\.$/,
    },
    error:
      "Function limits.js:echoInAction return value is too large (actual: 2 KiB, limit: 1 KiB)",
  },
  nestedDepth: {
    kind: "query",
    path: "limits:depth",
    far: { n: 1 },
    near: { n: 3 },
    beyond: { n: 4 },
    warning: null,
    error: "Cross component call depth limit exceeded. Do you have an infinite loop in your app?",
  },
};

for (const [name, { kind, path, far, near, beyond, warning, error }] of Object.entries(CASES)) {
  const withNonce = (args: Record<string, unknown>) =>
    /read|ranges/.test(path) ? { ...args, ...nonce() } : args;
  Deno.test(`limits: ${name}`, async () => {
    const within = await outcome(kind, path, withNonce(far));
    assert.deepEqual(within, { error: null, logLines: [] });

    const close = await outcome(kind, path, withNonce(near));
    assert.equal(close.error, null);
    if (warning === null) assert.deepEqual(close.logLines, []);
    else {
      const lines = close.logLines.filter((line) =>
        warning.text.test(line.slice("[WARN] ".length))
      );
      assert.equal(lines.length, 1, JSON.stringify(close.logLines));
      const entry = (await logEntries(server)).findLast((entry) => entry.logLines.length > 0)!;
      const codes = entry.logLines.map((line) => line.systemMetadata?.code);
      assert.ok(codes.includes(`warning:${warning.code}`), JSON.stringify(codes));
    }

    const over = await outcome(kind, path, withNonce(beyond));
    assert.ok(over.error?.includes(error), over.error ?? "no error");
  });
}

Deno.test("limits: bytesRead; what a filter discards counts", async () => {
  const client = httpClient(server);
  for (let i = 0; i < 3; i++) {
    await client.mutation(mutation("limits:write"), { n: 2, bytes: 700, group: "large" });
  }
  await assert.rejects(
    () => client.query(query("limits:countGroup"), { group: "large" }),
    (error: Error) =>
      error.message.includes(
        `Too many bytes read in a single function execution (limit: 4000 bytes). ${HINT}`,
      ),
  );
  await assert.rejects(
    () => client.query(query("limits:readFiltered"), nonce()),
    /Too many (documents|bytes) read in a single function execution/,
  );
});

Deno.test("limits: a function may catch them and go on", async () => {
  assert.equal(
    await httpClient(server).query(query("limits:rangesCaught"), { n: 50 }),
    `Too many reads in a single function execution (limit: 10). ${HINT}`,
  );
});

Deno.test("limits: a mutation beyond them leaves nothing", async () => {
  const client = httpClient(server);
  const group = "too much";
  const attempt = client.mutation(mutation("limits:write"), { n: 16, bytes: 1, group });
  await assert.rejects(() => attempt, /Too many writes/);
  assert.equal(await client.query(query("limits:countGroup"), { group }), 0);
});

/**
 * What the clock calls too long is not, if the processor was given to others meanwhile: then once
 * more, and a little longer.
 */
async function untilTimedOut<T>(
  ms: number,
  attempt: (ms: number) => Promise<T>,
  isTimedOut: (result: T) => boolean,
): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (let tried = ms; Date.now() < deadline; tried *= 1.2) {
    const result = await attempt(Math.round(tried));
    if (isTimedOut(result)) return result;
  }
  assert.fail("nothing timed out in 60 s");
}

Deno.test("limits: user time, which the function itself cannot catch, but its caller can", async () => {
  const text = "Function execution timed out (maximum duration: 500ms)\n";
  for (const [kind, path] of [["query", "spinInQuery"], ["mutation", "spinInMutation"]] as const) {
    const { error } = await outcome(kind, `limits:${path}`, nonce());
    assert.equal(error, text);
  }
  const client = httpClient(server);
  const called = (ms: number) => client.mutation(mutation("limits:callSlow"), { ms });
  assert.equal(await untilTimedOut(540, called, (message) => message !== "in time"), text);
  assert.equal(
    await client.query(query("limits:countGroup"), { group: "after the timeout" }),
    1,
  );
});

Deno.test("limits: the caller of a function that never ends, or takes all memory, goes on without it", async () => {
  const text = "Function execution timed out (maximum duration: 500ms)\n";
  const client = httpClient(server);
  const mutated = await client.mutation(mutation("limits:callEndless"), {});
  const called = (name: string) =>
    client.query(query("limits:callOverrunning"), { name, ...nonce() });
  assert.deepEqual(mutated, [text, `Uncaught Error: ${text.trimEnd()}`]);
  assert.equal(await called("limits:spinInQuery"), `caught ${text}`);
  // A machine that is slow to collect garbage may find it to be too slow before the heap is full.
  const outOfMemory = "JavaScript execution ran out of memory (maximum memory usage: 64 MB)\n";
  const hoarded = await called("limits:hoard");
  assert.ok([outOfMemory, text].includes(hoarded.replace("caught ", "")), hoarded);
  const counted = (group: string) => client.query(query("limits:countGroup"), { group });
  assert.deepEqual([await counted("endless callee"), await counted("endless caller")], [0, 1]);
});

Deno.test("limits: time before and after an await is added up", async () => {
  assert.equal((await outcome("mutation", "limits:computeTwice", { ms: 100 })).error, null);
  const { error } = await untilTimedOut(
    350,
    (ms) => outcome("mutation", "limits:computeTwice", { ms }),
    (twice) => twice.error !== null,
  );
  assert.equal(error, "Function execution timed out (maximum duration: 500ms)\n");
});

Deno.test("limits: a warning of user time", async () => {
  // The processor may be given to others meanwhile, and less of the time is the function's.
  let ms = 440;
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    const { error, logLines } = await outcome("mutation", "limits:compute", { ms: Math.round(ms) });
    if (error !== null || logLines.length === 0) {
      ms *= error === null ? 1.1 : 0.95;
      continue;
    }
    assert.match(
      logLines[0]!,
      /^\[WARN\] Function execution took a long time\. \(maximum duration: 500ms, actual duration: 4\d\dms\)\.$/,
    );
    return;
  }
  assert.fail("no warning in 60 s");
});

Deno.test("limits: the time of actions is the clock's", async () => {
  const started = performance.now();
  const { error } = await outcome("action", "limits:spinInAction", {});
  assert.equal(error, "Function execution timed out (maximum duration: 1.5s)\n");
  assert.ok(performance.now() - started >= 1_400);
});

Deno.test("limits: size and depth of a document", async () => {
  const near = await outcome("mutation", "limits:nest", { levels: 14 });
  assert.equal(near.error, null);
  assert.match(
    near.logLines[0]!,
    /^\[WARN\] Deeply nested document written with ID "\w+" \(actual: \d+ levels, limit: 16 levels\)\.$/,
  );
  const beyond = await outcome("mutation", "limits:nest", { levels: 20 });
  assert.match(beyond.error!, /nest/);
});

Deno.test("limits: lines of the log and their length", async () => {
  const many = await outcome("query", "logging:many", { count: 50 });
  assert.equal(many.logLines.length, 10);
  assert.equal(
    many.logLines[9],
    "[ERROR] Log overflow (maximum 10). Remaining log lines omitted.",
  );
  const long = await outcome("query", "logging:long", { length: 100 });
  assert.deepEqual(long.logLines, [
    `[LOG] 'first' '${"é".repeat(45)} (truncated due to length)`,
  ]);
});

Deno.test("limits: the answer of an HTTP action", async () => {
  const large = async (bytes: number) =>
    await (await fetch(`${server.siteUrl}/large?bytes=${bytes}`)).text();
  const lineOf = async (bytes: number) => {
    const entries = (await logEntries(server))
      .filter((entry) => entry.identifier === "GET /large");
    const lines = entries.filter((entry) => entry.requestId === entries.at(-1)!.requestId)
      .flatMap((entry) => entry.logLines.map((line) => line.messages.join(" ")));
    return lines.join() || `none of ${bytes}`;
  };
  assert.equal((await large(1_000)).length, 1_000);
  assert.equal(await lineOf(1_000), "none of 1000");
  assert.equal((await large(10_000)).length, 10_000);
  assert.equal(
    await lineOf(10_000),
    "Large response returned from an HTTP action (actual: 10000 bytes, limit: 10240 bytes).",
  );
  const cut = await large(20_000).catch(() => "");
  assert.ok(cut.length <= 10_240, `${cut.length} bytes`);
  assert.match(
    await lineOf(20_000),
    /HttpResponseTooLarge: HTTP actions support responses up to 10 KiB/,
  );
});

Deno.test("limits: the operator sees them and how near functions came", async () => {
  const text = await httpClient(server).action(action("limits:echoInAction"), {
    text: "",
    bytes: 3,
  });
  const response = await fetch(`${server.url}/api/concave/limits`, {
    headers: { authorization: `Convex ${server.adminKey}` },
  });
  const { limits } = await response.json();
  for (const [name, limit] of Object.entries(LIMITS)) {
    assert.equal(limits[name]?.limit, limit, name);
  }
  assert.ok(limits.resultBytes.highest >= text.length, "the action's result is counted");
});
