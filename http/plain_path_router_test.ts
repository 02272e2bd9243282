import assert from "node:assert/strict";
import { TrieRouter } from "hono/router/trie-router";
import { PlainPathRouter } from "./plain_path_router.ts";

const ROUTES: readonly (readonly [method: string, path: string])[] = [
  ["GET", "/api/query"],
  ["POST", "/api/query"],
  ["POST", "/api/run/*"],
  ["GET", "/files/:name"],
  ["ALL", "/files/new"],
  ["GET", "/files/new"],
];

Deno.test("every request is answered as without the memory, the first time and later", () => {
  const plain = new TrieRouter<string>();
  const remembering = new PlainPathRouter(new TrieRouter<string>());
  for (const [method, path] of ROUTES) {
    plain.add(method, path, `${method} ${path}`);
    remembering.add(method, path, `${method} ${path}`);
  }
  const paths = ["/api/query", "/api/run/a", "/api/run/*", "/files/new", "/files/a", "/", "/api"];
  for (const path of [...paths, ...paths]) {
    for (const method of ["GET", "POST", "PUT", "HEAD"]) {
      assert.deepEqual(remembering.match(method, path), plain.match(method, path));
    }
  }
});

Deno.test("only what was added is remembered, and a later route is seen", () => {
  let asked = 0;
  const inner = new TrieRouter<string>();
  const router = new PlainPathRouter<string>({
    name: "counting",
    add: (method, path, handler) => inner.add(method, path, handler),
    match: (method, path) => {
      asked++;
      return inner.match(method, path);
    },
  });
  const asks = (method: string, path: string) => {
    const before = asked;
    router.match(method, path);
    router.match(method, path);
    return asked - before;
  };
  router.add("GET", "/api/query", "query");
  router.add("GET", "/files/:name", "file");
  assert.equal(asks("GET", "/api/query"), 1);
  assert.equal(asks("MADEUP", "/api/query"), 2);
  assert.equal(asks("GET", "/files/a"), 2);
  assert.equal(asks("GET", "/unknown"), 2);
  router.add("ALL", "/api/*", "any");
  assert.equal(router.match("GET", "/api/query")[0].length, 2);
});
