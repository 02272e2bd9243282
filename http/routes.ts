// The routing table of the API. A known path with the wrong method gets 405 with `allow`, an unknown
// path 404, both with an empty body. Most paths have no parameters: one look into a map finds them.

import type { ClientVersion } from "../sync/client_version.ts";

/** What the edge knows about a request besides the request itself. */
export interface RequestBindings {
  readonly client: ClientVersion;
  /** What a trusted proxy says, else the address of the peer. */
  readonly clientAddress: string | null;
  /** GET whose answer is wanted without its body. */
  readonly isHead: boolean;
}

/** A request with what its address says. */
export class RoutedRequest {
  #query: URLSearchParams | null = null;

  constructor(readonly raw: Request, private readonly parameter: PathParameter | null) {}

  header(name: string): string | undefined {
    return this.raw.headers.get(name) ?? undefined;
  }

  /** The value in the place of `:name`, decoded if it can be. */
  param(name: string): string | undefined {
    return this.parameter?.name === name ? this.parameter.value : undefined;
  }

  /** The first value of a parameter of the query string, or of each of them. */
  query(name: string): string | undefined;
  query(): Record<string, string>;
  query(name?: string): string | undefined | Record<string, string> {
    const query = this.#query ??= parseQuery(this.raw.url);
    if (name !== undefined) return query.get(name) ?? undefined;
    return Object.fromEntries([...query].reverse());
  }
}

export interface RequestContext {
  readonly req: RoutedRequest;
  readonly env: RequestBindings;
}

export type Handler = (context: RequestContext) => Response | Promise<Response>;
export type Method = "GET" | "POST" | "PUT" | "DELETE" | "PATCH";
/** Errors of handlers are thrown or reject the promise. */
export type Route = (
  path: string,
  request: Request,
  bindings: RequestBindings,
) => Response | Promise<Response>;

interface PathParameter {
  readonly name: string;
  readonly value: string;
}

/** The handlers of one path or pattern. */
class Endpoint {
  readonly handlers = new Map<string, Handler>();
  /** What stands in front of the parameter or the rest. */
  readonly prefix: string;
  /** Name of the one parameter; null: there is none, or any rest fits. */
  readonly parameter: string | null;

  constructor(readonly path: string) {
    const at = path.search(/[:*]/);
    this.prefix = at < 0 ? path : path.slice(0, at);
    this.parameter = path[at] === ":" ? path.slice(at + 1) : null;
  }

  get isPattern(): boolean {
    return this.prefix !== this.path;
  }

  /** Whether a pattern fits the path: a parameter is one segment that is not empty. */
  fits(path: string): boolean {
    if (!path.startsWith(this.prefix)) return false;
    if (this.parameter === null) return true;
    return path.length > this.prefix.length && path.indexOf("/", this.prefix.length) < 0;
  }

  get allow(): string {
    const methods = [...this.handlers.keys()];
    return (methods.includes("GET") ? [...methods, "HEAD"] : methods).join(",");
  }
}

export class Routes {
  readonly #endpoints = new Map<string, Endpoint>();

  /**
   * A path ends plainly, with `:name` (one segment) or with `*` (anything). Plain paths go before
   * patterns, and of two patterns that fit the one that was added first.
   */
  add(method: Method, path: string, handler: Handler): void {
    let endpoint = this.#endpoints.get(path);
    if (endpoint === undefined) this.#endpoints.set(path, endpoint = new Endpoint(path));
    endpoint.handlers.set(method, handler);
  }

  /** The finished table. */
  build(): Route {
    const endpoints = [...this.#endpoints.values()];
    const plain = new Map(endpoints.filter((e) => !e.isPattern).map((e) => [e.path, e]));
    const patterns = endpoints.filter((e) => e.isPattern);
    return (path, request, env) => {
      const endpoint = plain.get(path) ?? patterns.find((pattern) => pattern.fits(path));
      if (endpoint === undefined) return new Response(null, { status: 404 });
      const handler = endpoint.handlers.get(env.isHead ? "GET" : request.method);
      if (handler === undefined) {
        return new Response(null, { status: 405, headers: { allow: endpoint.allow } });
      }
      return handler({ req: new RoutedRequest(request, parameterOf(endpoint, path)), env });
    };
  }
}

function parameterOf({ parameter, prefix }: Endpoint, path: string): PathParameter | null {
  if (parameter === null) return null;
  const text = path.slice(prefix.length);
  try {
    return { name: parameter, value: decodeURIComponent(text) };
  } catch {
    return { name: parameter, value: text };
  }
}

function parseQuery(url: string): URLSearchParams {
  const start = url.indexOf("?");
  return new URLSearchParams(start < 0 ? "" : url.slice(start));
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
