// The routing table of the API: Hono with what it leaves open, the answer to a known path with the
// wrong method (405 with `allow`) and to an unknown path (404), both with an empty body. Hono calls
// the only handler of a path at once, and several through a chain of promises: the hot paths have one.

import { type Context, Hono } from "hono";
import { TrieRouter } from "hono/router/trie-router";
import type { ClientVersion } from "../sync/client_version.ts";
import { PlainPathRouter } from "./plain_path_router.ts";

/** What the edge knows about a request besides the request itself. */
export interface RequestBindings {
  readonly client: ClientVersion;
  /** What a trusted proxy says, else the address of the peer. */
  readonly clientAddress: string | null;
  /** GET whose answer is wanted without its body. */
  readonly isHead: boolean;
}

export type RequestContext = Context<{ Bindings: RequestBindings }>;
export type Handler = (context: RequestContext) => Response | Promise<Response>;
export type Method = "GET" | "POST" | "PUT" | "DELETE" | "PATCH";

/** Errors of handlers are thrown or reject the promise. */
export type Route = (
  request: Request,
  bindings: RequestBindings,
) => Response | Promise<Response>;

export class Routes {
  readonly #paths = new Map<string, Map<Method, Handler>>();

  /** Of two paths that match a request, the one that was added first answers, whatever the method. */
  add(method: Method, path: string, handler: Handler): void {
    let handlers = this.#paths.get(path);
    if (handlers === undefined) this.#paths.set(path, handlers = new Map());
    handlers.set(method, handler);
  }

  /** The finished table. */
  build(): Route {
    const app = new Hono<{ Bindings: RequestBindings }>({
      getPath,
      router: new PlainPathRouter(new TrieRouter()),
    });
    const known = new TrieRouter<{ allow: string; path: string }>();
    for (const [path, handlers] of this.#paths) {
      const methods = [...handlers.keys()];
      const allow = (methods.includes("GET") ? [...methods, "HEAD"] : methods).join(",");
      known.add("ALL", path, { allow, path });
    }
    for (const [path, handlers] of this.#paths) {
      for (const [method, handler] of handlers) app.on(method, path, handler);
      const matches = known.match("ALL", path)[0];
      const [{ allow }] = matches.find(([match]) => match.path === path)!;
      // Without this, a pattern that comes later would take the methods that the path does not have.
      if (matches.length > 1) app.all(path, () => wrongMethod(allow));
    }
    app.notFound(({ req }) => {
      const match = known.match("ALL", getPath(req.raw))[0][0];
      return match === undefined
        ? new Response(null, { status: 404 })
        : wrongMethod(match[0].allow);
    });
    app.onError((error) => {
      throw error;
    });
    return (request, bindings) =>
      // Hono would answer HEAD with a length of 0, whatever the length of the body it drops.
      app.fetch(bindings.isHead ? new Request(request, { method: "GET" }) : request, bindings);
  }
}

function wrongMethod(allow: string): Response {
  return new Response(null, { status: 405, headers: { allow } });
}

/**
 * The path as it stands in the URL, percent-encoding included. Clients that append `/api/…` to an
 * address with a trailing slash ask for `//api/…`, which is the same.
 */
export function getPath(request: Request): string {
  const { url } = request;
  let start = url.indexOf("/", url.indexOf(":") + 3);
  while (url[start + 1] === "/") start++;
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}
