// Generators of programs. Few tables, fields and values, so that things collide; all types and the odd
// names and numbers, so that nothing is left out.

import fc from "fast-check";
import { anyFieldName, anyValue } from "../../engine/values/arbitrary.ts";
import { encodeValue } from "../../engine/values/json.ts";
import { type Json, type JsonObject, setField, type Value } from "../../engine/values/value.ts";
import { NO_ID, type Op, type Program, type QueryJson, type Step } from "./program.ts";

const TABLES = ["a", "b", "Tab_2"] as const;
const INDEXES = ["by_x", "by_y", "by_both"] as const;
/** What the indexes are on, unless a schema has other ideas. */
const USUAL_FIELDS = { by_x: ["x"], by_y: ["y"], by_both: ["x", "y"] } as const;
const INDEX_FIELDS = [["x"], ["y"], ["x", "y"], ["o.p"], ["y", "o.p", "x"], [
  "constructor",
]] as const;
const FIELDS = ["x", "y", "o.p", "o", "constructor", "_creationTime", "_id", "missing"] as const;

/** Few values of every type, next to each other in the order. */
const commonValue: fc.Arbitrary<Value> = fc.constantFrom<Value>(
  null,
  -(2n ** 63n),
  -1n,
  0n,
  1n,
  2n ** 63n - 1n,
  -Infinity,
  -1.5,
  -0,
  0,
  1,
  2,
  3,
  Infinity,
  NaN,
  false,
  true,
  "",
  "\0",
  "a",
  "a b",
  "b",
  "\u{ffff}",
  "\u{10000}",
  new ArrayBuffer(0),
  new Uint8Array([0]).buffer,
  new Uint8Array([127, 128, 255]).buffer,
  [],
  [null],
  [1, "a"],
  {},
  { p: 1 },
  { "": null, p: -0 },
);

const value: fc.Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Value>(0, -0, 1, 2) },
  { weight: 3, arbitrary: fc.constantFrom<Value>("a", "b", "\u{ffff}", "\u{10000}") },
  { weight: 4, arbitrary: commonValue },
  { weight: 1, arbitrary: anyValue },
).map(encodeValue);

const commitTs: Json = { $commitTs: null };
const missing: Json = { $undefined: null };
const maybe = fc.oneof({ weight: 9, arbitrary: value }, {
  weight: 1,
  arbitrary: fc.constant(missing),
});

/** Mostly one table, so that much happens in it. */
const table = fc.oneof(
  { weight: 6, arbitrary: fc.constant("a") },
  { weight: 1, arbitrary: fc.constantFrom(...TABLES) },
);
/** Steps refer to what there is modulo its number; small numbers keep programs readable. */
const reference = fc.nat(NO_ID);

const fields: fc.Arbitrary<JsonObject> = fc.record(
  {
    x: fc.oneof({ weight: 12, arbitrary: value }, { weight: 1, arbitrary: fc.constant(commitTs) }),
    y: value,
    o: fc.oneof(fc.record({ p: value }, { requiredKeys: [] }) as fc.Arbitrary<Json>, value),
    constructor: value,
    odd: fc.option(fc.tuple(anyFieldName, value), { freq: 12 }),
  },
  { requiredKeys: [] },
).map(({ odd, ...common }) => {
  // A prototype would lend its fields.
  const object: JsonObject = Object.assign({}, common as JsonObject);
  if (odd !== undefined && odd !== null) setField(object, odd[0], odd[1]);
  return object;
});

const changes: fc.Arbitrary<JsonObject> = fc.tuple(
  fields,
  fc.subarray(["x", "y", "o", "constructor"], { maxLength: 2 }),
  fc.nat(3),
).map(([set, removed, one]) =>
  one === 0 ? { ...set, ...Object.fromEntries(removed.map((field) => [field, missing])) } : set
);

function mostly<T, U>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 5, arbitrary: usual }, { weight: 1, arbitrary: other });
}

function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return mostly(fc.constant(null), arbitrary);
}

// Queries.

const { expression } = fc.letrec<{ expression: Json }>((tie) => {
  const pair = fc.tuple(tie("expression"), tie("expression"));
  const list = fc.array(tie("expression"), { maxLength: 3 });
  const operation = (names: string[], operand: fc.Arbitrary<Json>) =>
    fc.tuple(fc.constantFrom(...names), operand).map(([name, inner]) => ({ [name]: inner }));
  return {
    expression: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      {
        weight: 2,
        arbitrary: fc.constantFrom(...FIELDS).map((field): Json => ({ $field: field })),
      },
      { weight: 2, arbitrary: maybe.map((json): Json => ({ $literal: json })) },
      { weight: 3, arbitrary: operation(["$eq", "$neq", "$lt", "$lte", "$gt", "$gte"], pair) },
      { weight: 2, arbitrary: operation(["$and", "$or"], list) },
      { weight: 1, arbitrary: operation(["$not", "$neg"], tie("expression")) },
      { weight: 1, arbitrary: operation(["$add", "$sub", "$mul", "$div", "$mod"], pair) },
    ),
  };
});

/** Filters that mostly mean something. */
const predicate: fc.Arbitrary<Json> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constantFrom("$eq", "$neq", "$lt", "$lte", "$gt", "$gte"),
      fc.constantFrom(...FIELDS),
      maybe,
    ).map(([operator, field, literal]): Json => ({
      [operator]: [{ $field: field }, { $literal: literal }],
    })),
  },
  { weight: 1, arbitrary: expression },
);

const comparand = fc.oneof(
  { weight: 15, arbitrary: maybe },
  { weight: 1, arbitrary: fc.constant(commitTs) },
);
const condition = (type: string, fieldPath: string): fc.Arbitrary<JsonObject> =>
  comparand.map((value) => ({ type, fieldPath, value }));

/** A range that fits the index: equal values for the first fields, bounds on the next. */
function fittingRange(fields: readonly string[]): fc.Arbitrary<JsonObject[]> {
  return fc.oneof(fc.constant(0), fc.constant(1), fc.nat(fields.length)).chain((equal) => {
    const parts = fields.slice(0, equal).map((field) => condition("Eq", field).map((c) => [c]));
    const next = fields[equal];
    if (next !== undefined) {
      for (const pair of [["Gt", "Gte"], ["Lt", "Lte"]]) {
        parts.push(
          fc.option(fc.constantFrom(...pair).chain((type) => condition(type, next)))
            .map((bound) => bound === null ? [] : [bound]),
        );
      }
    }
    return fc.tuple(...parts).map((lists) => lists.flat());
  });
}

const anyRange = fc.array(
  fc.tuple(fc.constantFrom("Eq", "Gt", "Gte", "Lt", "Lte"), fc.constantFrom(...FIELDS))
    .chain(([type, field]) => condition(type, field)),
  { maxLength: 3 },
);

/** A range of the index that fits, mostly. */
function rangeOf(index: typeof INDEXES[number]): fc.Arbitrary<JsonObject[]> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant<JsonObject[]>([]) },
    { weight: 12, arbitrary: fittingRange([...USUAL_FIELDS[index], "_creationTime", "_id"]) },
    { weight: 1, arbitrary: fc.constantFrom(...INDEX_FIELDS).chain(fittingRange) },
    { weight: 1, arbitrary: anyRange },
  );
}

const order = fc.constantFrom<Json>("asc", "desc", null);

const source: fc.Arbitrary<JsonObject> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("FullTableScan"), tableName: table, order }),
  },
  {
    weight: 5,
    arbitrary: fc.constantFrom(...INDEXES).chain((index) =>
      fc.record({
        type: fc.constant("IndexRange"),
        indexName: table.map((name) => `${name}.${index}`),
        range: rangeOf(index) as fc.Arbitrary<Json>,
        order,
      })
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(table, fc.constantFrom("by_id", "by_creation_time"), order).map((
      [table, name, order],
    ) => ({ type: "IndexRange", indexName: `${table}.${name}`, range: [], order })),
  },
);

const filter = predicate.map((filter): Json => ({ filter }));
const limit = fc.oneof(fc.constantFrom(1, 2), fc.nat(8)).map((limit): Json => ({ limit }));

const query: fc.Arbitrary<QueryJson> = fc.record({
  source,
  operators: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Json[]>([]) },
    { weight: 2, arbitrary: fc.array(fc.oneof(filter, limit), { maxLength: 3 }) },
  ),
});

/** Paginated queries come from few, so that cursors find their query again. */
const paginated: fc.Arbitrary<QueryJson> = fc.record({
  source,
  operators: fc.oneof(fc.constant<Json[]>([]), filter.map((f) => [f])),
});

// Calls.

function readOf(pages: fc.Arbitrary<QueryJson>): fc.Arbitrary<Op> {
  return fc.oneof(
    { weight: 6, arbitrary: query.map((query): Op => ({ type: "query", query })) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("page" as const),
        query: pages,
        pageSize: fc.integer({ min: 1, max: 5 }),
        rowsMax: fc.option(fc.integer({ min: 1, max: 6 })),
        bytesMax: fc.option(fc.integer({ min: 1, max: 400 })),
        cursor: fc.oneof(fc.constant(null), reference),
        endCursor: rarely(reference),
        journal: rarely(reference),
        mixed: fc.nat(15).map((n) => n === 0),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("get" as const),
        target: reference,
        table: rarely(table),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant("normalizeId" as const), target: reference, table }),
    },
    { weight: 1, arbitrary: table.map((table): Op => ({ type: "count", table })) },
  );
}

function opOf(pages: fc.Arbitrary<QueryJson>): fc.Arbitrary<Op> {
  const target = { target: reference, table: rarely(table) };
  const read = readOf(pages);
  const write: fc.Arbitrary<Op> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant("insert" as const), table, fields }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constantFrom("patch" as const, "replace" as const),
        ...target,
        fields: changes,
        withSystemFields: fc.nat(3).map((n) => n === 0),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("remove" as const), ...target }) },
  ).map((op) => withoutMarkers(op));
  const simple = fc.oneof({ weight: 3, arbitrary: write }, { weight: 2, arbitrary: read });
  return fc.oneof(
    { weight: 12, arbitrary: simple },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("nested" as const),
        ops: fc.array(simple, { maxLength: 4 }),
        fails: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("atBegin" as const),
        ops: fc.array(read, { maxLength: 2 }),
      }),
    },
  );
}

/** Only a patch may say that a field is to go. */
function withoutMarkers(op: Op): Op {
  if (op.type !== "replace") return op;
  const kept = Object.entries(op.fields).filter(([, json]) => json !== missing);
  return { ...op, fields: Object.fromEntries(kept) };
}

// Schemas.

const anyType: Json = { type: "any" };
const fieldType: fc.Arbitrary<Json> = fc.oneof(
  fc.constant(anyType),
  fc.constantFrom<Json>(
    { type: "union", value: [{ type: "number" }, { type: "string" }] },
    { type: "union", value: [{ type: "number" }, { type: "string" }, { type: "bigint" }] },
    { type: "number" },
    { type: "array", value: anyType },
    { type: "literal", value: "a" },
    { type: "id", tableName: "a" },
    { type: "record", keys: { type: "string" }, values: { fieldType: anyType, optional: false } },
  ),
);

/** Indexes on `o.p` need it to be possible. */
const objectType: fc.Arbitrary<Json> = fc.constantFrom<Json>(anyType, {
  type: "union",
  value: [
    { type: "number" },
    { type: "object", value: { p: { fieldType: anyType, optional: true } } },
  ],
});

const documentType: fc.Arbitrary<Json> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(anyType) },
  {
    weight: 1,
    arbitrary: fc.record({ x: fieldType, y: fieldType, o: objectType }).map((types): Json => ({
      type: "object",
      value: Object.fromEntries(
        Object.entries({ ...types, constructor: anyType }).map(([field, fieldType]) => [
          field,
          { fieldType, optional: true },
        ]),
      ),
    })),
  },
);

type IndexNames = (typeof INDEXES)[number][];

const tableSchema = (tableName: string): fc.Arbitrary<JsonObject> =>
  fc.record({
    names: mostly<IndexNames, IndexNames>(
      fc.constant([...INDEXES]),
      fc.subarray([...INDEXES]),
    ),
    others: rarely(fc.shuffledSubarray([...INDEX_FIELDS], { minLength: 3, maxLength: 3 })),
    staged: fc.nat(11),
    documentType,
  }).map(({ names, others, staged, documentType }) => {
    const definitions = names.map((indexDescriptor, i) => ({
      indexDescriptor,
      fields: [...(others === null ? USUAL_FIELDS[indexDescriptor] : others[i]!)],
    }));
    return {
      tableName,
      indexes: definitions.filter((_, i) => i !== staged),
      stagedDbIndexes: definitions.filter((_, i) => i === staged),
      documentType,
    };
  });

const schema: fc.Arbitrary<JsonObject> = fc.subarray(["b", "Tab_2"]).map((names) => ["a", ...names])
  .chain((names) =>
    fc.record({
      tables: fc.tuple(...names.map(tableSchema)) as unknown as fc.Arbitrary<Json>,
      schemaValidation: fc.nat(4).map((n) => n > 0),
    })
  );

// Steps.

function stepOf(pages: fc.Arbitrary<QueryJson>): fc.Arbitrary<Step> {
  const read = fc.array(readOf(pages), { minLength: 1, maxLength: 4 });
  const ops = fc.array(opOf(pages), { minLength: 1, maxLength: 6 });
  const age = fc.oneof(fc.constant(0), fc.nat(6));
  const isolate = fc.integer({ min: 1, max: 2 });
  const just = <T extends Step["type"]>(type: T) => ({ type: fc.constant(type) });
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ ...just("transact"), ops }) },
    { weight: 6, arbitrary: fc.record({ ...just("run"), age, ops }) },
    {
      weight: 6,
      arbitrary: fc.record({
        ...just("commit"),
        which: reference,
        session: fc.option(fc.nat(7), { freq: 3 }),
      }),
    },
    { weight: 5, arbitrary: fc.record({ ...just("chain"), isolate, ops }) },
    {
      weight: 5,
      arbitrary: fc.record({
        ...just("commitChain"),
        isolate,
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ ...just("read"), age, ops: read }) },
    { weight: 2, arbitrary: fc.record({ ...just("watch"), ops: read }) },
    {
      weight: 1,
      arbitrary: fc.record({ ...just("push"), schema: fc.option(schema, { freq: 8 }) }),
    },
    { weight: 2, arbitrary: fc.record(just("finishPush")) },
    { weight: 6, arbitrary: fc.record(just("turn")) },
    { weight: 1, arbitrary: fc.record(just("restart")) },
    { weight: 1, arbitrary: fc.record(just("kill")) },
    {
      weight: 1,
      arbitrary: fc.record({
        ...just("powerLoss"),
        tornBytes: fc.oneof(fc.constant(0), fc.nat(30_000)),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ ...just("clock"), ms: fc.integer({ min: -10_000, max: 200_000 }) }),
    },
    { weight: 1, arbitrary: fc.record(just("housekeeping")) },
  ) as fc.Arbitrary<Step>;
}

const limits = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.record({
      documentsRead: fc.integer({ min: 1, max: 10 }),
      bytesRead: fc.integer({ min: 60, max: 1500 }),
      documentsWritten: fc.integer({ min: 1, max: 5 }),
      bytesWritten: fc.integer({ min: 60, max: 1500 }),
    }, { requiredKeys: [] }),
  },
);

/** Something to work with: indexes and documents. */
const setup: fc.Arbitrary<Step[]> = fc.record({
  schema,
  documents: fc.array(fields, { maxLength: 20, size: "max" }),
  /** Sometimes there are more documents than one batch of anything has. */
  repetitions: fc.oneof({ weight: 15, arbitrary: fc.constant(1) }, {
    weight: 1,
    arbitrary: fc.integer({ min: 10, max: 25 }),
  }),
  isIndexedLater: fc.boolean(),
}).map(({ schema, documents, repetitions, isIndexedLater }) => {
  const insert: Step = {
    type: "transact",
    ops: Array.from({ length: repetitions }, () => documents).flat()
      .map((fields): Op => ({ type: "insert", table: "a", fields })),
  };
  const push: Step = { type: "push", schema };
  return isIndexedLater
    ? [insert, push, { type: "finishPush" }]
    : [push, { type: "finishPush" }, insert];
});

export const anyProgram: fc.Arbitrary<Program> = fc.array(paginated, { minLength: 1, maxLength: 2 })
  .chain((pages) =>
    fc.record({
      limits,
      setup: fc.oneof({ weight: 1, arbitrary: fc.constant([]) }, { weight: 6, arbitrary: setup }),
      steps: fc.array(stepOf(fc.constantFrom(...pages)), { maxLength: 30, size: "max" }),
    })
  ).map(({ limits, setup, steps }) => ({ limits, steps: [...setup, ...steps] }));
