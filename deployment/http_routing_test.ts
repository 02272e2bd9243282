import assert from "node:assert/strict";
import { routeRequest, type RoutingNode } from "./http_routing.ts";

function node(component: string, parts: Partial<RoutingNode> = {}): RoutingNode {
  return { component, httpPrefix: null, routes: null, mounts: [], ...parts };
}

const get = (...paths: string[]) => paths.map((path) => ({ path, method: "GET" }));

const leaf = node("leaf", { routes: get("/deep") });
const child = node("child", { routes: get("/hello", "/leaf/*"), mounts: [["/leaf/", leaf]] });
const bare = node("bare", { mounts: [["/only/", leaf]] });
const app = node("", {
  routes: get("/child/exact", "/x/*", "/x/child/longer/*"),
  mounts: [["/child/", child], ["/x/child/", child], ["/bare/", bare]],
});

Deno.test("the longest match answers: an exact route, a prefix route, or a mount and what is below", () => {
  const cases: [string, string, string | null][] = [
    ["/", "", "/"],
    ["/child", "", "/child"],
    ["/child/", "child", "/"],
    ["/child/hello", "child", "/hello"],
    ["/child/exact", "", "/child/exact"],
    ["/child/exact/", "child", "/exact/"],
    // A mount wins over a prefix route of the same length, at each level.
    ["/child/leaf/deep", "leaf", "/deep"],
    ["/x/other", "", "/x/other"],
    ["/x/child/hello", "child", "/hello"],
    ["/x/child/longer/hello", "", "/x/child/longer/hello"],
    ["/bare/only/deep", "leaf", "/deep"],
    ["/bare/none", "bare", "/none"],
    ["/childish/hello", "", "/childish/hello"],
  ];
  for (const [path, component, routed] of cases) {
    assert.deepEqual(routeRequest(app, "GET", path), { component, path: routed }, path);
  }
});

Deno.test("routes of another method do not compete with mounts", () => {
  assert.deepEqual(routeRequest(app, "POST", "/child/exact"), {
    component: "child",
    path: "/exact",
  });
});

Deno.test("the app's prefix is taken off for its own routes alone", () => {
  const prefixed = { ...app, httpPrefix: "/app/" };
  const route = (path: string) => routeRequest(prefixed, "GET", path);
  assert.deepEqual(route("/app/child/exact"), { component: "", path: "/child/exact" });
  assert.deepEqual(route("/app/child/hello"), { component: "", path: "/child/hello" });
  assert.deepEqual(route("/child/hello"), { component: "child", path: "/hello" });
  assert.deepEqual(route("/child/exact"), { component: "child", path: "/exact" });
  assert.deepEqual(route("/y"), { component: "", path: null });
  const alone = node("", { routes: get("/a"), httpPrefix: "/app/" });
  assert.deepEqual(routeRequest(alone, "GET", "/app/a"), { component: "", path: "/a" });
  assert.deepEqual(routeRequest(alone, "GET", "/a"), { component: "", path: null });
});
