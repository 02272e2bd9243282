// Starting and stopping: flags, environment variables, errors in one clear line, exit codes.
import assert from "node:assert/strict";
import { App } from "./harness/app.ts";
import { httpClient, mutation } from "./harness/clients.ts";
import { readAdminKey, runMain, Server, spawnMain } from "./harness/server.ts";

async function temporary(): Promise<AsyncDisposable & { dir: string }> {
  const dir = await Deno.makeTempDir({ prefix: "concave-start-" });
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** Checks the exit code, and that the error is one line that a person can act on. */
async function failsWith(
  code: number,
  message: RegExp,
  args: string[],
  env: Record<string, string> = {},
): Promise<void> {
  const result = await runMain(args, env);
  assert.equal(result.code, code, `${args.join(" ")}\n${result.stderr}`);
  assert.match(result.stderr, message);
  assert.equal(result.stderr.trim().split("\n").length, 1, result.stderr);
  assert.doesNotMatch(result.stderr, /\bat .*\.ts:\d+/);
}

Deno.test("mistakes in flags and variables: one line, exit code 2", async () => {
  await using data = await temporary();
  const start = ["start", "--data-dir", data.dir];
  await failsWith(2, /--nonsense/, [...start, "--nonsense"]);
  await failsWith(2, /--port/, [...start, "--port", "eighty"]);
  await failsWith(2, /--port/, [...start, "--port", "70000"]);
  await failsWith(2, /--url/, [...start, "--url", "not a url"]);
  await failsWith(2, /--isolates/, [...start, "--isolates", "-1"]);
  await failsWith(2, /fly/, ["fly"]);
  await failsWith(2, /CONCAVE_PORT/, start, { CONCAVE_PORT: "eighty" });
});

Deno.test("a server starts, takes a push and runs functions where Deno's cache is new", async () => {
  await using cache = await temporary();
  await using app = await App.copy("tests/apps/bank");
  await using server = await Server.start({ env: { DENO_DIR: cache.dir } });
  await app.push(server);
  const opened = await httpClient(server).mutation(mutation("bank:open"), {
    first: 0,
    count: 2,
    balance: 1,
  });
  assert.equal(opened.length, 2);
});

Deno.test("the first start makes a private directory and prints what a person needs", async () => {
  await using parent = await temporary();
  const dataDir = `${parent.dir}/data`;
  await using server = await Server.start({ dataDir });
  assert.equal((await Deno.stat(dataDir)).mode! & 0o777, 0o700);
  const key = await readAdminKey(dataDir);
  assert.match(key, /^[^|:]+\|[^|:]+$/);
  for (
    const line of [
      server.url,
      server.siteUrl,
      `CONVEX_SELF_HOSTED_URL=`,
      `CONVEX_SELF_HOSTED_ADMIN_KEY=`,
      key,
    ]
  ) {
    assert.ok(server.output.includes(line), `${line} is missing in:\n${server.output}`);
  }
  const secrets = [];
  for await (const entry of Deno.readDir(dataDir)) {
    const { mode, isFile } = await Deno.stat(`${dataDir}/${entry.name}`);
    if (isFile && /secret/.test(entry.name)) secrets.push(mode! & 0o777);
  }
  assert.deepEqual(secrets, [0o600]);
  assert.equal(await server.stop("SIGINT"), 0);
});

Deno.test("limits from a file, and how near functions came to them", async () => {
  await using data = await temporary();
  const file = `${data.dir}/limits.json`;
  const start = ["start", "--data-dir", `${data.dir}/data`, "--limits", file];
  await failsWith(2, /cannot read the limits file/, start);
  await Deno.writeTextFile(file, '{"documentsReed": 1}');
  await failsWith(2, /unknown limit: documentsReed/, start);
  await Deno.writeTextFile(file, '{"documentsRead": 123, "tables": 2}');

  await using server = await Server.start({ flags: ["--limits", file] });
  const url = `${server.url}/api/concave/limits`;
  const refused = await fetch(url);
  await refused.body?.cancel();
  assert.ok(refused.status === 401 || refused.status === 403, `status ${refused.status}`);
  const response = await fetch(url, { headers: { authorization: `Convex ${server.adminKey}` } });
  const { limits } = await response.json();
  assert.deepEqual(limits.documentsRead, { limit: 123, unit: "documents", highest: null });
  assert.deepEqual(limits.tables, { limit: 2, unit: "tables", highest: null });
  assert.deepEqual(limits.documentNesting, { limit: 16, unit: "levels", highest: null });
  assert.deepEqual(limits.userTimeMs, { limit: 1000, unit: "milliseconds", highest: null });
  assert.deepEqual(limits.indexesPerTable, { limit: 64, unit: "indexes", isFixed: true });
  assert.deepEqual(limits.arrayLength, { limit: 8192, unit: "elements", isFixed: true });
});

Deno.test("a busy port", async () => {
  await using data = await temporary();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String((listener.addr as Deno.NetAddr).port);
  await failsWith(1, new RegExp(port), ["start", "--data-dir", data.dir, "--port", port]);
});

Deno.test("a data directory in use by another server", async () => {
  await using server = await Server.start();
  await failsWith(1, /in use/, [
    "start",
    "--data-dir",
    server.dataDir,
    "--port",
    "0",
    "--site-port",
    "0",
  ]);
  const health = await fetch(`${server.url}/version`);
  assert.equal(health.status, 200);
  await health.body?.cancel();
});

Deno.test("a foreign file, and a damaged one, in place of the database", async () => {
  await using server = await Server.start();
  assert.equal(await server.stop(), 0);
  const file = `${server.dataDir}/db.sqlite`;
  const start = ["start", "--data-dir", server.dataDir, "--port", "0", "--site-port", "0"];
  await Deno.writeTextFile(file, "This is a letter to my aunt. ".repeat(500));
  await failsWith(1, /db\.sqlite/, start);
  await Deno.remove(file);
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file);
  database.exec("CREATE TABLE letters(body TEXT)");
  database.close();
  await failsWith(1, /db\.sqlite/, start);
});

Deno.test("flags win over variables; the public URLs reach the clients", async () => {
  await using server = await Server.start({
    flags: ["--url", "https://api.example.com", "--instance-name", "my-instance"],
    env: { CONCAVE_SITE_URL: "https://site.example.com", CONCAVE_INSTANCE_NAME: "other" },
  });
  const response = await fetch(`${server.url}/api/v1/get_canonical_urls`, {
    headers: { authorization: `Convex ${server.adminKey}` },
  });
  assert.deepEqual(await response.json(), {
    convexCloudUrl: "https://api.example.com",
    convexSiteUrl: "https://site.example.com",
  });
  assert.equal(await (await fetch(`${server.url}/instance_name`)).text(), "my-instance");
});

Deno.test("the status page names the server, not its secrets", async () => {
  await using server = await Server.start();
  const page = await (await fetch(server.url)).text();
  assert.match(page, /running/i);
  assert.ok(!page.includes(server.adminKey));
  assert.doesNotMatch(server.output.replaceAll(/.*ADMIN_KEY.*/g, ""), /secret=|\bBearer /);
});

Deno.test("SIGTERM in the middle of work ends the server cleanly in time", async () => {
  await using server = await Server.start();
  const started = Date.now();
  assert.equal(await server.stop("SIGTERM"), 0);
  assert.ok(Date.now() - started < 6_000);
  await server.restart();
});

Deno.test("--log-format json prints one object a line", async () => {
  await using data = await temporary();
  const { process, output } = spawnMain(
    ["start", "--data-dir", data.dir, "--port", "0", "--site-port", "0", "--log-format", "json"],
  );
  await output.waitFor(/ready/, 30_000);
  process.kill("SIGTERM");
  assert.equal((await process.status).code, 0);
  for (const line of output.text.split("\n").filter((line) => line.startsWith("{"))) {
    assert.equal(typeof JSON.parse(line), "object");
  }
  await output.closed;
});

Deno.test("--help names the commands", async () => {
  const help = await runMain(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /start/);
  assert.match(help.stdout, /admin-key/);
});

Deno.test("a test whose port is taken in the last moment gets another one", async () => {
  const { listen } = Deno;
  let rival: Deno.Listener | null = null;
  // The first port that is found free is taken as soon as it was let go.
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const probe = listen(options);
    if (rival !== null) return probe;
    return {
      close: () => {
        probe.close();
        rival = listen(options);
      },
    };
  }) as typeof Deno.listen;
  try {
    await using server = await Server.start();
    const { port } = rival!.addr as Deno.NetAddr;
    assert.notEqual(server.port, port);
    assert.equal((await fetch(`${server.url}/version`)).status, 200);
  } finally {
    Deno.listen = listen;
    rival!.close();
  }
});
