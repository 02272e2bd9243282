// What surrounds `"use node"` actions: crons, signed-in users, the function log, limits that the
// operator sets and sees, the network, and processes that hang.
import assert from "node:assert/strict";
import { App } from "./harness/app.ts";
import { action, httpClient, LiveClient } from "./harness/clients.ts";
import { logEntries } from "./harness/function_log.ts";
import { OidcProvider } from "./harness/oidc_provider.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import { fromRepository, Server } from "./harness/server.ts";
import { setVariables } from "./harness/variables.ts";

const APP = "tests/apps/node";
const run = (server: Server, name: string, args: Record<string, unknown> = {}) =>
  httpClient(server).action(action(name), args);

async function highestUses(server: Server): Promise<Record<string, { highest: number | null }>> {
  const headers = { authorization: `Convex ${server.adminKey}` };
  return (await (await fetch(`${server.url}/api/concave/limits`, { headers })).json()).limits;
}

/** A site that tells what was asked of it. */
function site(port = 0) {
  const asked: string[] = [];
  const http = Deno.serve({ port, hostname: "127.0.0.1", onListen() {} }, (request) => {
    asked.push(new URL(request.url).pathname);
    return new Response("from elsewhere");
  });
  const url = `http://127.0.0.1:${http.addr.port}/`;
  return { asked, url, port: http.addr.port, [Symbol.asyncDispose]: () => http.shutdown() };
}

Deno.test("a cron runs an action in Node, and users who sign in are known there", async () => {
  await using provider = await OidcProvider.start();
  await using server = await Server.start();
  await setVariables(server, { PROVIDER_URL: provider.url });
  await using app = await App.copy(APP);
  await app.write(
    "convex/auth.config.ts",
    `export default { providers: [{ domain: process.env.PROVIDER_URL, applicationID: "app" }] };`,
  );
  await app.write(
    "convex/crons.ts",
    `import { cronJobs, makeFunctionReference } from "convex/server";
     const crons = cronJobs();
     crons.interval("note", { seconds: 1 }, makeFunctionReference("work:note"), { text: "cron" });
     export default crons;`,
  );
  await app.push(server);
  const client = httpClient(server);
  client.setAuth(await provider.signIn("grace"));
  assert.deepEqual(await client.action(action("work:who"), {}), {
    issuer: provider.url,
    subject: "grace",
    tokenIdentifier: `${provider.url}|grace`,
    email: "grace@example.com",
    emailVerified: true,
  });
  await using live = new LiveClient(server);
  const notes = live.watch("notes:list");
  await notes.until((list) => (list as string[]).length >= 2);
});

Deno.test("the log says which runtime ran a function", async () => {
  await using server = await serverWithApp(APP);
  await run(server, "work:hash", { text: "a" });
  await run(server, "notes:shout", { text: "a" });
  const entries = (await logEntries(server)).filter(({ kind }) => kind === "Completion");
  assert.deepEqual(entries.map(({ identifier, environment }) => [identifier, environment]), [
    ["work:hash", "node"],
    ["notes:shout", "isolate"],
  ]);
});

Deno.test("operators see how near actions in Node came to their limits", async () => {
  await using server = await serverWithApp(APP);
  await run(server, "work:context", { text: "n" });
  await assert.rejects(run(server, "work:tooManyOperations"));
  await run(server, "work:takeArgs", { text: "x".repeat(1000) });
  const uses = await highestUses(server);
  assert.equal(uses.nodeOperations!.highest, 1000);
  assert.ok(uses.nodeArgsBytes!.highest! > 1000);
  assert.ok(uses.nodeHeapMebibytes!.highest! > 0 && uses.nodeHeapMebibytes!.highest! < 512);
});

Deno.test("temporary files have a limit; a new process has none of them", async () => {
  await using server = await serverWithApp(APP, { limits: { nodeTemporaryMebibytes: 20 } });
  await assert.rejects(
    run(server, "work:fillsDirectory"),
    /Temporary files take too much space \(maximum 20 MiB for all actions that run in Node\.js\)/,
  );
  assert.equal((await run(server, "work:files") as { writes: number }).writes, 0);
});

Deno.test("what worker threads print costs nobody anything", async () => {
  await using server = await serverWithApp(APP);
  assert.equal(await run(server, "work:count"), 1);
  assert.equal(await run(server, "work:printsAround"), "went on");
  assert.equal(await run(server, "work:count"), 2);
});

Deno.test("a process that an action keeps busy gets no more actions", async () => {
  await using server = await serverWithApp(APP, { limits: { nodeActionTimeMs: 15_000 } });
  assert.equal(await run(server, "work:count"), 1);
  const spinning = run(server, "work:spin").then(() => "done", () => "failed");
  // The first of these still meet the busy process and wait for it; a later one has another.
  const elsewhere = Promise.withResolvers<string>();
  const counting = setInterval(() => {
    run(server, "work:count").then(
      (count) => count === 1 && elsewhere.resolve("counted"),
      () => {},
    );
  }, 500);
  assert.equal(await Promise.race([elsewhere.promise, spinning]), "counted");
  clearInterval(counting);
  assert.equal(await spinning, "failed");
});

Deno.test("actions in Node connect neither where the operator forbids it nor through his proxy", async () => {
  await using open = site();
  await using closed = site();
  const proxy = "http://127.0.0.1:9";
  await using server = await serverWithApp(APP, {
    flags: ["--deny-net", `127.0.0.1:${closed.port}`],
    env: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy },
  });
  assert.deepEqual(await run(server, "work:download", { url: open.url }), [200, "from elsewhere"]);
  const byName = `http://localhost:${closed.port}/`;
  for (const url of [closed.url, byName]) {
    await assert.rejects(run(server, "work:download", { url }));
    await assert.rejects(run(server, "work:fetches", { url }));
  }
  assert.equal(await run(server, "work:fetches", { url: open.url }), "from elsewhere");
  assert.deepEqual(closed.asked, []);
});

Deno.test("actions in Node have no private addresses where the operator forbids them", async () => {
  await using closed = site();
  await using server = await serverWithApp(APP, { flags: ["--deny-net", "private"] });
  const hosts = ["127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]"];
  for (const host of hosts) {
    const url = `http://${host}:${closed.port}/`;
    await assert.rejects(run(server, "work:download", { url }));
    await assert.rejects(run(server, "work:fetches", { url }));
  }
  assert.deepEqual(closed.asked, []);
  // What it does besides goes on.
  assert.equal(await run(server, "work:count"), 1);
});

Deno.test("a package that cannot be installed stops the push", async () => {
  await using server = await Server.start();
  await using app = await App.create({
    "convex.json": JSON.stringify({ node: { externalPackages: ["nanoid"] } }),
    "convex/ids.ts": `"use node";
      import { nanoid } from "nanoid";
      import { actionGeneric as action } from "convex/server";
      export const id = action({ handler: async () => nanoid() });`,
  });
  await app.remove("node_modules");
  await app.write(
    "package.json",
    '{"name":"app","private":true,"dependencies":{"convex":"1.48.0","nanoid":"0.0.9999"}}',
  );
  await app.write(
    "node_modules/nanoid/package.json",
    '{"name":"nanoid","version":"0.0.9999","main":"index.js"}',
  );
  await app.write("node_modules/nanoid/index.js", "exports.nanoid = () => 1;");
  const installed = await Deno.realPath(fromRepository("node_modules/convex"));
  await Deno.symlink(installed, `${app.dir}/node_modules/convex`);
  await assert.rejects(
    app.push(server),
    /InvalidExternalModules[\s\S]*Could not find npm package 'nanoid' matching '0\.0\.9999'/,
  );
});
