import assert from "node:assert/strict";
import { defineSchema, defineTable, type SchemaDefinition as NpmSchema } from "convex/server";
import { v } from "convex/values";
import { checkDocument, parseSchema, schemaText, schemaToJson } from "./schema.ts";
import type { Json } from "./value.ts";

/** The text that the npm package pushes. */
// deno-lint-ignore no-explicit-any
function exported(schema: NpmSchema<any, boolean>): string {
  return (schema as unknown as { export(): string }).export();
}

const context = { tableOfNumber: () => null };

Deno.test("a schema of the npm package is read and served with _creationTime appended", () => {
  const text = exported(defineSchema({
    users: defineTable({ name: v.string() }),
    messages: defineTable({ author: v.string(), body: v.string(), e: v.array(v.float64()) })
      .index("by_body", ["body"])
      .index("by_author", ["author", "body"])
      .searchIndex("search", { searchField: "body", filterFields: ["author", "author"] })
      .vectorIndex("vector", { vectorField: "e", dimensions: 3, filterFields: ["body"] }),
  }));
  const schema = parseSchema(text);
  assert.deepEqual(schemaToJson(schema), {
    tables: [{
      tableName: "messages",
      indexes: [
        { indexDescriptor: "by_author", fields: ["author", "body", "_creationTime"] },
        { indexDescriptor: "by_body", fields: ["body", "_creationTime"] },
      ],
      stagedDbIndexes: [],
      searchIndexes: [
        { indexDescriptor: "search", searchField: "body", filterFields: ["author"] },
      ],
      stagedSearchIndexes: [],
      vectorIndexes: [
        { indexDescriptor: "vector", vectorField: "e", dimensions: 3, filterFields: ["body"] },
      ],
      stagedVectorIndexes: [],
      documentType: {
        type: "object",
        value: {
          author: { fieldType: { type: "string" }, optional: false },
          body: { fieldType: { type: "string" }, optional: false },
          e: { fieldType: { type: "array", value: { type: "number" } }, optional: false },
        },
      },
    }, {
      tableName: "users",
      indexes: [],
      stagedDbIndexes: [],
      searchIndexes: [],
      stagedSearchIndexes: [],
      vectorIndexes: [],
      stagedVectorIndexes: [],
      documentType: {
        type: "object",
        value: { name: { fieldType: { type: "string" }, optional: false } },
      },
    }],
    schemaValidation: true,
  });
  assert.deepEqual(parseSchema(schemaText(schema)), schema);
});

Deno.test("staged indexes are kept apart", () => {
  const schema = parseSchema(exported(defineSchema({
    t: defineTable({ a: v.any() }).index("by_a", { fields: ["a"], staged: true }),
  })));
  assert.equal(schema.tables[0]!.indexes[0]!.staged, true);
  assert.deepEqual(parseSchema(schemaText(schema)), schema);
});

Deno.test("system fields of the document validator are dropped", () => {
  const schema = parseSchema(table({
    documentType: {
      type: "object",
      value: {
        _id: { fieldType: { type: "id", tableName: "t" }, optional: false },
        _creationTime: { fieldType: { type: "number" }, optional: false },
      },
    },
  }));
  assert.deepEqual(schema.tables[0]!.documentType, { type: "object", fields: [] });
});

const OBJECT_TYPE: Json = {
  type: "union",
  value: [
    {
      type: "object",
      value: {
        a: { fieldType: { type: "string" }, optional: false },
        deep: {
          fieldType: {
            type: "object",
            value: { b: { fieldType: { type: "any" }, optional: false } },
          },
          optional: true,
        },
        list: { fieldType: { type: "array", value: { type: "string" } }, optional: true },
      },
    },
    { type: "object", value: { c: { fieldType: { type: "any" }, optional: false } } },
  ],
};

function table(fields: { [key: string]: Json }): string {
  return JSON.stringify({
    tables: [{ tableName: "t", indexes: [], documentType: OBJECT_TYPE, ...fields }],
    schemaValidation: true,
  });
}

function indexes(...list: [name: string, fields: string[]][]): { [key: string]: Json } {
  return { indexes: list.map(([indexDescriptor, fields]) => ({ indexDescriptor, fields })) };
}

const many = (count: number) => Array.from({ length: count }, (_, i) => `c.f${i}`);
const place = 'In table "t": In index "i": ';
const search = (indexDescriptor: string, searchField: string, filterFields: string[] = []) => ({
  indexDescriptor,
  searchField,
  filterFields,
});
const vector = (indexDescriptor: string, vectorField: string, dimensions = 3) => ({
  indexDescriptor,
  vectorField,
  dimensions,
  filterFields: [],
});

Deno.test("each rule has its code and text", () => {
  const cases: [{ [key: string]: Json }, string, string][] = [
    [{ tableName: "_t" }, "TableNameReserved", "_t is a reserved table name."],
    [
      { tableName: "a b" },
      "InvalidTableName",
      'Invalid table name: "a b". Identifiers must start with a letter and can only contain ' +
      "letters, digits, and underscores.",
    ],
    [
      indexes(["a b", ["a"]]),
      "InvalidIndexName",
      'In table "t": Invalid index name: "a b". Identifiers must be 64 characters or less, start ' +
      "with a letter, and only contain letters, digits, underscores.",
    ],
    [
      indexes(["by_id", ["a"]]),
      "IndexNameReserved",
      'In table "t" cannot name an index "by_id" because the name is reserved. Indexes may not ' +
      'start with an underscore or be named "by_id" or "by_creation_time".',
    ],
    [
      { ...indexes(["i", ["a"]]), searchIndexes: [search("i", "a")] },
      "IndexNamesNotUnique",
      'Table "t" has two or more definitions of index "i".',
    ],
    [
      indexes(...many(65).map((f, i): [string, string[]] => [`i${i}`, [f]])),
      "TooManyIndexes",
      'Table "t" cannot have more than 64 indexes.',
    ],
    [indexes(["i", []]), "EmptyIndex", 'In table "t" index "i" must have at least one field.'],
    [
      { stagedDbIndexes: [{ indexDescriptor: "i", fields: [] }] },
      "EmptyIndex",
      'In table "t" staged index "i" must have at least one field.',
    ],
    [indexes(["i", many(16)]), "IndexTooManyFields", "Indexes may have up to 16 fields."],
    [
      indexes(["i", many(17)]),
      "IndexTooManyFields",
      `${place}Indexes may have up to 16 fields.`,
    ],
    [indexes(["i", ["a..b"]]), "InvalidIndexField", `${place}Invalid index field: "a..b"`],
    [
      indexes(["i", ["a", "a"]]),
      "FieldsNotUniqueWithinIndex",
      `${place}Duplicate field "a". Index fields must be unique within an index.`,
    ],
    [
      indexes(["x", ["a"]], ["b", ["a"]]),
      "IndexNotUnique",
      'In table "t" index "x" and index "b" have the same fields. Indexes must be unique within ' +
      "a table.",
    ],
    [
      indexes(["i", ["_id"]]),
      "IndexFieldsContainId",
      `${place}\`_id\` is not a valid index field. To load documents by ID, use \`db.get(id)\`.`,
    ],
    [
      indexes(["i", ["a", "_creationTime"]]),
      "IndexFieldsContainCreationTime",
      "`_creationTime` is automatically added to the end of each index. It should not be added " +
      "explicitly in the index definition. See https://docs.convex.dev/using/indexes for more " +
      "details.",
    ],
    [
      indexes(["i", ["a._b"]]),
      "IndexFieldNameReserved",
      "Reserved fields (starting with `_`) are not allowed in indexes.",
    ],
    [
      { searchIndexes: [search("x", "a", ["c"]), search("b", "a", ["c"])] },
      "SearchIndexFieldNotUnique",
      'In table "t" search index "x" and search index "b" have the same `searchField`. Search ' +
      "index fields must be unique within a table. You should combine the indexes with the same " +
      "`searchField` into one index containing all `filterField`s and then use different subsets " +
      "of the `filterField`s at query time.",
    ],
    [
      { searchIndexes: [search("i", "a", many(17))] },
      "IndexTooManyFilterFields",
      'In table "t": Search indexes may have up to 16 filter fields.',
    ],
    [
      { vectorIndexes: [vector("i", "c", 1)] },
      "InvalidVectorDimensionError",
      'In table "t": Dimensions 1 must be between 2 and 4096.',
    ],
    [
      indexes(["i", ["deep.x"]]),
      "SchemaDefinitionError",
      'In table "t" the index "i" is invalid because it references the field deep.x that does ' +
      "not exist.",
    ],
    [
      indexes(["i", ["list.x"]]),
      "SchemaDefinitionError",
      'In table "t" the index "i" is invalid because it references the field list.x that does ' +
      "not exist.",
    ],
    [
      { vectorIndexes: [vector("i", "list")] },
      "SchemaDefinitionError",
      'In table "t" the vector index "i" is invalid because it references the field list that ' +
      "is neither an array of float64 or optional array of float64.",
    ],
    [
      { documentType: { type: "array", value: { type: "any" } } },
      "InvalidTopLevelTypeInSchemaError",
      "The document validator in a schema must be an object, a union of objects, or `v.any()`. " +
      "Found v.array(v.any()). To learn more, see the schema documentation at " +
      "https://docs.convex.dev/database/schemas.",
    ],
  ];
  for (const [fields, code, message] of cases) {
    assert.throws(() => parseSchema(table(fields)), { code, message });
  }
});

Deno.test("what the rules allow is accepted", () => {
  const accepted: { [key: string]: Json }[] = [
    indexes(["i", ["a"]], ["j", ["deep.b.anything"]], ["k", ["c"]]),
    indexes(["i", many(15)]),
    { vectorIndexes: [vector("i", "c.x")], searchIndexes: [search("s", "_creationTime")] },
    { searchIndexes: [search("x", "a"), search("b", "a", ["c"])] },
    { documentType: { type: "any" }, ...indexes(["i", ["nowhere"]]) },
  ];
  for (const fields of accepted) assert.ok(parseSchema(table(fields)));
  const unchecked = JSON.parse(table(indexes(["i", ["nowhere"]])));
  assert.ok(parseSchema(JSON.stringify({ ...unchecked, schemaValidation: false })));
});

Deno.test("documents are checked without their system fields", () => {
  const { tables } = parseSchema(exported(defineSchema({
    t: defineTable({ a: v.string() }),
    u: defineTable(v.union(v.object({ a: v.string() }), v.object({ b: v.string() }))),
  })));
  const system = { _id: "x", _creationTime: 1 };
  assert.equal(checkDocument(tables[0]!, { ...system, a: "x" }, context), null);
  assert.equal(checkDocument(tables[1]!, { ...system, b: "x" }, context), null);
  assert.equal(
    checkDocument(tables[0]!, { ...system, a: 1 }, context),
    "Value does not match validator.\nPath: .a\nValue: 1.0\nValidator: v.string()",
  );
  assert.equal(
    checkDocument(tables[1]!, { ...system, c: 1 }, context),
    "Value does not match validator.\n\nValue: {c: 1.0}\n" +
      "Validator: v.union(v.object({a: v.string()}), v.object({b: v.string()}))",
  );
});
