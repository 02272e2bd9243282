// The routing table of the API: Hono with what it leaves open, the answer to a known path with the
// wrong method (405 with `allow`) and to an unknown path (404), both with an empty body.

import { type Context, Hono } from "hono";
import type { ClientVersion } from "../sync/client_version.ts";

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

export class Routes {
  readonly #paths = new Map<string, [Method, Handler][]>();

  /** Of two paths that match a request, the one that was added first answers. */
  add(method: Method, path: string, handler: Handler): void {
    const handlers = this.#paths.get(path);
    if (handlers === undefined) this.#paths.set(path, [[method, handler]]);
    else handlers.push([method, handler]);
  }

  /** The finished table. Errors of handlers reject the returned promise. */
  build(): (request: Request, bindings: RequestBindings) => Response | Promise<Response> {
    const app = new Hono<{ Bindings: RequestBindings }>({ getPath });
    for (const [path, handlers] of this.#paths) {
      for (const [method, handler] of handlers) app.on(method, path, handler);
      const methods = handlers.map(([method]) => method);
      const allow = methods.includes("GET") ? [...methods, "HEAD"] : methods;
      app.all(path, () => new Response(null, { status: 405, headers: { allow: allow.join(",") } }));
    }
    app.notFound(() => new Response(null, { status: 404 }));
    app.onError((error) => {
      throw error;
    });
    return (request, bindings) =>
      // Hono would answer HEAD with a length of 0, whatever the length of the body it drops.
      app.fetch(bindings.isHead ? new Request(request, { method: "GET" }) : request, bindings);
  }
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
