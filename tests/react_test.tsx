// `ConvexReactClient` and the hooks of convex/react, rendered without a browser.
import assert from "node:assert/strict";
import {
  ConvexProvider,
  ConvexReactClient,
  insertAtBottomIfLoaded,
  useMutation,
  usePaginatedQuery,
  useQuery,
} from "convex/react";
import type { ReactNode } from "react";
import { create, type ReactTestRenderer } from "react-test-renderer";
import { httpClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/features");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

/** A rendered component with a live client around it. */
class Screen implements AsyncDisposable {
  readonly client: ConvexReactClient;
  readonly #renderer: ReactTestRenderer;

  constructor(node: ReactNode) {
    this.client = new ConvexReactClient(server.url, { logger: false });
    this.#renderer = create(<ConvexProvider client={this.client}>{node}</ConvexProvider>);
  }

  get text(): string {
    const tree = this.#renderer.toJSON();
    return JSON.stringify(tree, (key, value) => key === "props" ? undefined : value);
  }

  async until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`it did not happen; shown: ${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#renderer.unmount();
    await this.client.close();
  }
}

Deno.test("useQuery shows loading, then the value, then every change", async () => {
  const shown: unknown[] = [];
  function Counter() {
    const value = useQuery(query("counters:get"), { name: "react" });
    shown.push(value);
    return <p>{String(value)}</p>;
  }
  await using screen = new Screen(<Counter />);
  await screen.until(() => shown.includes(0));
  assert.equal(shown[0], undefined);
  await httpClient(server).mutation(mutation("counters:add"), { name: "react", amount: 7 });
  await screen.until(() => shown.includes(7));
});

Deno.test("useMutation with an optimistic update: shown at once, then replaced", async () => {
  const shown: unknown[] = [];
  let add: ((amount: number) => Promise<number>) | undefined;
  function Counter() {
    const value = useQuery(query("counters:get"), { name: "optimistic" });
    const run = useMutation(mutation("counters:add")).withOptimisticUpdate((store, args) => {
      const current = store.getQuery(query("counters:get"), { name: "optimistic" });
      if (current === undefined) return;
      // Wrong on purpose, so that the guess and the server's answer can be told apart.
      store.setQuery(
        query("counters:get"),
        { name: "optimistic" },
        current + args.amount + 0.5,
      );
    });
    add = (amount) => run({ name: "optimistic", amount });
    if (shown.length === 0 || shown.at(-1) !== value) shown.push(value);
    return <p>{String(value)}</p>;
  }
  await using screen = new Screen(<Counter />);
  await screen.until(() => shown.includes(0));
  const result = add!(2);
  await screen.until(() => shown.includes(2.5));
  assert.equal(await result, 2);
  await screen.until(() => shown.at(-1) === 2);
  assert.deepEqual(shown, [undefined, 0, 2.5, 2]);
});

Deno.test("an optimistic update is undone when the mutation fails", async () => {
  const shown: unknown[] = [];
  let fail: (() => Promise<unknown>) | undefined;
  function Counter() {
    const value = useQuery(query("counters:get"), { name: "undone" });
    const run = useMutation(mutation("counters:addAndFail")).withOptimisticUpdate((store) => {
      store.setQuery(query("counters:get"), { name: "undone" }, 999);
    });
    fail = () => run({ name: "undone" });
    if (shown.length === 0 || shown.at(-1) !== value) shown.push(value);
    return <p>{String(value)}</p>;
  }
  await using screen = new Screen(<Counter />);
  await screen.until(() => shown.includes(0));
  await assert.rejects(() => fail!(), /changed my mind/);
  await screen.until(() => shown.at(-1) === 0);
  assert.deepEqual(shown, [undefined, 0, 999, 0]);
});

Deno.test("usePaginatedQuery: pages load on demand and stay gapless while rows are inserted", async () => {
  const http = httpClient(server);
  await http.mutation(mutation("notes:fill"), { list: "paged", count: 25 });
  let latest: ReturnType<typeof usePaginatedQuery> | undefined;
  let addNote: ((position: number) => Promise<unknown>) | undefined;
  function Notes() {
    latest = usePaginatedQuery(query("notes:page"), { list: "paged" }, { initialNumItems: 10 });
    const run = useMutation(mutation("notes:add")).withOptimisticUpdate((store, args) => {
      insertAtBottomIfLoaded({
        paginatedQuery: query("notes:page"),
        argsToMatch: { list: "paged" },
        localQueryStore: store,
        item: { ...args, _id: "pending", _creationTime: 0 },
      });
    });
    addNote = (position) => run({ list: "paged", position, text: `note ${position}` });
    return <p>{latest.results.length}</p>;
  }
  const positions = () => latest!.results.map((note: { position: number }) => note.position);
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

  await using screen = new Screen(<Notes />);
  await screen.until(() => latest?.status === "CanLoadMore");
  assert.deepEqual(positions(), range(0, 10));
  latest!.loadMore(10);
  await screen.until(() => positions().length === 20);
  assert.deepEqual(positions(), range(0, 20));

  // A row inside of a page that is already shown grows that page; the next one does not move.
  await http.mutation(mutation("notes:add"), { list: "paged", position: 4.5, text: "between" });
  await screen.until(() => positions().includes(4.5));
  assert.deepEqual(positions(), [0, 1, 2, 3, 4, 4.5, ...range(5, 20)]);

  latest!.loadMore(10);
  await screen.until(() => latest?.status === "Exhausted");
  assert.deepEqual(positions(), [0, 1, 2, 3, 4, 4.5, ...range(5, 25)]);

  const added = addNote!(25);
  await screen.until(() => positions().includes(25));
  await added;
  await screen.until(() => latest!.results.every((note) => note._id !== "pending"));
  assert.deepEqual(positions(), [0, 1, 2, 3, 4, 4.5, ...range(5, 26)]);
});

Deno.test("useQuery throws the error of a failed query into the component", async () => {
  let caught: unknown;
  function Failing() {
    try {
      return <p>{String(useQuery(query("errors:plain"), {}))}</p>;
    } catch (error) {
      caught = error;
      return <p>failed</p>;
    }
  }
  await using screen = new Screen(<Failing />);
  await screen.until(() => caught !== undefined);
  assert.match((caught as Error).message, /Uncaught Error: boom/);
});
