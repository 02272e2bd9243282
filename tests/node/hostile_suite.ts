// Code in a Node process that tries to reach the host gets an error, and costs that process only.
import assert from "node:assert/strict";
import { action, httpClient, LiveClient, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

/** Attacks that take a file of the host. */
const ON_FILES = [
  "readFile",
  "readFileAsync",
  "listDirectory",
  "openForWriting",
  "statFile",
  "removeFile",
  "truncate",
  "renameIn",
  "copyIn",
  "writeBeside",
  "symlink",
  "hardLink",
  "climb",
  "throughProc",
  "importFile",
  "importJson",
  "requireFile",
  "sqlite",
  "worker",
];
/** The others, with what must not be in the answer to a request that is not refused. */
const ALONE = [
  "writeOwnModule",
  "ownEnvironment",
  "parentEnvironment",
  "parentMemory",
  "remoteModule",
  "npmModule",
  "shell",
  "spawn",
  "denoCommand",
  "killParent",
  "denoKill",
  "nativeLibrary",
  "nativeAddon",
  "listen",
  "listenLocally",
  "listenHttp",
  "denoListen",
  "denoServe",
  "unixSocket",
  "udpServer",
  "inspector",
  "user",
];
const REFUSED =
  /NotCapable|[Rr]equires .* (?:access|permission)|EACCES|EPERM|ENOENT|No such built-in module|Only URLs with a scheme|ERR_ACCESS_DENIED|access denied|Access to this API has been restricted|not allowed|is not defined|Command failed|cannot listen|not (?:be )?(?:found|find|supported)|Could not find|--no-remote/;

/**
 * @param flags of the server
 * @param open attacks that what runs the actions lets through
 */
export function testNodeAttacks(flags: readonly string[], open: readonly string[] = []): void {
  let server: Server;
  Deno.test.beforeAll(async () => {
    server = await serverWithApp("tests/apps/node", { flags, env: { HOST_SECRET: "s3cret" } });
  });
  Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

  const attempt = (attack: string, target = "") =>
    httpClient(server).action(action("attacks:attempt"), { attack, target })
      .then((got: string) => got, (error: Error) => `refused: ${error.message}`);

  Deno.test("every attack has an expectation", async () => {
    const names = await httpClient(server).action(action("attacks:names"), {}) as string[];
    const expected = [...ON_FILES, ...ALONE, "requestPermission"];
    assert.deepEqual(names.toSorted(), expected.toSorted());
  });

  for (const attack of ON_FILES) {
    Deno.test(`code in Node cannot reach files of the host: ${attack}`, async () => {
      for (const target of ["/etc/passwd", `${server.dataDir}/db.sqlite`]) {
        const before = await Deno.stat(target);
        const got = await attempt(attack, target);
        assert.match(got, /^refused: /);
        assert.match(got, REFUSED);
        assert.equal((await Deno.stat(target)).ino, before.ino);
      }
      assert.deepEqual(await httpClient(server).query(query("notes:list"), {}), []);
    });
  }

  for (const attack of ALONE.filter((name) => !open.includes(name))) {
    Deno.test(`code in Node cannot leave its process: ${attack}`, async () => {
      const got = await attempt(attack);
      assert.match(got, /^refused: /);
      assert.match(got, REFUSED);
      assert.doesNotMatch(got, /s3cret/);
    });
  }

  Deno.test("nobody grants a permission that is asked for", async () => {
    assert.match(await attempt("requestPermission"), /^got denied$|Deno is not defined/);
  });

  Deno.test("memory without end costs the process, not the server", async () => {
    await using own = await serverWithApp("tests/apps/node", { flags });
    await using bystander = new LiveClient(own);
    const notes = bystander.watch("notes:list");
    await notes.until(() => true);
    await assert.rejects(
      httpClient(own).action(action("attacks:allocate"), {}),
      /JavaScript execution ran out of memory \(maximum memory usage: 512 MB\)/,
    );
    assert.equal(await httpClient(own).action(action("work:count"), {}), 1);
    assert.equal(bystander.client.connectionState().connectionCount, 1);
  });

  Deno.test("bytes that are no frames cost the process, not the server", async () => {
    await using own = await serverWithApp("tests/apps/node", { flags });
    await assert.rejects(
      httpClient(own).action(action("attacks:garbleFrames"), {}),
      /Your request couldn't be completed\. Try again later\./,
    );
    assert.equal(await httpClient(own).action(action("work:count"), {}), 1);
  });
}
