// Reads and writes of a pushed app with the official client, rule by rule as the platform documents
// them: values, order, ranges, filters, ways of reading, writes, virtual tables.
import assert from "node:assert/strict";
import { httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/database");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

// deno-lint-ignore no-explicit-any -- results of functions that are named by text
type Result = any;

const select = (selection: unknown): Promise<Result> =>
  httpClient(server).query(query("data:select"), { selection });
const write = (...steps: unknown[]): Promise<Result> =>
  httpClient(server).mutation(mutation("data:write"), { steps });
const get = (args: Record<string, unknown>): Promise<Result> =>
  httpClient(server).query(query("data:get"), args);

const bytes = (...values: number[]) => new Uint8Array(values).buffer;
const tagsOf = (rows: { tag: number }[]) => rows.map(({ tag }) => tag);

/** One value of every kind, in the platform's order; the first row has none. */
const MISSING = Symbol();
const ORDERED = [
  MISSING,
  null,
  -(2n ** 63n),
  -1n,
  0n,
  2n ** 63n - 1n,
  -Infinity,
  -1.5,
  -0,
  0,
  Number.MIN_VALUE,
  2 ** 53,
  Infinity,
  NaN,
  false,
  true,
  "",
  "\u0000",
  "Z",
  "a",
  "é",
  "\uFFFF",
  "😀",
  bytes(),
  bytes(0),
  bytes(0, 0),
  bytes(255),
  [],
  [null],
  [1n, 2n],
  ["a"],
  [[]],
  {},
  { "": 1 },
  { A: 1 },
  { a: 1 },
  { a: 1, b: null },
];

/** Rows with those values, in an order of their own; each has its place as its tag. */
async function writeOrdered(mark: string): Promise<void> {
  const shuffled = ORDERED.map((value, tag) => ({ value, tag }))
    .sort((a, b) => a.tag * 17 % ORDERED.length - b.tag * 17 % ORDERED.length);
  await write(...shuffled.map(({ value, tag }) => [
    "insert",
    "rows",
    { group: mark, tag, ...(value === MISSING ? {} : { value }) },
  ]));
}

Deno.test("values come back as they went in, in the platform's order", async () => {
  await writeOrdered("order");
  const range = [["eq", "group", "order"]];
  const rows = await select({ table: "rows", index: "by_group", range, end: "collect" });
  assert.deepEqual(tagsOf(rows), ORDERED.map((_, tag) => tag));
  for (const { tag, ...row } of rows) {
    if (ORDERED[tag] === MISSING) assert.ok(!("value" in row));
    else assert.deepStrictEqual(row.value, ORDERED[tag]);
  }
  const reverse = { table: "rows", index: "by_group", range, order: "desc", end: "iterate" };
  assert.deepEqual(tagsOf(await select(reverse)), ORDERED.map((_, tag) => tag).reverse());
});

Deno.test("index ranges cross types and know missing fields; filters compare in the same order", async () => {
  await writeOrdered("ranges");
  const places = ORDERED.map((_, tag) => tag);
  const holds: Record<string, (tag: number, bound: number) => boolean> = {
    eq: (tag, bound) => tag === bound,
    lt: (tag, bound) => tag < bound,
    lte: (tag, bound) => tag <= bound,
    gt: (tag, bound) => tag > bound,
    gte: (tag, bound) => tag >= bound,
  };
  const group = ["eq", "group", "ranges"];
  for (const bound of [0, 1, 3, 5, 8, 9, 13, 15, 17, 22, 24, 29, 36]) {
    const value = ORDERED[bound];
    for (const [operator, isIn] of Object.entries(holds)) {
      const expected = places.filter((tag) => isIn(tag, bound));
      const condition = value === MISSING ? [operator, "value"] : [operator, "value", value];
      const range = [group, condition];
      const ranged = await select({ table: "rows", index: "by_group", range, end: "collect" });
      assert.deepEqual(tagsOf(ranged), expected, `range ${operator} ${bound}`);
      // Arrays and objects are operators in the notation of the tests.
      if (typeof value === "object" && value !== null) continue;
      const filter = [operator, ["field", "value"], value === MISSING ? ["missing"] : value];
      const filtered = await select({
        table: "rows",
        index: "by_group",
        range: [group],
        filter,
        end: "collect",
      });
      assert.deepEqual(tagsOf(filtered), expected, `filter ${operator} ${bound}`);
    }
  }
});

Deno.test("filters: fields inside of objects, logic without truthiness, exact arithmetic", async () => {
  await write(
    ["insert", "filtered", { tag: 1, n: 7, nested: { a: [1] }, yes: true }],
    ["insert", "filtered", { tag: 2, n: 7n, nested: { a: "x" } }],
    ["insert", "filtered", { tag: 3, n: -7n, nested: 5 }],
  );
  const rows = async (filter: unknown) =>
    tagsOf(await select({ table: "filtered", filter, end: "collect" }));
  const n = ["field", "n"];
  assert.deepEqual(await rows(["eq", ["field", "nested.a"], "x"]), [2]);
  assert.deepEqual(await rows(["eq", ["field", "nested.a"], ["missing"]]), [3]);
  assert.deepEqual(await rows(["neq", ["field", "nested.a.b"], ["missing"]]), []);
  // What an earlier operand decides keeps later ones from being looked at.
  const isFloat = ["and", ["gt", n, 0], ["lt", n, false]];
  assert.deepEqual(await rows(["and", isFloat, ["eq", ["mod", n, 4], 3]]), [1]);
  assert.deepEqual(await rows(["and", ["not", isFloat], ["eq", ["div", n, 2n], -3n]]), [3]);
  assert.deepEqual(await rows(["and", ["not", isFloat], ["eq", ["mod", n, 4n], -3n]]), [3]);
  assert.deepEqual(await rows(["and", isFloat, ["eq", ["div", n, 0], Infinity]]), [1]);

  const fails = async (filter: unknown, message: string) =>
    await assert.rejects(rows(filter), (error: Error) => error.message.includes(message), message);
  await fails(["field", "n"], "Cannot use value 7.0 (type Float64) as a Boolean");
  await fails(["eq", ["add", n, 1], 8], "Cannot add 7 (type Int64) and 1.0 (type Float64)");
  await fails(
    ["not", ["field", "gone"]],
    "Cannot use value undefined (type undefined) as a Boolean",
  );
  await fails(["or", isFloat, ["eq", ["div", n, 0n], 1n]], "Cannot divide 7 by zero");
  await fails(
    ["or", isFloat, ["eq", ["add", n, 2n ** 63n - 1n], 1n]],
    "Cannot add 7 and 9223372036854775807: the result is out of range for Int64",
  );
});

Deno.test("index ranges that break a rule are refused in the platform's words", async () => {
  const fails = async (range: unknown, message: string, index = "by_group") =>
    await assert.rejects(
      select({ table: "rows", index, range, end: "collect" }),
      (error: Error) => error.message.includes(message),
      message,
    );
  await fails(
    [["eq", "value", 1]],
    "Tried to query index rows.by_group but the query didn't use the index fields in order.\n" +
      'Index fields: ["group", "value", "_creationTime"]\nQuery fields: ["value"]\n' +
      'First incorrect field: "value"\n',
  );
  await fails(
    [["eq", "other", 1]],
    'The index range included a comparison with "other", but rows.by_group with fields ' +
      '["group", "value", "_creationTime"] doesn\'t index this field.',
  );
  await fails(
    [["eq", "group", "a"], ["eq", "group", "b"]],
    `Already defined equality bound in index range. Can't add "group" == "a".`,
  );
  await fails(
    [["gt", "group", 1], ["gte", "group", 2]],
    `Already defined lower bound in index range. Can't add "group" >= 2.0.`,
  );
  await fails(
    [["lt", "group", 1], ["lte", "group", 2n]],
    `Already defined upper bound in index range. Can't add "group" <= 2.`,
  );
  await fails(
    [["gt", "group", 1], ["lt", "value", 2]],
    "Upper and lower bounds in `range` can only be applied to a single index field. This query " +
      'against index rows.by_group attempted to set a range bound on both "group" and "value". ' +
      "Consider using `filter` instead.",
  );
  await fails(
    [["eq", "group", null], ["gt", "group", 2]],
    `Already defined inequality bound in index range. Can't add "group" == null.`,
  );
  await fails([], "Index rows.by_nothing not found.", "by_nothing");
  await fails([], 'Invalid table name: "1st". Identifiers must start with a letter', "1st");
});

Deno.test("ways of reading: first, take, unique, iteration, full scans, by_id and by_creation_time", async () => {
  const ids = await write(
    ...[3, 1, 2].map((value) => ["insert", "read", { value, tag: value }]),
  ) as string[];
  const read = (rest: Record<string, unknown>) => select({ table: "read", ...rest });
  assert.deepEqual(tagsOf(await read({ end: "collect" })), [3, 1, 2]);
  assert.deepEqual(tagsOf(await read({ order: "desc", end: 2 })), [2, 1]);
  assert.deepEqual(await read({ end: 0 }), []);
  assert.equal((await read({ end: "first" })).tag, 3);
  assert.equal(await read({ filter: ["eq", ["field", "value"], 9], end: "first" }), null);
  assert.equal((await read({ filter: ["eq", ["field", "value"], 1], end: "unique" })).tag, 1);
  assert.equal(await read({ filter: ["eq", ["field", "value"], 9], end: "unique" }), null);
  await assert.rejects(read({ end: "unique" }), /unique\(\) query returned more than one result/);
  const byId = await read({ index: "by_id", end: "collect" });
  assert.deepEqual(byId.map(({ _id }: { _id: string }) => _id), [...ids].sort());
  const byTime = await read({ index: "by_creation_time", order: "desc", end: "collect" });
  assert.deepEqual(tagsOf(byTime), [2, 1, 3]);
  const [first] = byTime;
  const later = [["gt", "_creationTime", first._creationTime]];
  assert.deepEqual(await read({ index: "by_creation_time", range: later, end: "collect" }), []);
  const exact = [["eq", "_id", ids[1]]];
  assert.equal((await read({ index: "by_id", range: exact, end: "unique" })).tag, 1);
  assert.deepEqual(await select({ table: "nowhere", end: "collect" }), []);
});

Deno.test("a mutation sees its own writes in every way of reading", async () => {
  const group = { table: "rows", index: "by_group", range: [["eq", "group", "own"]] };
  const [kept, , before, , , , after, first, taken, , got] = await write(
    ["insert", "rows", { group: "own", value: 2, tag: 2 }],
    ["insert", "rows", { group: "own", value: 1, tag: 1 }],
    ["select", { ...group, end: "collect" }],
    ["patch", "#0", { value: 0, tag: 20 }],
    ["insert", "rows", { group: "own", value: 3, tag: 3 }],
    ["delete", "#1"],
    ["select", { ...group, end: "iterate" }],
    ["select", { ...group, order: "desc", end: "first" }],
    ["select", { table: "rows", filter: ["eq", ["field", "group"], "own"], end: 5 }],
    ["replace", "#4", { group: "own", value: 4, tag: 4 }],
    ["get", "#4"],
  );
  assert.deepEqual(tagsOf(before), [1, 2]);
  assert.deepEqual(tagsOf(after), [20, 3]);
  assert.equal(first.tag, 3);
  assert.deepEqual(tagsOf(taken), [20, 3]);
  assert.equal(got.tag, 4);
  assert.deepEqual(tagsOf(await select({ ...group, end: "collect" })), [20, 4]);
  assert.equal((await get({ id: kept })).value, 0);
});

Deno.test("writes: removed fields, system fields, missing documents, other tables", async () => {
  const [id, other] = await write(
    ["insert", "rows", { group: "writes", a: 1, b: { c: 1, d: 2 } }],
    ["insert", "others", { a: 1 }],
  );
  await write(["patch", id, { b: { c: 2 } }, ["a"]]);
  const { _creationTime, ...fields } = await get({ id });
  assert.deepEqual(fields, { _id: id, group: "writes", b: { c: 2 } });
  // The whole document, as read, replaces itself.
  await write(["replace", id, { ...fields, _creationTime }]);
  assert.deepEqual(await get({ id, table: "rows" }), { ...fields, _creationTime });

  const messages = await write(
    ["try", "patch", id, { _id: other }],
    ["try", "replace", id, { _creationTime: 5 }],
    ["try", "insert", "rows", { _hidden: 1 }],
    ["insert", "rows", Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, 0]))],
    ["try", "patch", "#3", Object.fromEntries(Array.from({ length: 23 }, (_, i) => [`g${i}`, 0]))],
    ["try", "insert", "rows", { text: "x".repeat(2 ** 20) }],
    ["try", "insert", "no-table", {}],
    ["delete", other],
    ["try", "patch", other, {}],
    ["try", "replace", other, {}],
    ["try", "delete", other],
  );
  const expected = [
    `Provided document ID "${id}" doesn't match '_id' field "${other}"`,
    "doesn't match '_creationTime' field in {_creationTime: 5.0}",
    "Field '_hidden' starts with an underscore, which is only allowed for system fields like '_id'",
    null,
    "Object has too many fields (1025 > maximum number 1024)",
    "Value is too large (1.00 MiB > maximum size 1 MiB)",
    "Invalid argument `table` for `db.insert`: Identifier no-table has invalid character '-'",
    null,
    `Update on nonexistent document ID ${other}`,
    `Replace on nonexistent document ID ${other}`,
    `Delete on nonexistent document ID ${other}`,
  ];
  for (const [i, text] of expected.entries()) {
    if (text !== null) {
      assert.ok(String(messages[i]).includes(text), `${messages[i]}\nis not\n${text}`);
    }
  }

  await assert.rejects(
    write(["insert", "rows", { list: new Array(8193).fill(0) }]),
    /Array length is too long \(8193 > maximum length 8192\)/,
  );
  assert.equal(await get({ id: other }), null);
  await assert.rejects(
    get({ id, table: "others" }),
    /Invalid argument `id` for `db\.get`: expected to be an Id<"others">, got Id<"rows"> instead\./,
  );
  await assert.rejects(get({ id: "nonsense" }), /Unable to decode ID: Invalid ID length/);
  const normalize = (table: string, text: string) =>
    httpClient(server).query(query("data:normalizeId"), { table, id: text });
  assert.deepEqual(
    [await normalize("rows", id), await normalize("others", id), await normalize("rows", "x")],
    [id, null, null],
  );
});

Deno.test("a document that does not match its table's validator is refused, and why", async () => {
  const [row, shaped] = await write(
    ["insert", "rows", {}],
    ["insert", "shaped", { text: "", choice: 1, once: true, sizes: { "a b": 1 }, list: [1n] }],
  );
  const choice = 'v.union(v.literal("a"), v.literal(1.0))';
  const validator =
    `v.object({choice: v.optional(${choice}), list: v.optional(v.array(v.int64())), ` +
    "once: v.optional(v.literal(true)), point: v.optional(v.object({x: v.float64()})), " +
    'row: v.optional(v.id("rows")), sizes: v.optional(v.record(v.string(), v.float64())), ' +
    "text: v.string()})";
  const noMatch = (path: string, value: string, validator: string) =>
    `Value does not match validator.\nPath: ${path}\nValue: ${value}\nValidator: ${validator}`;
  const missing = (field: string) =>
    `Object is missing the required field \`${field}\`. Consider wrapping the field validator in ` +
    "`v.optional(...)` if this is expected.";
  const cases: [fields: Record<string, unknown>, text: string][] = [
    [{ text: undefined }, `${missing("text")}\n\nObject: {}\nValidator: ${validator}`],
    [
      { more: 1 },
      "Object contains extra field `more` that is not in the validator.\n\n" +
      `Object: {more: 1.0, text: "t"}\nValidator: ${validator}`,
    ],
    [{ text: 1n }, noMatch(".text", "1", "v.string()")],
    [{ point: { x: "1" } }, noMatch(".point.x", '"1"', "v.float64()")],
    [
      { point: {} },
      `${missing("x")}\nPath: .point\nObject: {}\nValidator: v.object({x: v.float64()})`,
    ],
    [{ choice: "b" }, noMatch(".choice", '"b"', choice)],
    [{ once: false }, "`false` does not match literal validator `v.literal(true)`.Path: .once"],
    [{ row: "nonsense" }, noMatch(".row", '"nonsense"', 'v.id("rows")')],
    [
      { row: shaped },
      `Found ID "${shaped}" from table \`shaped\`, which does not match the table name in ` +
      'validator `v.id("rows")`.Path: .row',
    ],
    [{ sizes: { a: null } }, noMatch(".sizes.values()", "null", "v.float64()")],
    [{ list: [1n, 2] }, noMatch(".list[1]", "2.0", "v.int64()")],
  ];
  const prefix =
    'Failed to insert or update a document in table "shaped" because it does not match ' +
    "the schema: ";
  const inserts = cases.map(([fields]) => {
    const { text, ...rest } = { text: "t", ...fields };
    return ["try", "insert", "shaped", text === undefined ? rest : { text, ...rest }];
  });
  assert.deepEqual(await write(...inserts), cases.map(([, text]) => prefix + text));
  const [patched] = await write(["try", "patch", shaped, { text: 5 }]);
  assert.equal(patched, prefix + noMatch(".text", "5.0", "v.string()"));
  await write(["patch", shaped, { row }]);
  assert.equal((await get({ id: shaped })).row, row);
});

Deno.test("what changes nothing, and what happens beside a query, does not run it again", async () => {
  const [id] = await write(["insert", "rows", { group: "still", value: 1, tag: 1 }]);
  await using client = new LiveClient(server);
  const still = client.watch("data:select", {
    selection: {
      table: "rows",
      index: "by_group",
      range: [["eq", "group", "still"], ["lt", "value", 10]],
      end: "collect",
    },
  });
  await still.until((rows) => (rows as unknown[]).length === 1);
  await write(["patch", id, { tag: 1 }]);
  await write(["replace", id, { tag: 1, value: 1, group: "still" }]);
  await write(["insert", "rows", { group: "still", value: 10, tag: 2 }]);
  await write(["insert", "rows", { group: "stil", value: 1, tag: 3 }]);
  await write(["patch", id, { tag: 4 }]);
  await still.until((rows) => (rows as { tag: number }[])[0]?.tag === 4);
  assert.equal(still.results.length, 2);
});

Deno.test("db.system reads the virtual tables, and each kind of table is refused to the other", async () => {
  const upload = await httpClient(server).mutation(mutation("files:uploadUrl"), {});
  const response = await fetch(upload as string, { method: "POST", body: "hello" });
  const { storageId } = await response.json();
  const [stored] = await select({ table: "_storage", system: true, end: "collect" });
  assert.deepEqual(stored, await get({ id: storageId, system: true }));
  assert.deepEqual(
    Object.keys(stored).sort(),
    [
      "_creationTime",
      "_id",
      "contentType",
      "sha256",
      "size",
    ].filter((field) => field in stored),
  );
  assert.deepEqual([stored._id, stored.size], [storageId, 5]);
  const bySize = { table: "_storage", system: true, filter: ["eq", ["field", "size"], 5] };
  assert.equal((await select({ ...bySize, end: "unique" }))._id, storageId);
  const jobs = { table: "_scheduled_functions", system: true, end: "collect" };
  assert.deepEqual(await select(jobs), []);

  const [id] = await write(["insert", "rows", { group: "system" }]);
  await assert.rejects(
    get({ id: storageId }),
    /System tables can only be accessed with db\.system\./,
  );
  await assert.rejects(
    get({ id, system: true }),
    /User tables cannot be accessed with db\.system\./,
  );
  const [refused] = await write(["try", "insert", "_storage", {}]);
  assert.match(refused, /System tables \(prefixed with `_`\) are read-only\./);
});
