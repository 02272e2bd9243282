// Tests of `"use node"` actions of an app that the official CLI pushed: Node's modules, packages, the
// whole context of an action, errors and limits. They hold whatever runs the actions.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { App } from "../harness/app.ts";
import { action, httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { logEntries, type LogEntry } from "../harness/function_log.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import { Server } from "../harness/server.ts";
import { setVariables } from "../harness/variables.ts";

const APP = "tests/apps/node";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** @param flags of the server */
export function testNodeActions(flags: readonly string[]): void {
  let server: Server;
  Deno.test.beforeAll(async () => {
    server = await serverWithApp(APP, { flags });
  });
  Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

  const run = (name: string, args: Record<string, unknown> = {}) =>
    httpClient(server).action(action(name), args);
  const messageOf = async (name: string, args: Record<string, unknown> = {}): Promise<string> => {
    const failure = await run(name, args).then(() => null, (error: Error) => error);
    assert.ok(failure !== null, `${name} went well`);
    return failure.message.replace(/^\[Request ID: \w+\] Server Error\n/, "");
  };

  /** What each execution logged, in order of their first entries. */
  async function linesOfExecutions(of: Server): Promise<LogEntry["logLines"][]> {
    const lines = new Map<unknown, LogEntry["logLines"]>();
    for (const { executionId, logLines } of await logEntries(of)) {
      lines.set(executionId, [...lines.get(executionId) ?? [], ...logLines]);
    }
    return [...lines.values()];
  }

  Deno.test("an action uses Node's modules", async () => {
    assert.equal(await run("work:hash", { text: "a" }), sha256("a"));
    assert.deepEqual(await run("work:files"), {
      text: "one two",
      base64: "aGk=",
      left: false,
      writes: 0,
    });
  });

  Deno.test("an action finds the globals of Node and of CommonJS", async () => {
    assert.deepEqual(await run("work:globals"), {
      require: "a/b",
      created: "function",
      dirname: true,
      buffer: "function",
      global: true,
      evaluated: 42,
      immediate: "soon",
      version: true,
    });
  });

  Deno.test("an action uses packages that its bundle contains", async () => {
    assert.deepEqual(await run("work:packages"), {
      imported: 21,
      required: "Map (1) {'a' => 1}",
      bundled: "evt_1",
    });
  });

  Deno.test("process.env holds the app's variables, also changed ones, and nothing of the host", async () => {
    await using own = await serverWithApp(APP, { flags, env: { HOST_SECRET: "s3cret" } });
    await setVariables(own, { GREETING: "hello" });
    const environment = async () =>
      await httpClient(own).action(action("work:environment"), {}) as Record<string, string>;
    const first = await environment();
    assert.equal(first.GREETING, "hello");
    assert.equal(first.CONVEX_CLOUD_URL, own.url);
    const own_names = ["HOME", "LANG", "NODE_PATH", "PATH", "PWD", "TMPDIR", "TZ"];
    const app_names = ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL", "GREETING"];
    assert.deepEqual(Object.keys(first).sort(), [...app_names, ...own_names].sort());
    await setVariables(own, { GREETING: "bye" });
    assert.equal((await environment()).GREETING, "bye");
  });

  Deno.test("the context of an action is whole, and runtimes call each other", async () => {
    await using own = await serverWithApp(APP, { flags });
    await using client = new LiveClient(own);
    const notes = client.watch("notes:list");
    assert.deepEqual(await client.action(action("work:context"), { text: "n" }), {
      notes: ["n"],
      shouted: "N",
      hashed: 64,
      stored: ["stored n", "text/plain", true],
      identity: null,
      handle: true,
    });
    await notes.until((list) => (list as string[]).includes("n later"));
    assert.equal(await client.action(action("notes:hashOf"), { text: "b" }), sha256("b"));
  });

  Deno.test("a mutation schedules an action in Node", async () => {
    await using client = new LiveClient(server);
    const notes = client.watch("notes:list");
    await client.mutation(mutation("notes:scheduleNote"), { text: "later" });
    const digest = createHash("md5").update("later").digest("hex");
    await notes.until((list) => (list as string[]).includes(digest));
  });

  Deno.test("`convex run` runs an action in Node and shows what it logs", async () => {
    await using app = await App.copy(APP);
    const { code, stdout, stderr } = await app.cli(server, ["run", "work:hash", '{"text":"a"}']);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout), sha256("a"));
    const internal = await app.cli(server, ["run", "work:note", '{"text":"internal"}']);
    assert.equal(internal.code, 0, internal.stderr);
  });

  Deno.test("an action downloads with Node's own client", async () => {
    const http = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
      return new Response("from elsewhere");
    });
    try {
      const url = `http://127.0.0.1:${http.addr.port}/`;
      assert.deepEqual(await run("work:download", { url }), [200, "from elsewhere"]);
    } finally {
      await http.shutdown();
    }
  });

  Deno.test("lines of the console belong to the action that wrote them", async () => {
    await using own = await serverWithApp(APP, { flags });
    await httpClient(own).action(action("work:logs"), {});
    const [lines] = await linesOfExecutions(own);
    const [text, ...others] = lines!.map(({ level, messages }) => [level, ...messages]);
    assert.equal(text![1], "'text'");
    assert.equal(text![2], "{ a: [ 1, { b: [Map] } ] }");
    assert.deepEqual(others.slice(0, 2), [["ERROR", "'data'"], ["LOG", "written"]]);
    assert.match(others[2]!.join(" "), /^INFO t: \d+ms$/);
  });

  Deno.test("actions run side by side without seeing each other", async () => {
    await using own = await serverWithApp(APP, { flags });
    const client = httpClient(own);
    const names = ["a", "b", "c", "d"];
    const results = await Promise.all(
      names.map((name, i) => client.action(action("work:concurrent"), { name, ms: 40 - 10 * i })),
    );
    assert.deepEqual(results, names);
    for (const lines of await linesOfExecutions(own)) {
      assert.equal(lines.length, 1);
      assert.match(lines[0]!.messages[0]!, /^'[abcd]'$/);
    }
  });

  Deno.test("errors name the lines of the developer's files", async () => {
    assert.match(
      await messageOf("work:fails"),
      /^Uncaught Error: boom\n {4}at explode \(\.\.\/convex\/work\.ts:\d+:\d+\)\n {4}at handler \(\.\.\/convex\/work\.ts:\d+:\d+\)\n/,
    );
    const error = await run("work:failsWithData").then(() => null, (thrown) => thrown);
    assert.deepEqual(error.data, { code: 7 });
    const nested = await run("work:failsInCall").then(() => null, (thrown) => thrown);
    assert.deepEqual(nested.data, { reason: "forbidden" });
  });

  Deno.test("arguments and results are checked", async () => {
    assert.match(await messageOf("work:hash", { text: 1 }), /^ArgumentValidationError/);
    assert.match(await messageOf("work:wrongResult"), /^ReturnsValidationError/);
    assert.match(await messageOf("work:note", { text: "x" }), /^Could not find public function/);
    assert.match(
      await messageOf("work:takeArgs", { text: "x".repeat(5 * 1024 * 1024) }),
      /^Node actions arguments size is too large\. The maximum size is 5 MiB\. Reduce the size of the arguments or consider using Convex runtime actions instead, which have a 16 MiB limit\. See https:\/\/docs\.convex\.dev\/functions\/runtimes/,
    );
  });

  Deno.test("what nobody catches ends its action, not the others", async () => {
    const bystander = run("work:concurrent", { name: "bystander", ms: 300 });
    assert.match(await messageOf("work:rejectsUnheard"), /^Uncaught unhandledRejection: nobody\n/);
    assert.match(
      await messageOf("work:throwsFromTimer"),
      /^Uncaught uncaughtException: from a timer/,
    );
    assert.match(await messageOf("work:exits"), /^Uncaught exit: process\.exit called with code 3/);
    assert.equal(await bystander, "bystander");
  });

  Deno.test("misuse of the context is told as the platform does", async () => {
    assert.match(
      await messageOf("work:usesDatabase"),
      /The Convex database object is being used out/,
    );
    assert.match(
      await messageOf("work:tooManyOperations"),
      /Too many concurrent operations\. See /,
    );
    await run("work:leavesState");
    assert.match(await messageOf("work:usesLeftover"), /Leftover state detected\. This typically/);
  });

  Deno.test("operations that nobody awaited and floods of log lines are told of", async () => {
    await using own = await serverWithApp(APP, { flags });
    await httpClient(own).action(action("work:dangles"), {});
    await httpClient(own).action(action("work:manyLogs"), {});
    const lines = (await linesOfExecutions(own)).map((each) => each.at(-1)?.messages[0] ?? "");
    assert.ok(lines.some((line) => /You have an outstanding .*query call\./.test(line)));
    assert.ok(lines.some((line) => /Log overflow \(maximum 1M characters\)\./.test(line)));
  });

  Deno.test("modules keep their state until the app changes or something goes wrong", async () => {
    await using own = await serverWithApp(APP, { flags });
    const count = async () => await httpClient(own).action(action("work:count"), {});
    assert.deepEqual([await count(), await count()], [1, 2]);
    await setVariables(own, { ANY: "thing" });
    assert.deepEqual([await count(), await count()], [1, 2]);
    await httpClient(own).action(action("work:exits"), {}).catch(() => {});
    assert.equal(await count(), 1);
  });

  Deno.test("an action that takes too long ends; one that never pauses, a little later", async () => {
    const limits = await Deno.makeTempFile({ suffix: ".json" });
    await Deno.writeTextFile(limits, JSON.stringify({ nodeActionTimeMs: 1_500 }));
    await using own = await serverWithApp(APP, { flags: [...flags, "--limits", limits] });
    const client = httpClient(own);
    await assert.rejects(
      client.action(action("work:sleep"), { ms: 60_000 }),
      /Action `sleep` execution timed out \(maximum duration 1\.5s\)/,
    );
    await assert.rejects(
      client.action(action("work:spin"), {}),
      /Function execution unexpectedly timed out\. Check your function for infinite loops or other long-running operations\./,
    );
    assert.equal(await client.action(action("work:hash"), { text: "a" }), sha256("a"));
    await Deno.remove(limits);
  });

  Deno.test("only actions can be defined in Node; broken modules stop the push", async () => {
    await using own = await Server.start({ flags });
    const pushed = async (source: string) => {
      await using app = await App.create({
        "convex/n.ts": `"use node";\nexport const one = 1;\n${source}`,
      });
      return await app.push(own).then(() => "", (error: Error) => error.message);
    };
    assert.match(
      await pushed(
        `import { queryGeneric } from "convex/server"; export const q = queryGeneric(() => 1);`,
      ),
      /`q` defined in `n\.js` is a Query function\. Only actions can be defined in Node\.js\. See https:\/\/docs\.convex\.dev\/functions\/actions for more details\./,
    );
    assert.match(
      await pushed(`throw new Error("at import");`),
      /Failed to analyze n\.js: Uncaught Error: at import\n\s+at <anonymous> \(\.\.\/convex\/n\.ts:3:\d+\)/,
    );
    assert.match(
      await pushed(`await (globalThis as any).Convex.asyncSyscall("1.0/getUserIdentity", "{}");`),
      /Cannot invoke syscall during module imports/,
    );
  });

  Deno.test("the server remembers the version of Node that the project asks for", async () => {
    const response = await fetch(`${server.url}/api/get_config_hashes`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ version: "1.48.0", adminKey: server.adminKey }),
    });
    const { nodeVersion, moduleHashes } = await response.json();
    assert.equal(nodeVersion, "22");
    const node = moduleHashes.filter((module: { environment: string }) => {
      return module.environment === "node";
    });
    assert.ok(node.some(({ path }: { path: string }) => path === "work.js"));
    assert.ok(await httpClient(server).query(query("notes:list"), {}));
  });
}
