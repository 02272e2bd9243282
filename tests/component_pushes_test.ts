// What pushes change for components that are at work: handles of functions that go and come back,
// actions, jobs, crons and upload URLs of a component that is unmounted meanwhile.
import assert from "node:assert/strict";
import { App } from "./harness/app.ts";
import { action, httpClient, LiveClient, mutation, post, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

const APP = "tests/apps/component_calls";
const CONFIG = "convex/convex.config.ts";
const NOTES = "convex/box/notes.ts";
const UNMOUNTED =
  "Cannot perform write operations in an unmounted component. Make sure your component is " +
  "installed in your `convex.config.ts` file.";

type Args = Record<string, unknown>;

function callsOn(server: Server) {
  const client = httpClient(server);
  return {
    read: (path: string, args: Args = {}) => client.query(query("calls:read"), { path, args }),
    write: (path: string, args: Args = {}) =>
      client.mutation(mutation("calls:write"), { path, args }),
    act: (path: string, args: Args = {}) =>
      client.action(action("calls:act"), { kind: "action", path, args }),
    handle: (path: string) => client.query(query("calls:handle"), { path }),
  };
}

/** Pushes a file of the app with some text replaced. */
async function pushChange(
  app: App,
  server: Server,
  file: string,
  from: string | RegExp,
  to: string,
): Promise<void> {
  const before = await app.read(file);
  const after = before.replace(from, to);
  assert.notEqual(after, before, `${from} is not in ${file}`);
  await app.write(file, after);
  await app.push(server);
}

/** The mount of the component `second`, as the config has it. */
const SECOND = 'app.use(box, { name: "second" });';
const unmountSecond = (app: App, server: Server) => pushChange(app, server, CONFIG, SECOND, "");
const remountSecond = (app: App, server: Server) =>
  pushChange(app, server, CONFIG, "app.use(outer", `${SECOND}\napp.use(outer`);

async function admin(server: Server, path: string, body: unknown = {}): Promise<void> {
  const authorization = `Convex ${server.adminKey}`;
  const { status, text } = await post(server.url + path, body, { authorization });
  assert.equal(status, 200, text);
}

Deno.test("a handle is dead while its function is away, and the same one works when it is back", async () => {
  await using server = await serverWithApp(APP);
  await using app = await App.copy(APP);
  const { read, write, handle } = callsOn(server);
  const path = "first.notes.add";
  const ofFirst = await handle(path);
  const ofSecond = await handle("second.notes.add");
  const call = (text: string, target = ofFirst) =>
    write("first.notes.callBack", { handle: target, text });
  await call("before");

  await pushChange(app, server, NOTES, "export const add =", "export const addAnew =");
  await assert.rejects(call("away"), /Function handle not found/);
  await assert.rejects(
    write("first.notes.callBackLater", { handle: ofFirst, text: "away" }),
    /Function handle not found/,
  );
  await assert.rejects(handle(path), /Child component first does not export notes\.add/);

  await pushChange(app, server, NOTES, "export const addAnew =", "export const add =");
  assert.equal(await handle(path), ofFirst);
  await call("back");

  // The same when the whole component goes.
  await call("in second", ofSecond);
  await unmountSecond(app, server);
  await assert.rejects(call("away", ofSecond), /Function handle not found/);
  await call("first is still there");
  await remountSecond(app, server);
  await call("in second again", ofSecond);
  assert.deepEqual(
    (await read("first.notes.list")).filter((text: string) => text !== "tick"),
    ["before", "back", "first is still there"],
  );
  assert.deepEqual(
    (await read("second.notes.list")).filter((text: string) => text !== "tick"),
    ["in second", "in second again"],
  );
});

Deno.test("an unmounted component takes nothing: no call, write, job, file or upload", async () => {
  await using server = await serverWithApp(APP);
  await using app = await App.copy(APP);
  const { read, write, act } = callsOn(server);
  const kept = await act("second.files.store", { text: "kept" });
  const url = await read("second.files.url", { id: kept });
  const uploadUrl = await write("second.files.uploadUrl");
  await write("second.notes.add", { text: "kept" });

  const arrived = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  await using gate = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
    arrived.resolve();
    await released.promise;
    return new Response();
  });
  const late = act("second.late.writeAfter", {
    url: `http://127.0.0.1:${gate.addr.port}`,
    file: kept,
  });
  await arrived.promise;
  await unmountSecond(app, server);
  released.resolve();
  const { schedule, store, remove, ...calls } = await late;
  assert.deepEqual({ schedule, store, remove }, {
    schedule: UNMOUNTED,
    store: UNMOUNTED,
    remove: UNMOUNTED,
  });
  for (const message of Object.values(calls)) assert.match(String(message), /^Could/);
  const refused = await post(uploadUrl, "late");
  assert.equal(refused.status, 400, refused.text);
  assert.equal(refused.json.code, "UnmountedComponent");
  await assert.rejects(write("second.notes.add", { text: "late" }), /second not found/);
  assert.equal(await (await fetch(url)).text(), "kept");

  await remountSecond(app, server);
  assert.deepEqual(await read("second.files.all"), [kept]);
  assert.deepEqual(await read("second.notes.jobs"), []);
  const texts: string[] = await read("second.notes.list");
  assert.deepEqual(texts.filter((text) => text !== "tick"), ["kept"]);
  // The old address is good again.
  assert.equal((await post(uploadUrl, "on time")).status, 200);
  assert.equal((await read("second.files.all")).length, 2);

  // Deleted for good, it takes nothing either.
  await unmountSecond(app, server);
  const componentId = new URL(url).searchParams.get("component");
  await admin(server, "/api/delete_component", { componentId });
  const gone = await post(uploadUrl, "late");
  assert.deepEqual([gone.status, gone.json.code], [401, "InvalidStorageToken"]);
  assert.equal((await fetch(url)).status, 404);
});

Deno.test("a job that is due while its component is unmounted fails", async () => {
  await using server = await serverWithApp(APP);
  await using app = await App.copy(APP);
  const { read, write } = callsOn(server);
  await write("second.notes.addLater", { text: "too late", delayMs: 3000 });
  await write("first.notes.addLater", { text: "on time", delayMs: 3000 });
  // Nothing runs until both the push and the time of the jobs have passed.
  await admin(server, "/api/v1/pause_deployment");
  await unmountSecond(app, server);
  await admin(server, "/api/v1/unpause_deployment");
  await using live = new LiveClient(server);
  const ofFirst = live.watch("calls:read", { path: "first.notes.jobs", args: {} });
  await ofFirst.until((jobs) => (jobs as string[][])[0]?.[1] === "success");
  await remountSecond(app, server);
  const ofSecond = live.watch("calls:read", { path: "second.notes.jobs", args: {} });
  await ofSecond.until((jobs) => (jobs as string[][])[0]?.[1] === "failed");
  assert.ok(!(await read("second.notes.list")).includes("too late"));
});

Deno.test("crons of each instance change, end and begin with pushes", async () => {
  await using server = await serverWithApp(APP);
  await using app = await App.copy(APP);
  await using live = new LiveClient(server);
  const { read, write } = callsOn(server);
  const count = (texts: unknown, text: string) =>
    (texts as string[]).filter((each) => each === text).length;
  const notes = (component: string) =>
    live.watch("calls:read", { path: `${component}.notes.list`, args: {} });
  const [first, second] = [notes("first"), notes("second")];
  for (const each of [first, second]) await each.until((texts) => count(texts, "tick") === 1);

  const cron = /"tick",\s*\{ hours: 1 \}/;
  const file = "convex/box/crons.ts";
  await pushChange(app, server, file, '{ text: "tick" }', '{ text: "tock" }');
  await pushChange(app, server, file, cron, '"tick", { seconds: 1 }');
  for (const each of [first, second]) {
    await each.until((texts) => count(texts, "tock") >= 3, 30_000);
  }

  second.stop();
  await unmountSecond(app, server);
  const before = count(await read("first.notes.list"), "tock");
  await first.until((texts) => count(texts, "tock") >= before + 2, 30_000);
  await remountSecond(app, server);
  const again = notes("second");
  const atRemount = count(await again.until(Array.isArray), "tock");
  await again.until((texts) => count(texts, "tock") >= atRemount + 2, 30_000);

  await app.remove(file);
  await app.push(server);
  // The job is the clock that shows that no cron job runs any more.
  await write("first.notes.addLater", { text: "without crons", delayMs: 0 });
  await first.until((texts) => count(texts, "without crons") === 1);
  await write("first.notes.addLater", { text: "later", delayMs: 2500 });
  const texts = await first.until((texts) => count(texts, "later") === 1) as string[];
  assert.deepEqual(texts.slice(texts.indexOf("without crons")), ["without crons", "later"]);
});
