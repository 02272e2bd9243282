// `ConvexReactClient` and the hooks of convex/react, rendered without a browser; what convex/nextjs
// fetches on a server and hands to them.
import assert from "node:assert/strict";
import {
  fetchAction,
  fetchMutation,
  fetchQuery,
  preloadedQueryResult,
  preloadQuery,
} from "convex/nextjs";
import {
  ConvexProvider,
  ConvexReactClient,
  insertAtBottomIfLoaded,
  useConvex,
  useConvexConnectionState,
  useMutation,
  usePaginatedQuery,
  usePreloadedQuery,
  useQueries,
  useQuery,
} from "convex/react";
import type { ReactNode } from "react";
import { create, type ReactTestRenderer } from "react-test-renderer";
import { action, httpClient, mutation, query } from "./harness/clients.ts";
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

  async until(condition: () => boolean, timeoutMs = 30_000): Promise<void> {
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

Deno.test("useQueries watches as many queries as it is given; one that fails is an error among values", async () => {
  const renders: Record<string, unknown>[] = [];
  const queries = {
    one: { query: query("counters:get"), args: { name: "several one" } },
    two: { query: query("counters:get"), args: { name: "several two" } },
    failing: { query: query("errors:plain"), args: {} },
  };
  function Several() {
    const results = useQueries(queries);
    renders.push(results);
    return <p>{Object.keys(results).length}</p>;
  }
  const shown = () => renders.at(-1) ?? {};
  await using screen = new Screen(<Several />);
  await screen.until(() => shown().one === 0 && shown().two === 0);
  await screen.until(() => shown().failing instanceof Error);
  assert.deepEqual(renders[0], { one: undefined, two: undefined, failing: undefined });
  await httpClient(server).mutation(mutation("counters:add"), { name: "several two", amount: 4 });
  await screen.until(() => shown().two === 4);
  assert.equal(shown().one, 0);
});

Deno.test("useConvexConnectionState counts what is under way; useConvex calls functions once", async () => {
  const answer = Promise.withResolvers<Response>();
  await using vendor = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    return answer.promise;
  });
  let state: ReturnType<typeof useConvexConnectionState> | undefined;
  let convex: ConvexReactClient | undefined;
  function State() {
    state = useConvexConnectionState();
    convex = useConvex();
    return <p>{String(state.isWebSocketConnected)}</p>;
  }
  await using screen = new Screen(<State />);
  await screen.until(() => state?.isWebSocketConnected === true);
  assert.deepEqual([state!.hasEverConnected, state!.connectionCount], [true, 1]);
  assert.equal(state!.hasInflightRequests, false);

  const url = `http://127.0.0.1:${vendor.addr.port}`;
  const fetched = convex!.action(action("actions:fetchText"), { url });
  await screen.until(() => state!.hasInflightRequests && state!.inflightActions === 1);
  assert.equal(await convex!.mutation(mutation("counters:add"), { name: "once", amount: 3 }), 3);
  assert.equal(await convex!.query(query("counters:get"), { name: "once" }), 3);
  answer.resolve(new Response("done"));
  assert.equal(await fetched, "done");
  await screen.until(() => !state!.hasInflightRequests && state!.inflightActions === 0);
});

Deno.test("convex/nextjs calls functions of the URL in the environment or in the options", async () => {
  const args = { name: "fetched" };
  await assert.rejects(
    () => fetchQuery(query("counters:get"), args),
    /Environment variable NEXT_PUBLIC_CONVEX_URL is not set\./,
  );
  Deno.env.set("NEXT_PUBLIC_CONVEX_URL", server.url);
  try {
    assert.equal(await fetchQuery(query("counters:get"), args), 0);
    assert.equal(await fetchMutation(mutation("counters:add"), { ...args, amount: 2 }), 2);
    assert.deepEqual(await fetchAction(action("actions:addTwice"), args), [2, 4]);
    const elsewhere = { url: "http://127.0.0.1:9", skipConvexDeploymentUrlCheck: true };
    await assert.rejects(() => fetchQuery(query("counters:get"), args, elsewhere));
  } finally {
    Deno.env.delete("NEXT_PUBLIC_CONVEX_URL");
  }
  const options = { url: server.url };
  assert.equal(await fetchQuery(query("counters:get"), args, options), 4);
  await assert.rejects(
    () => fetchMutation(mutation("counters:addAndFail"), args, options),
    /changed my mind/,
  );
  assert.equal(await fetchQuery(query("counters:get"), args, options), 4);
});

Deno.test("convex/nextjs as administrator reaches internal functions, else nobody does", async () => {
  const options = { url: server.url, adminToken: server.adminKey };
  assert.equal(await fetchQuery(query("counters:secret"), {}, options), "internal");
  await assert.rejects(
    () => fetchQuery(query("counters:secret"), {}, { url: server.url }),
    /Could not find public function for 'counters:secret'/,
  );
});

Deno.test("a preloaded query is shown at once, in all its types, and is live from then on", async () => {
  const url = server.url;
  const value = { big: 3n, none: null, list: [1.5, new Uint8Array([1, 2]).buffer] };
  const echoed = await preloadQuery(query("values:echo"), { value }, { url });
  assert.deepEqual(preloadedQueryResult(echoed), value);

  await fetchMutation(mutation("counters:add"), { name: "preloaded", amount: 1 }, { url });
  const preloaded = await preloadQuery(query("counters:get"), { name: "preloaded" }, { url });
  assert.equal(preloadedQueryResult(preloaded), 1);
  // The payload travels from the server's components to the client's as JSON.
  const received: typeof preloaded = JSON.parse(JSON.stringify(preloaded));
  await fetchMutation(mutation("counters:add"), { name: "preloaded", amount: 1 }, { url });
  const shown: unknown[] = [];
  function Counter() {
    const count = usePreloadedQuery(received);
    if (shown.at(-1) !== count) shown.push(count);
    return <p>{String(count)}</p>;
  }
  await using screen = new Screen(<Counter />);
  await screen.until(() => shown.at(-1) === 2);
  await fetchMutation(mutation("counters:add"), { name: "preloaded", amount: 1 }, { url });
  await screen.until(() => shown.at(-1) === 3);
  assert.deepEqual(shown, [1, 2, 3], "what was preloaded, what is true, every change");
});
