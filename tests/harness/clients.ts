// Small conveniences around the official clients.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import {
  type DefaultFunctionArgs,
  type FunctionReference,
  type FunctionType,
  makeFunctionReference,
} from "convex/server";
import type { Server } from "./server.ts";

// deno-lint-ignore no-explicit-any -- tests name functions by text, so their results have no type
type AnyReference<Type extends FunctionType> = FunctionReference<Type, any, any, any>;

export const query = (name: string): AnyReference<"query"> =>
  makeFunctionReference<"query", DefaultFunctionArgs>(name);
export const mutation = (name: string): AnyReference<"mutation"> =>
  makeFunctionReference<"mutation", DefaultFunctionArgs>(name);
export const action = (name: string): AnyReference<"action"> =>
  makeFunctionReference<"action", DefaultFunctionArgs>(name);

const unpooled = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });

/**
 * Sends each request once. Deno's own fetch sends one again, whatever its method, when a connection
 * that had served before is cut.
 */
const fetchOnce: typeof fetch = (input, init) => {
  const withClient: RequestInit & { client: Deno.HttpClient } = { ...init, client: unpooled };
  return fetch(input, withClient);
};

export function httpClient(server: Pick<Server, "url">): ConvexHttpClient {
  return new ConvexHttpClient(server.url, { logger: false, fetch: fetchOnce });
}

/** Makes a client an administrator's, as the CLI and the dashboard do. */
export function asAdmin<Client extends ConvexHttpClient | ConvexClient>(
  client: Client,
  { adminKey }: Pick<Server, "adminKey">,
): Client {
  (client as unknown as { setAdminAuth(key: string): void }).setAdminAuth(adminKey);
  return client;
}

/** A client with a live connection, closed when it is disposed of. */
export class LiveClient extends ConvexClient implements AsyncDisposable {
  constructor(server: Pick<Server, "url">) {
    super(server.url, { logger: false, unsavedChangesWarning: false });
  }

  /** Subscribes and returns the list of results, which grows as they arrive. */
  watch(name: string, args: DefaultFunctionArgs = {}): Watched {
    return new Watched(this, name, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The results of one subscription in order; errors are kept as `Error` objects. */
export class Watched {
  readonly results: unknown[] = [];
  readonly stop: () => void;
  #waiters = new Set<() => void>();

  constructor(client: ConvexClient, name: string, args: DefaultFunctionArgs) {
    const add = (result: unknown) => {
      this.results.push(result);
      for (const wake of this.#waiters) wake();
    };
    this.stop = client.onUpdate(query(name), args, add, add);
  }

  /** Waits until the newest result satisfies the condition, and returns it. */
  async until(condition: (result: unknown) => boolean, timeoutMs = 30_000): Promise<unknown> {
    const deadline = Date.now() + timeoutMs;
    while (this.results.length === 0 || !condition(this.results.at(-1))) {
      const left = deadline - Date.now();
      if (left <= 0) {
        throw new Error(`no such result in ${timeoutMs} ms; the last: ${this.results.at(-1)}`);
      }
      await this.#change(left);
    }
    return this.results.at(-1);
  }

  #change(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#waiters.add(resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiters.delete(resolve);
    });
  }
}

/** The body of a POST with JSON, as text and parsed. */
export async function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
  // deno-lint-ignore no-explicit-any -- a JSON body of any shape
): Promise<{ status: number; headers: Headers; text: string; json: any }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}
