// Components in a pushed app: calls, files, jobs, HTTP routes and variables of instances of one
// definition, three levels deep, and what they must not reach.
import assert from "node:assert/strict";
import { action, httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { logEntries } from "./harness/function_log.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";
import { setVariables } from "./harness/variables.ts";
import { until } from "./harness/until.ts";

const APP = "tests/apps/component_calls";

type Args = Record<string, unknown>;

function callsOn(server: Server) {
  const client = httpClient(server);
  return {
    read: (path: string, args: Args = {}) => client.query(query("calls:read"), { path, args }),
    write: (path: string, args: Args = {}) =>
      client.mutation(mutation("calls:write"), { path, args }),
    act: (kind: string, path: string, args: Args = {}) =>
      client.action(action("calls:act"), { kind, path, args }),
    query: (name: string, args: Args = {}) => client.query(query(name), args),
    mutation: (name: string, args: Args = {}) => client.mutation(mutation(name), args),
    action: (name: string, args: Args = {}) => client.action(action(name), args),
  };
}

const without = (texts: string[], text: string) => texts.filter((each) => each !== text);

Deno.test("calls reach instances of one definition, from each kind of function", async () => {
  await using server = await serverWithApp(APP);
  const { read, write, act, mutation } = callsOn(server);
  await write("first.notes.add", { text: "by a mutation" });
  await act("mutation", "first.notes.add", { text: "by an action" });
  await mutation("calls:write", { path: "outer.calls.addInside", args: { text: "deep" } });
  const texts = without(await read("first.notes.list"), "tick");
  assert.deepEqual(texts, ["by a mutation", "by an action"]);
  assert.deepEqual(without(await read("second.notes.list"), "tick"), []);
  assert.deepEqual(without(await read("outer.calls.listInside"), "tick"), ["deep"]);

  const where = {
    name: "notes:where",
    type: "query",
    visibility: "public",
    hidden: null,
    shared: null,
    user: null,
  };
  assert.deepEqual(await read("first.notes.where"), {
    ...where,
    componentPath: "first",
    kind: "literal",
    site: `${server.siteUrl}/first`,
  });
  assert.deepEqual(await read("outer.calls.whereInside"), {
    ...where,
    componentPath: "outer/inner",
    kind: "of outer",
    site: `${server.siteUrl}/outer/inner`,
  });
  const { texts: seen, ...inAction } = await act("action", "first.notes.whereInAction");
  assert.deepEqual(without(seen, "tick"), texts);
  assert.deepEqual(inAction, {
    name: "notes:whereInAction",
    type: "action",
    visibility: "public",
    componentPath: "first",
    kind: "literal",
    shared: null,
    site: `${server.siteUrl}/first`,
    user: null,
  });
});

Deno.test("a live query sees what a component writes, and the app's variable change", async () => {
  await using server = await serverWithApp(APP);
  await using live = new LiveClient(server);
  const { write } = callsOn(server);
  const list = live.watch("calls:read", { path: "second.notes.list", args: {} });
  const where = live.watch("calls:read", { path: "first.notes.where", args: {} });
  await list.until((texts) => Array.isArray(texts));
  await where.until((found) => (found as { shared: unknown }).shared === null);
  await write("second.notes.add", { text: "new" });
  await list.until((texts) => (texts as string[]).includes("new"));
  await setVariables(server, { APP_KEY: "secret" });
  await where.until((found) => (found as { shared: unknown }).shared === "secret");
  assert.equal((where.results.at(-1) as { hidden: unknown }).hidden, null);
});

Deno.test("a component's failure undoes what it wrote and scheduled, and can be caught", async () => {
  await using server = await serverWithApp(APP);
  const { read, mutation, query } = callsOn(server);
  const failure = { path: "first.notes.addAndFail", args: { text: "lost" } };
  const message = await mutation("calls:attempt", failure);
  assert.match(message, /^Uncaught Error: the box is full\n {4}at handler \(.*notes\.ts:\d+/);
  await assert.rejects(mutation("calls:write", failure), /the box is full/);
  assert.deepEqual(without(await read("first.notes.list"), "tick"), []);
  assert.deepEqual(await read("first.notes.jobs"), []);
  assert.deepEqual(await query("calls:jobs"), []);
});

Deno.test("log lines of a component carry its path", async () => {
  await using server = await serverWithApp(APP);
  const { write, act } = callsOn(server);
  await write("outer.calls.addInside", { text: "deep" });
  await act("mutation", "second.notes.add", { text: "own" });
  const entries = await logEntries(server);
  const outer = entries.find(({ identifier }) => identifier === "calls:write")!;
  assert.equal(outer.componentPath, null);
  assert.deepEqual(
    outer.logLines.map(({ messages, udfPath, ...line }) => [
      ...messages,
      (line as { componentPath?: string }).componentPath,
      udfPath,
    ]),
    [["'adding'", "'deep'", "outer/inner", "notes.js:add"]],
  );
  const own = entries.find(({ identifier }) => identifier === "notes:add")!;
  assert.equal(own.componentPath, "second");
});

Deno.test("handles lead back into the app, at once and later, and stay the same", async () => {
  await using server = await serverWithApp(APP);
  const { read, write, query, action } = callsOn(server);
  const handle = await query("calls:ownHandle");
  await write("first.notes.callBack", { handle, text: "at once" });
  await write("first.notes.callBackLater", { handle, text: "later" });
  await until(async () => (await query("calls:kept")).length === 2);
  assert.deepEqual(await query("calls:kept"), ["at once", "later"]);
  // The job was the component's, its target the app's.
  assert.deepEqual(await query("calls:jobs"), []);
  await until(async () => (await read("first.notes.jobs"))[0]?.[1] === "success");
  assert.deepEqual(await read("first.notes.jobs"), [["calls.js:keep", "success"]]);

  const path = "first.notes.add";
  const ofFirst = await query("calls:handle", { path });
  assert.equal(await action("calls:handleFromAction", { path }), ofFirst);
  assert.notEqual(await query("calls:handle", { path: "second.notes.add" }), ofFirst);
  // An internal function of `first`, called by `second` with the handle that `first` made.
  const inner = await read("first.notes.handleOfAdd");
  await write("second.notes.callBack", { handle: inner, text: "through second" });
  assert.ok((await read("first.notes.list")).includes("through second"));
});

Deno.test("functions of components are scheduled by reference; each component cancels its own", async () => {
  await using server = await serverWithApp(APP);
  const { read, write, query, mutation, action } = callsOn(server);
  const path = "first.notes.add";
  await mutation("calls:schedule", { path, args: { text: "scheduled" } });
  await action("calls:scheduleFromAction", { path, args: { text: "from an action" } });
  await until(async () => without(await read("first.notes.list"), "tick").length === 2);
  await until(async () =>
    (await query("calls:jobs")).every(([, state]: string[]) => state === "success")
  );
  assert.deepEqual(await query("calls:jobs"), [
    ["notes.js:add", "success"],
    ["notes.js:add", "success"],
  ]);
  const job = await write("first.notes.addLater", { text: "never", delayMs: 3_600_000 });
  await write("second.notes.cancel", { job });
  assert.deepEqual(await read("first.notes.jobs"), [["notes.js:addInternally", "pending"]]);
  await write("first.notes.cancel", { job });
  assert.deepEqual(await read("first.notes.jobs"), [["notes.js:addInternally", "canceled"]]);
});

Deno.test("the crons of each instance run in it", async () => {
  await using server = await serverWithApp(APP);
  const { read } = callsOn(server);
  for (const path of ["first.notes.list", "second.notes.list", "outer.calls.listInside"]) {
    await until(async () => (await read(path)).includes("tick"));
  }
});

Deno.test("files are the component's own, also in their URLs", async () => {
  await using server = await serverWithApp(APP);
  const { read, write, act } = callsOn(server);
  const id = await act("action", "first.files.store", { text: "stored" });
  const url = await read("first.files.url", { id });
  assert.match(url, /\/api\/storage\/[0-9a-f-]{36}\?component=[a-z0-9]+$/);
  assert.equal(await (await fetch(url)).text(), "stored");
  const withoutComponent = await fetch(url.slice(0, url.indexOf("?")));
  assert.equal(withoutComponent.status, 404);
  await withoutComponent.body?.cancel();
  const uploadUrl = await write("second.files.uploadUrl");
  const upload = await fetch(uploadUrl, { method: "POST", body: "uploaded" });
  const { storageId } = await upload.json();
  assert.deepEqual(await read("second.files.all"), [storageId]);
  assert.deepEqual(await read("first.files.all"), [id]);

  // Nobody else finds them, or deletes them.
  assert.equal(await read("second.files.url", { id }), null);
  assert.equal(await act("action", "second.files.load", { id }), null);
  assert.equal(await act("action", "first.files.load", { id }), "stored");
  await assert.rejects(write("second.files.remove", { id }), /storage id .* not found/);
  await write("first.files.remove", { id });
  const gone = await fetch(url);
  assert.equal(gone.status, 404);
  await gone.body?.cancel();
});

Deno.test("requests below a mount go to the component's own routes", async () => {
  await using server = await serverWithApp(APP);
  const { read } = callsOn(server);
  const get = async (path: string) => {
    const response = await fetch(server.siteUrl + path);
    return [response.status, await response.text()] as const;
  };
  for (const [prefix, componentPath] of [["/first", "first"], ["/outer/inner", "outer/inner"]]) {
    const [status, body] = await get(`${prefix}/describe`);
    assert.equal(status, 200, body);
    const described = JSON.parse(body);
    assert.equal(described.url, `${prefix}/describe`);
    assert.equal(described.where.componentPath, componentPath);
    assert.equal(described.user, null);
  }
  const post = async (path: string, text: string) =>
    await (await fetch(server.siteUrl + path, { method: "POST", body: text })).text();
  assert.equal(await post("/first/tree/leaf", "leaf"), "kept leaf");
  assert.equal(await post("/first/tree/own", "own"), "the app's own");
  assert.deepEqual(without(await read("first.notes.list"), "tick"), ["leaf"]);
  assert.deepEqual(await get("/first"), [404, "No matching routes found"]);
  assert.deepEqual(await get("/first/none"), [404, "No matching routes found"]);
  const nobody = "This Convex deployment does not have HTTP actions enabled.";
  assert.deepEqual(await get("/outer/none"), [404, nobody]);
  // `second` is not mounted.
  assert.deepEqual(await get("/second/describe"), [404, "No matching routes found"]);
  const entries = await logEntries(server);
  const logged = entries.filter(({ identifier }) => identifier === "GET /describe");
  assert.deepEqual(logged.map(({ componentPath }) => componentPath), ["first", "outer/inner"]);
});

Deno.test("nobody reaches past the next component, and clients reach none", async () => {
  await using server = await serverWithApp(APP);
  const { read, write, query, action } = callsOn(server);
  for (const child of ["first", "second", "outer", "calls"]) {
    assert.equal(await write("outer.calls.reach", { child }), `Child component ${child} not found`);
  }
  await assert.rejects(
    write("outer.inner.notes.add", { text: "x" }),
    /Child component outer does not export inner\.notes\.add/,
  );
  await assert.rejects(
    write("first.notes.addInternally", { text: "x" }),
    /Child component first does not export notes\.addInternally/,
  );
  await assert.rejects(
    action("calls:act", { kind: "query", path: "first.notes.gone", args: {} }),
    /Couldn't resolve first\.notes\.gone/,
  );
  // Ids of another instance of the same definition are nobody's, though the numbers are equal.
  const id = await write("first.notes.add", { text: "first's" });
  assert.equal((await read("first.notes.get", { id })).text, "first's");
  assert.equal(await read("second.notes.get", { id }), null);
  await assert.rejects(query("notes:list"), /Could not find public function for 'notes:list'/);
  for (const componentPath of ["first", "outer/inner"]) {
    const response = await fetch(`${server.url}/api/function`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ path: "notes:list", args: {}, componentPath }),
    });
    assert.equal((await response.json()).code, "BadDeployKey");
  }
});
