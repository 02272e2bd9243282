// A router for Hono that remembers where paths without parameters lead: walking the tree of patterns
// for each request costs more than all else that Hono does.

import type { Result, Router } from "hono/router";

const PATTERN = /[:*{}?]/;

/** Asks `inner` once for each method and plain path that was added. */
export class PlainPathRouter<T> implements Router<T> {
  readonly name = "PlainPathRouter";
  readonly #inner: Router<T>;
  readonly #plainPaths = new Set<string>();
  readonly #methods = new Set<string>();
  /** By method and path; only those that were added, so clients cannot make it grow. */
  readonly #known = new Map<string, Result<T>>();

  constructor(inner: Router<T>) {
    this.#inner = inner;
  }

  add(method: string, path: string, handler: T): void {
    this.#inner.add(method, path, handler);
    if (!PATTERN.test(path)) this.#plainPaths.add(path);
    this.#methods.add(method);
    this.#known.clear();
  }

  match(method: string, path: string): Result<T> {
    const key = `${method} ${path}`;
    const found = this.#known.get(key);
    if (found !== undefined) return found;
    const result = this.#inner.match(method, path);
    if (this.#methods.has(method) && this.#plainPaths.has(path)) this.#known.set(key, result);
    return result;
  }
}
