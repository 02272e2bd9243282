import assert from "node:assert/strict";
import { PlatformError } from "../errors.ts";
import { Sandbox } from "../testing/sandbox.ts";
import type { Json } from "../values/value.ts";
import type { Page, PageArgs } from "./page.ts";

function sandboxWith(documents: number): Sandbox {
  const sandbox = new Sandbox();
  sandbox.write((tx) => {
    for (let n = 0; n < documents; n++) tx.database("").insert("t", { n });
  });
  return sandbox;
}

const scan = (tableName: string, operators: Json[] = []): Json => ({
  source: { type: "FullTableScan", tableName, order: null },
  operators,
});

function page(
  sandbox: Sandbox,
  args: PageArgs,
  options: { component?: string; journal?: string; limits?: { documentsRead: number } } = {},
): Page & { numbers: number[] } {
  const { component = "", journal = null, limits } = options;
  const { value } = sandbox.read(
    (tx) => tx.database(component).page({ query: scan("t"), cursor: null, ...args }, journal),
    { limits },
  );
  return { ...value, numbers: value.page.map((json) => JSON.parse(json).n) };
}

function failure(body: () => unknown): PlatformError {
  try {
    body();
  } catch (error) {
    assert(error instanceof PlatformError, String(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

Deno.test("a page that fills at the last row is not done", () => {
  const sandbox = sandboxWith(4);
  const first = page(sandbox, { pageSize: 4 });
  assert.deepEqual([first.numbers, first.isDone], [[0, 1, 2, 3], false]);
  const second = page(sandbox, { pageSize: 4, cursor: first.continueCursor });
  assert.deepEqual([second.numbers, second.isDone, second.splitCursor], [[], true, null]);
  const third = page(sandbox, { pageSize: 4, cursor: second.continueCursor });
  assert.deepEqual([third.numbers, third.isDone], [[], true]);
});

Deno.test("a page can be split at its middle", () => {
  const sandbox = sandboxWith(5);
  const whole = page(sandbox, { pageSize: 5 });
  const [cursor, split, end] = [null, whole.splitCursor!, whole.continueCursor];
  const left = page(sandbox, { pageSize: 5, cursor, endCursor: split });
  const right = page(sandbox, { pageSize: 5, cursor: split, endCursor: end });
  assert.deepEqual([left.numbers, right.numbers], [[0, 1, 2], [3, 4]]);
  assert.equal(right.continueCursor, end);
});

Deno.test("limits on what is read end a page early", () => {
  const sandbox = sandboxWith(20);
  const rare = scan("t", [{ filter: { $eq: [{ $field: "n" }, { $literal: 15 }] } }]);
  const query = { query: rare, pageSize: 1 };
  const byRows = page(sandbox, { ...query, maximumRowsRead: 4 });
  assert.deepEqual([byRows.numbers, byRows.pageStatus], [[], "SplitRequired"]);
  const byBytes = page(sandbox, { pageSize: 10, maximumBytesRead: 1 });
  assert.deepEqual([byBytes.numbers, byBytes.pageStatus], [[0], "SplitRequired"]);
  const byLimit = page(sandbox, { pageSize: 10 }, { limits: { documentsRead: 3 } });
  assert.deepEqual([byLimit.numbers, byLimit.pageStatus], [[0, 1, 2], "SplitRequired"]);
  const next = page(sandbox, { pageSize: 2, cursor: byLimit.continueCursor });
  assert.deepEqual(next.numbers, [3, 4]);
  const much = page(sandbox, { pageSize: 10, maximumRowsRead: 12 });
  assert.equal(much.pageStatus, "SplitRecommended");
  const none = () => page(sandbox, { pageSize: 10 }, { limits: { documentsRead: 0 } });
  assert.equal(failure(none).code, "TooManyDocumentsRead");
});

Deno.test("a table that does not exist has one empty page", () => {
  const { numbers, isDone } = page(new Sandbox(), { pageSize: 1 });
  assert.deepEqual([numbers, isDone], [[], true]);
});

Deno.test("bad requests get the platform's texts", () => {
  const sandbox = sandboxWith(3);
  const message = (args: PageArgs, component?: string) =>
    failure(() => page(sandbox, args, { component })).message;
  assert.equal(message({ pageSize: 0 }), "Must request at least 1 document while paginating");
  assert.equal(message({ pageSize: 32_001 }), "Requested too many items: 32001");
  assert.match(message({ pageSize: 1.5 }), /^Invalid arguments for `queryPage`: /);
  assert.equal(
    message({ pageSize: 1, maximumRowsRead: 0 }),
    "maximumRowsRead and maximumBytesRead must be greater than 0",
  );
  assert.match(message({ pageSize: 1 }, "child"), /^paginate\(\) is only supported in the app\./);
  assert.match(message({ pageSize: 1, query: {} }), /^Invalid argument `query` for `queryPage`: /);

  const { continueCursor } = page(sandbox, { pageSize: 1 });
  const other = scan("t", [{ limit: 5 }]);
  const foreign = failure(() =>
    page(sandbox, { query: other, pageSize: 1, cursor: continueCursor })
  );
  assert.equal(
    foreign.message,
    "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is " +
      "from a different query.",
  );
  assert.equal(foreign.data, '{"isConvexSystemError":true,"paginationError":"InvalidCursor"}');
  const flip = (text: string, at: number) =>
    text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
  for (const cursor of ["", "nonsense", flip(continueCursor, 3), flip(continueCursor, 60)]) {
    assert.match(message({ pageSize: 1, cursor }), /Failed to parse cursor$/);
  }
  sandbox.read((tx) => {
    const db = tx.database("");
    const args = { query: scan("t"), pageSize: 1, cursor: null };
    db.page(args, null);
    assert.equal(failure(() => db.page(args, null)).code, "MultiplePaginatedDatabaseQueries");
    tx.database("").page(args, null);
    tx.database("child", { isServer: true }).page(args, null);
  });
});
