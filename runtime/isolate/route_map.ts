// The tables of an `HttpRouter` in module instances that serve several runs. A Map cannot be frozen;
// here each run that changes a table gets a copy of its own, so that all runs find what the top
// level made.

import { types } from "node:util";
import { findScope, type Scope } from "./scope.ts";

const TABLES = ["exactRoutes", "prefixRoutes"];

type Entries = Map<unknown, unknown>;

/** What code can do with a Map that it got from a router. */
class RouteMap {
  readonly #made: Entries;
  readonly #changed = new WeakMap<Scope, Entries>();

  constructor(made: Entries) {
    this.#made = made;
  }

  #entries(): Entries {
    const scope = findScope();
    return scope === null ? this.#made : this.#changed.get(scope) ?? this.#made;
  }

  /** The run's own copy. */
  #own(): Entries {
    const scope = findScope();
    if (scope === null) throw new Error("only runs change routes");
    let own = this.#changed.get(scope);
    if (own === undefined) this.#changed.set(scope, own = new Map(this.#made));
    return own;
  }

  get size(): number {
    return this.#entries().size;
  }

  get(key: unknown): unknown {
    return this.#entries().get(key);
  }

  has(key: unknown): boolean {
    return this.#entries().has(key);
  }

  set(key: unknown, value: unknown): this {
    this.#own().set(key, value);
    return this;
  }

  delete(key: unknown): boolean {
    return this.#own().delete(key);
  }

  clear(): void {
    this.#own().clear();
  }

  keys(): IterableIterator<unknown> {
    return this.#entries().keys();
  }

  values(): IterableIterator<unknown> {
    return this.#entries().values();
  }

  entries(): IterableIterator<[unknown, unknown]> {
    return this.#entries().entries();
  }

  [Symbol.iterator](): IterableIterator<[unknown, unknown]> {
    return this.entries();
  }

  forEach(body: (value: unknown, key: unknown, map: RouteMap) => void, receiver?: unknown): void {
    for (const [key, value] of this.#entries()) body.call(receiver, value, key, this);
  }
}

/**
 * Replaces the Maps of a router; anything else is left alone.
 * @returns what the tables lead to, for {@link seal}.
 */
export function replaceRouteMaps(exported: unknown): unknown[] {
  if (typeof exported !== "object" || exported === null || types.isProxy(exported)) return [];
  const reachable: unknown[] = [];
  for (const name of TABLES) {
    const table = Object.getOwnPropertyDescriptor(exported, name);
    if (table === undefined || !table.writable || !isPlainMap(table.value)) continue;
    (exported as Record<string, unknown>)[name] = replacement(table.value, reachable);
  }
  return reachable;
}

function replacement(table: Entries, reachable: unknown[]): RouteMap {
  const made: Entries = new Map();
  for (const [key, value] of table) {
    const held = isPlainMap(value) ? replacement(value, reachable) : value;
    made.set(key, held);
    reachable.push(key, held);
  }
  return new RouteMap(made);
}

function isPlainMap(value: unknown): value is Entries {
  return types.isMap(value) && Object.getPrototypeOf(value) === Map.prototype &&
    Reflect.ownKeys(value).length === 0;
}
