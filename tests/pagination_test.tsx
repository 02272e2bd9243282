// Pages as clients see them: their status and split cursors, what is refused, and lists that stay
// without gaps and doubles while rows move across the boundaries of their pages.
import assert from "node:assert/strict";
import { ConvexProvider, ConvexReactClient, usePaginatedQuery } from "convex/react";
import { create } from "react-test-renderer";
import { httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";
import { TcpProxy } from "./harness/tcp_proxy.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/database");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

interface Page {
  readonly page: readonly { readonly _id: string; readonly value: number }[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor: string | null;
  readonly pageStatus: string | null;
}

const inGroup = (group: string) => ({
  table: "rows",
  index: "by_group",
  range: [["eq", "group", group]],
});
const page = (selection: unknown, paginationOpts: unknown, again = false): Promise<Page> =>
  httpClient(server).query(query("data:page"), { selection, paginationOpts, again });
const values = ({ page }: Page) => page.map(({ value }) => value);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

async function fill(group: string, count: number): Promise<void> {
  const steps = range(0, count).map((value) => ["insert", "rows", { group, value }]);
  await httpClient(server).mutation(mutation("data:write"), { steps });
}

Deno.test("pages end where they are full, and the last one is done", async () => {
  await fill("ends", 10);
  const all = inGroup("ends");
  const first = await page(all, { numItems: 5, cursor: null });
  assert.deepEqual(values(first), range(0, 5));
  assert.deepEqual([first.isDone, first.pageStatus], [false, null]);
  const second = await page(all, { numItems: 5, cursor: first.continueCursor });
  assert.deepEqual([values(second), second.isDone], [range(5, 10), false]);
  const last = await page(all, { numItems: 5, cursor: second.continueCursor });
  assert.deepEqual([values(last), last.isDone], [[], true]);
  const beyond = await page(all, { numItems: 5, cursor: last.continueCursor });
  assert.deepEqual([values(beyond), beyond.isDone], [[], true]);
  const back = await page({ ...all, order: "desc" }, { numItems: 3, cursor: null });
  assert.deepEqual(values(back), [9, 8, 7]);
});

Deno.test("an end cursor fixes a page, whatever its size; halves meet at the split cursor", async () => {
  await fill("fixed", 9);
  const all = inGroup("fixed");
  const whole = await page(all, { numItems: 6, cursor: null });
  const { splitCursor, continueCursor } = whole;
  const left = await page(all, { numItems: 1, cursor: null, endCursor: splitCursor });
  const right = await page(all, { numItems: 1, cursor: splitCursor, endCursor: continueCursor });
  assert.deepEqual([...values(left), ...values(right)], values(whole));
  assert.ok(left.page.length > 0 && right.page.length > 0);
  assert.deepEqual(
    [left.continueCursor, right.continueCursor, left.isDone, right.isDone],
    [splitCursor, continueCursor, false, false],
  );
  // Rows that come between the same two cursors belong to the same page.
  await httpClient(server).mutation(mutation("data:write"), {
    steps: [["insert", "rows", { group: "fixed", value: 5.5 }]],
  });
  const next = await page(all, { numItems: 6, cursor: continueCursor });
  assert.deepEqual(values(next), [5.5, 6, 7, 8]);
  const small = await page(all, { numItems: 2, cursor: null });
  assert.equal(small.splitCursor, null);
});

Deno.test("a page that read as much as it may asks to be split", async () => {
  await fill("limited", 20);
  const nothing = { ...inGroup("limited"), filter: ["eq", ["field", "value"], 99] };
  const spent = await page(nothing, { numItems: 5, cursor: null, maximumRowsRead: 8 });
  assert.deepEqual([values(spent), spent.isDone, spent.pageStatus], [[], false, "SplitRequired"]);
  assert.equal(typeof spent.splitCursor, "string");
  const odd = { ...inGroup("limited"), filter: ["eq", ["mod", ["field", "value"], 2], 1] };
  const near = await page(odd, { numItems: 4, cursor: null, maximumRowsRead: 10 });
  assert.deepEqual([values(near), near.pageStatus], [[1, 3, 5, 7], "SplitRecommended"]);
  const seen: number[] = [];
  for (let cursor: string | null = null, isDone = false; !isDone;) {
    const part: Page = await page(odd, { numItems: 3, cursor, maximumRowsRead: 4 });
    seen.push(...values(part));
    ({ isDone, continueCursor: cursor } = part);
  }
  assert.deepEqual(seen, range(0, 10).map((i) => 2 * i + 1));
});

Deno.test("what no page can be made of is refused in the platform's words", async () => {
  await fill("refused", 3);
  const all = inGroup("refused");
  const { continueCursor } = await page(all, { numItems: 1, cursor: null });
  const fails = (call: Promise<unknown>, message: RegExp) => assert.rejects(call, message);
  await fails(page(all, { numItems: 0, cursor: null }), /Must request at least 1 document/);
  await fails(
    page(all, { numItems: 1, cursor: null, maximumRowsRead: 0 }),
    /maximumRowsRead and maximumBytesRead must be greater than 0/,
  );
  await fails(page(all, { numItems: 1, cursor: "nonsense" }), /InvalidCursor.*parse cursor/);
  await fails(
    page(inGroup("other"), { numItems: 1, cursor: continueCursor }),
    /InvalidCursor: Tried to run a query starting from a cursor/,
  );
  await fails(
    page(all, { numItems: 1, cursor: null }, true),
    /This query or mutation function ran multiple paginated queries\. Convex only supports a single/,
  );
});

Deno.test("a live page keeps its ends while rows come and go, also over a reconnect", async () => {
  await fill("live", 10);
  await using proxy = new TcpProxy(Number(new URL(server.url).port));
  await using client = new LiveClient({ url: `http://127.0.0.1:${proxy.port}` });
  const paginationOpts = { numItems: 4, cursor: null };
  const live = client.watch("data:page", { selection: inGroup("live"), paginationOpts });
  const shows = (expected: number[]) =>
    live.until((result) => JSON.stringify(values(result as Page)) === JSON.stringify(expected));
  await shows([0, 1, 2, 3]);
  const { continueCursor } = live.results[0] as Page;
  const write = (...steps: unknown[]) =>
    httpClient(server).mutation(mutation("data:write"), { steps });
  await write(["insert", "rows", { group: "live", value: 1.5 }]);
  await shows([0, 1, 1.5, 2, 3]);
  const [last] = (await page(inGroup("live"), { numItems: 5, cursor: null })).page.slice(-1);
  assert.equal(last!.value, 3);
  // The client comes back with the page's journal; meanwhile the page grows beyond its first size.
  proxy.cut(1, () => 0);
  await write(["insert", "rows", { group: "live", value: 2.5 }]);
  await shows([0, 1, 1.5, 2, 2.5, 3]);
  // The row at the end goes, and what comes behind the end stays outside.
  await write(["delete", last!._id], ["insert", "rows", { group: "live", value: 3.5 }]);
  await shows([0, 1, 1.5, 2, 2.5]);
  assert.equal((live.results.at(-1) as Page).continueCursor, continueCursor);
  const next = await page(inGroup("live"), { numItems: 2, cursor: continueCursor });
  assert.deepEqual(values(next), [3.5, 4]);
});

Deno.test("usePaginatedQuery shows each row once while rows move across its pages", async () => {
  const count = 60;
  await fill("moving", count);
  const problems: string[] = [];
  let shown: ReturnType<typeof usePaginatedQuery> | undefined;
  let renders = 0;
  function Rows() {
    shown = usePaginatedQuery(query("data:group"), { group: "moving" }, { initialNumItems: 6 });
    if (shown.status !== "Exhausted") return <p>{shown.status}</p>;
    renders++;
    const found = shown.results.map(({ value }: { value: number }) => value);
    // Moves keep the number of rows, so a page that gains one and a page that loses one must agree.
    if (found.length !== count) problems.push(`${found.length} rows: ${found}`);
    if (found.some((value, i) => i > 0 && found[i - 1]! > value)) problems.push(`order: ${found}`);
    return <p>{found.length}</p>;
  }
  const client = new ConvexReactClient(server.url, { logger: false });
  const renderer = create(
    <ConvexProvider client={client}>
      <Rows />
    </ConvexProvider>,
  );
  const until = async (condition: () => boolean | Promise<boolean>) => {
    const deadline = Date.now() + 30_000;
    while (!await condition()) {
      assert.ok(Date.now() < deadline, `status ${shown?.status}, ${shown?.results.length} rows`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  try {
    await until(() => {
      if (shown?.status === "CanLoadMore") shown.loadMore(9);
      return shown?.status === "Exhausted";
    });
    // Small steps across the boundaries, and many rows into one page, which React then splits.
    const http = httpClient(server);
    for (let i = 0; i < 60; i++) {
      const from = i * 7 % count;
      const to = i % 3 === 0 ? 12 + i / 100 : (from + 5) % count + 0.5;
      await http.mutation(mutation("data:move"), { group: "moving", from, to });
    }
    const stored = values(await page(inGroup("moving"), { numItems: 100, cursor: null }));
    await until(() =>
      shown!.status === "Exhausted" &&
      JSON.stringify(shown!.results.map(({ value }) => value)) === JSON.stringify(stored)
    );
    assert.deepEqual(problems, []);
    assert.ok(renders > 5, `${renders} renders`);
  } finally {
    renderer.unmount();
    await client.close();
  }
});
