// Queries against a model: an array of documents, sorted and filtered by the definition.

import assert from "node:assert/strict";
import fc from "fast-check";
import { ReadSet } from "../read_set.ts";
import { Sandbox } from "../testing/sandbox.ts";
import type { Transaction } from "../transaction.ts";
import type { Timestamp } from "../timestamp.ts";
import type { IndexId, Order } from "../types.ts";
import { encodeValue, parseDocument } from "../values/json.ts";
import { indexKey } from "../values/key.ts";
import { compareValues } from "../values/order.ts";
import type { Json, JsonObject, Value, ValueObject } from "../values/value.ts";

const FIELDS = ["a", "b.c"];
const PATHS = [["a"], ["b", "c"], ["_creationTime"]];

/** Few values, so that documents collide; of all types, so that bounds cross them. */
const scalar: fc.Arbitrary<Value | undefined> = fc.constantFrom<Value | undefined>(
  undefined,
  null,
  -5n,
  7n,
  -1.5,
  -0,
  0,
  3,
  NaN,
  false,
  true,
  "",
  "a",
  "ä\u{1f600}",
  new Uint8Array([0, 200]).buffer,
  ["x"],
  { y: 1 },
);

const content: fc.Arbitrary<JsonObject> = fc.record({ a: scalar, c: scalar, d: fc.nat(3) })
  .map(({ a, c, d }) => {
    const fields: JsonObject = { d };
    if (a !== undefined) fields.a = encodeValue(a);
    if (c !== undefined) fields.b = { c: encodeValue(c) };
    return fields;
  });

type Change =
  | { type: "insert"; fields: JsonObject }
  | { type: "replace"; target: number; fields: JsonObject }
  | { type: "remove"; target: number };

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: content.map((fields): Change => ({ type: "insert", fields })) },
  fc.record({ target: fc.nat(30), fields: content })
    .map(({ target, fields }): Change => ({ type: "replace", target, fields })),
  fc.nat(30).map((target): Change => ({ type: "remove", target })),
);

interface Range {
  eq: (Value | undefined)[];
  lower: { operator: "Gt" | "Gte"; value: Value | undefined } | null;
  upper: { operator: "Lt" | "Lte"; value: Value | undefined } | null;
}

const range: fc.Arbitrary<Range> = fc.record({
  eq: fc.array(scalar, { maxLength: 1 }),
  lower: fc.option(
    fc.record({ operator: fc.constantFrom("Gt" as const, "Gte" as const), value: scalar }),
  ),
  upper: fc.option(
    fc.record({ operator: fc.constantFrom("Lt" as const, "Lte" as const), value: scalar }),
  ),
});

interface Query {
  range: Range;
  order: Order;
  /** Keeps documents whose `d` is at least this. */
  filter: number | null;
  limit: number | null;
}

const query: fc.Arbitrary<Query> = fc.record({
  range,
  order: fc.constantFrom("asc" as const, "desc" as const),
  filter: fc.option(fc.nat(3)),
  limit: fc.option(fc.nat(12)),
});

function encodeMaybe(value: Value | undefined): Json {
  return value === undefined ? { $undefined: null } : encodeValue(value);
}

function queryJson({ range, order, filter, limit }: Query): Json {
  const conditions = range.eq.map((value, i): Json => ({
    type: "Eq",
    fieldPath: FIELDS[i]!,
    value: encodeMaybe(value),
  }));
  for (const bound of [range.lower, range.upper]) {
    if (bound === null) continue;
    conditions.push({
      type: bound.operator,
      fieldPath: FIELDS[range.eq.length]!,
      value: encodeMaybe(bound.value),
    });
  }
  const operators: Json[] = [];
  if (filter !== null) {
    operators.push({ filter: { $gte: [{ $field: "d" }, { $literal: filter }] } });
  }
  if (limit !== null) operators.push({ limit });
  return {
    source: { type: "IndexRange", indexName: "t.by_ac", range: conditions, order },
    operators,
  };
}

function lookup(document: ValueObject, position: number): Value | undefined {
  if (position === 0) return document.a;
  return (document.b as ValueObject | undefined)?.c;
}

/** The documents in the range, in order. */
function modelRange(documents: readonly ValueObject[], { range, order }: Query): ValueObject[] {
  const bounded = range.eq.length;
  const rows = documents.filter((document) =>
    range.eq.every((value, i) => compareValues(lookup(document, i), value) === 0) &&
    (range.lower === null ||
      compareValues(lookup(document, bounded), range.lower.value) >=
        (range.lower.operator === "Gt" ? 1 : 0)) &&
    (range.upper === null ||
      compareValues(lookup(document, bounded), range.upper.value) <=
        (range.upper.operator === "Lt" ? -1 : 0))
  );
  rows.sort((x, y) =>
    compareValues(x.a, y.a) || compareValues(lookup(x, 1), lookup(y, 1)) ||
    compareValues(x._creationTime, y._creationTime) || compareValues(x._id, y._id)
  );
  return order === "asc" ? rows : rows.reverse();
}

/** What the query gives, and how many rows it took from the index for that. */
function modelQuery(documents: readonly ValueObject[], query: Query) {
  const { filter, limit } = query;
  const rows = modelRange(documents, query);
  const ids: string[] = [];
  let consumed = 0;
  let isExhausted = true;
  for (const row of rows) {
    if (limit !== null && ids.length >= limit) break;
    consumed++;
    if (filter === null || (row.d as number) >= filter) ids.push(row._id as string);
  }
  if (limit !== null && ids.length >= limit) isExhausted = false;
  return { ids, isExhausted, seen: rows.slice(0, consumed) };
}

/** Applies changes to the database and to the model. */
function apply(tx: Transaction, model: Map<string, ValueObject>, changes: readonly Change[]): void {
  const db = tx.database("");
  for (const change of changes) {
    if (change.type === "insert") {
      const id = db.insert("t", change.fields);
      model.set(id, parseDocument(db.get({ id })!));
      continue;
    }
    const id = [...model.keys()][change.target];
    if (id === undefined) continue;
    if (change.type === "replace") {
      model.set(id, parseDocument(db.replace(id, change.fields)));
    } else {
      db.remove(id);
      model.delete(id);
    }
  }
}

function sandboxWith(commits: readonly (readonly Change[])[]) {
  const sandbox = new Sandbox();
  sandbox.createIndex("", "t", "by_ac", FIELDS);
  const model = new Map<string, ValueObject>();
  for (const changes of commits) sandbox.write((tx) => apply(tx, model, changes));
  return { sandbox, model };
}

function collect(tx: Transaction, query: Query): string[] {
  const stream = tx.database("").startQuery(queryJson(query));
  const ids: string[] = [];
  for (let json = stream.next(); json !== null; json = stream.next()) {
    ids.push(JSON.parse(json)._id);
  }
  return ids;
}

const commits = fc.array(fc.array(change, { maxLength: 12 }), { minLength: 1, maxLength: 4 });

Deno.test("queries see committed and own writes in index order", () => {
  fc.assert(
    fc.property(
      commits,
      fc.array(change),
      fc.array(query, { minLength: 1 }),
      (past, own, queries) => {
        const { sandbox, model } = sandboxWith(past);
        sandbox.read((tx) => {
          apply(tx, model, own);
          for (const query of queries) {
            assert.deepEqual(collect(tx, query), modelQuery([...model.values()], query).ids);
          }
        });
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("a nested mutation that fails leaves no trace", () => {
  const changes = fc.array(change);
  fc.assert(
    fc.property(commits, changes, changes, changes, query, (past, own, nested, inner, query) => {
      const { sandbox, model } = sandboxWith(past);
      sandbox.read((tx) => {
        apply(tx, model, own);
        const check = (documents: Map<string, ValueObject>) =>
          assert.deepEqual(collect(tx, query), modelQuery([...documents.values()], query).ids);
        check(model);
        const { writes } = tx.finish();
        assert.throws(() =>
          tx.nest(() => {
            const documents = new Map(model);
            apply(tx, documents, nested);
            tx.nest(() => apply(tx, documents, inner));
            check(documents);
            throw new Error("rolled back");
          }), /rolled back/);
        check(model);
        assert.deepEqual(tx.finish().writes, writes);
      });
    }),
    { numRuns: 100 },
  );
});

Deno.test("a query depends on exactly the keys up to the last one it consumed", () => {
  fc.assert(
    fc.property(commits, fc.array(content, { minLength: 1 }), query, (past, others, query) => {
      const { sandbox, model } = sandboxWith(past);
      let index: IndexId = 0;
      const { readSet } = sandbox.read((tx) => {
        collect(tx, query);
        const { tablet } = tx.catalog.tableByName("", "t")!;
        index = tx.catalog.indexByName(tablet, "by_ac")!.id;
      });
      const recorded = new ReadSet();
      for (let i = 0; i < readSet.length; i += 3) {
        recorded.add(readSet[i] as number, readSet[i + 1] as string, readSet[i + 2] as string);
      }
      // New documents, imagined next to the old ones, matter if they would come among those seen.
      const { seen, isExhausted } = modelQuery([...model.values()], query);
      others.forEach((fields, i) => {
        const other = parseDocument(JSON.stringify(fields));
        other._id = `j57${String(i).padStart(29, "0")}`;
        other._creationTime = (seen[0]?._creationTime as number | undefined) ?? 1;
        const rows = modelRange([...seen, other], query);
        const position = rows.indexOf(other);
        const matters = position >= 0 && (isExhausted || position < seen.length);
        assert.equal(recorded.has(index, indexKey(PATHS, other)), matters);
      });
    }),
    { numRuns: 150 },
  );
});

Deno.test("an older timestamp shows the state of then", () => {
  fc.assert(
    fc.property(commits, query, (history, query) => {
      const { sandbox } = sandboxWith([]);
      const model = new Map<string, ValueObject>();
      const expected: { ts: Timestamp; ids: string[] }[] = [];
      for (const changes of history) {
        sandbox.write((tx) => apply(tx, model, changes));
        expected.push({ ts: sandbox.ts, ids: modelQuery([...model.values()], query).ids });
        // Again after every commit: what leads back to a timestamp is kept and grows.
        for (const { ts, ids } of expected) {
          assert.deepEqual(sandbox.read((tx) => collect(tx, query), { ts }).value, ids);
        }
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("pages follow each other without gap or overlap, also when pinned and re-run", () => {
  const sizes = fc.record({ pageSize: fc.integer({ min: 1, max: 5 }), rows: fc.option(fc.nat(6)) });
  fc.assert(
    fc.property(commits, fc.array(change), query, sizes, (past, later, unlimited, sizes) => {
      const query = { ...unlimited, limit: null };
      const { sandbox, model } = sandboxWith(past);
      const args = {
        query: queryJson(query),
        pageSize: sizes.pageSize,
        maximumRowsRead: sizes.rows === null ? null : sizes.rows + 1,
      };
      const pages: { cursor: string | null; journal: string }[] = [];
      const readPage = (cursor: string | null, journal: string | null) =>
        sandbox.read((tx) => tx.database("").page({ ...args, cursor, endCursor: null }, journal))
          .value;
      const ids = (page: readonly string[]) => page.map((json) => JSON.parse(json)._id as string);

      const found: string[] = [];
      let cursor: string | null = null;
      for (let isDone = false; !isDone;) {
        const page = readPage(cursor, null);
        assert.deepEqual(readPage(cursor, page.journal), { ...page, pageStatus: null });
        found.push(...ids(page.page));
        pages.push({ cursor, journal: page.journal });
        ({ isDone, continueCursor: cursor } = page);
      }
      assert.deepEqual(found, modelQuery([...model.values()], query).ids);

      sandbox.write((tx) => apply(tx, model, later));
      const again = pages.flatMap(({ cursor, journal }) => ids(readPage(cursor, journal).page));
      assert.deepEqual(again, modelQuery([...model.values()], query).ids);
    }),
    { numRuns: 100 },
  );
});
