import assert from "node:assert/strict";
import { UNKNOWN_CLIENT } from "../sync/client_version.ts";
import { getPath, Routes } from "./routes.ts";

function table() {
  const routes = new Routes();
  routes.add("GET", "/api/query", () => new Response("got"));
  routes.add("POST", "/api/query", () => new Response("posted"));
  routes.add("POST", "/api/run/*", (context) => new Response(getPath(context.req.raw)));
  routes.add("POST", "/files/new", () => new Response("made"));
  routes.add("GET", "/files/:name", (context) => new Response(context.req.param("name")));
  routes.add("POST", "/fails", () => {
    throw new Error("boom");
  });
  routes.add("GET", "/search", ({ req }) => Response.json([req.query("q") ?? null, req.query()]));
  return routes.build();
}

async function ask(method: string, url: string) {
  const request = new Request(`http://host${url}`, { method });
  const bindings = { client: UNKNOWN_CLIENT, clientAddress: null, isHead: method === "HEAD" };
  const response = await table()(request, bindings);
  return {
    status: response.status,
    allow: response.headers.get("allow"),
    text: await response.text(),
  };
}

Deno.test("known paths, other methods and unknown paths", async () => {
  assert.deepEqual(await ask("GET", "/api/query?x=1"), { status: 200, allow: null, text: "got" });
  assert.deepEqual(await ask("POST", "/api/query"), { status: 200, allow: null, text: "posted" });
  // The length is still to be taken.
  assert.deepEqual(await ask("HEAD", "/api/query"), { status: 200, allow: null, text: "got" });
  const wrongMethod = { status: 405, allow: "GET,POST,HEAD", text: "" };
  assert.deepEqual(await ask("DELETE", "/api/query"), wrongMethod);
  assert.deepEqual(await ask("GET", "/api/nothing"), { status: 404, allow: null, text: "" });
});

Deno.test("a path with a name of its own is no value of a parameter, whatever the method", async () => {
  assert.equal((await ask("GET", "/files/a")).text, "a");
  assert.equal((await ask("POST", "/files/new")).text, "made");
  assert.deepEqual(await ask("GET", "/files/new"), { status: 405, allow: "POST", text: "" });
});

Deno.test("paths keep their encoding and lose doubled slashes in front", async () => {
  assert.equal((await ask("POST", "//api/query")).text, "posted");
  assert.equal((await ask("POST", "/api/run/a%2Fb/c")).text, "/api/run/a%2Fb/c");
});

Deno.test("a parameter is one segment, decoded where it can be", async () => {
  assert.equal((await ask("GET", "/files/a%20b")).text, "a b");
  assert.equal((await ask("GET", "/files/50%")).text, "50%");
  assert.equal((await ask("GET", "/files/")).status, 404);
  assert.equal((await ask("GET", "/files/a/b")).status, 404);
});

Deno.test("parameters of the query string are decoded, the first of a name counts", async () => {
  const values = async (query: string) => JSON.parse((await ask("GET", `/search${query}`)).text);
  assert.deepEqual(await values("?q=a+b%26&q=c&x="), ["a b&", { q: "a b&", x: "" }]);
  assert.deepEqual(await values(""), [null, {}]);
});

Deno.test("errors of handlers reach the caller", async () => {
  await assert.rejects(ask("POST", "/fails"), /boom/);
});
