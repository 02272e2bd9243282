// What a schema must not say, rule by rule, as a push answers it (spec values-and-queries 8 and 9). The
// schemas are pushed as the CLI sends them, but written by hand: the npm package refuses some itself.
import assert from "node:assert/strict";
import { post } from "./harness/clients.ts";
import { Server } from "./harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await Server.start();
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

const string = { type: "string" };
const any = { type: "any" };
const object = (fields: Record<string, unknown>) => ({
  type: "object",
  value: Object.fromEntries(
    Object.entries(fields).map((
      [name, fieldType],
    ) => [name, { fieldType, optional: false }]),
  ),
});
const record = (keys: unknown, optional = false) =>
  object({ r: { type: "record", keys, values: { fieldType: string, optional } } });

const database = (indexDescriptor: string, ...fields: string[]) => ({ indexDescriptor, fields });
const search = (indexDescriptor: string, searchField: string, ...filterFields: string[]) => ({
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
const numbered = <Item>(count: number, item: (name: string) => Item) =>
  Array.from({ length: count }, (_, i) => item(`f${i}`));

interface TableParts {
  readonly tableName?: string;
  readonly documentType?: unknown;
  readonly indexes?: unknown[];
  readonly stagedDbIndexes?: unknown[];
  readonly searchIndexes?: unknown[];
  readonly vectorIndexes?: unknown[];
}

/** Tries to push a schema whose only table is "t"; a dry run, so nothing of it remains. */
async function push(parts: TableParts, schemaValidation = true) {
  const table = {
    tableName: "t",
    indexes: [],
    stagedDbIndexes: [],
    searchIndexes: [],
    stagedSearchIndexes: [],
    vectorIndexes: [],
    stagedVectorIndexes: [],
    documentType: object({ a: string, b: string, e: { type: "array", value: { type: "number" } } }),
    ...parts,
  };
  const text = JSON.stringify({ tables: [table], schemaValidation });
  const source = `export default { isSchema: true, export: () => ${JSON.stringify(text)} };`;
  const authorization = `Convex ${server.adminKey}`;
  return await post(`${server.url}/api/deploy2/start_push`, {
    adminKey: server.adminKey,
    dryRun: true,
    functions: "convex/",
    nodeDependencies: [],
    appDefinition: {
      definition: null,
      dependencies: [],
      schema: { path: "schema.js", source, environment: "isolate" },
      changedModules: [],
      unchangedModuleHashes: [],
      udfServerVersion: "1.48.0",
    },
    componentDefinitions: [],
  }, { authorization });
}

const nameText = (name: string) =>
  `In table "t": Invalid index name: "${name}". Identifiers must be 64 characters or less, start ` +
  "with a letter, and only contain letters, digits, underscores.";
const reservedText = (name: string) =>
  `In table "t" cannot name an index "${name}" because the name is reserved. Indexes may not start ` +
  'with an underscore or be named "by_id" or "by_creation_time".';
const fieldText = (field: string) => `In table "t": In index "i": Invalid index field: "${field}"`;
const missingText = (index: string, field: string) =>
  `In table "t" the index "${index}" is invalid because it references the field ${field} that ` +
  "does not exist.";
const tableText = (name: string) =>
  `Invalid table name: "${name}". Identifiers must start with a letter and can only contain ` +
  "letters, digits, and underscores.";
const documentText = (found: string) =>
  "The document validator in a schema must be an object, a union of objects, or `v.any()`. Found " +
  `${found}. To learn more, see the schema documentation at ` +
  "https://docs.convex.dev/database/schemas.";
const TWICE = 'Table "t" has two or more definitions of index "i".';
const RESERVED_FIELD = "Reserved fields (starting with `_`) are not allowed in indexes.";

const refused: [what: string, parts: TableParts, code: string, text: string][] = [
  ...["1a", "a-b", "", "___", "a".repeat(65)].map((name): typeof refused[number] => [
    `index name ${name}`,
    { indexes: [database(name, "a")] },
    "InvalidIndexName",
    nameText(name),
  ]),
  ...["by_id", "by_creation_time", "_x"].map((name): typeof refused[number] => [
    `index name ${name}`,
    { indexes: [database(name, "a")] },
    "IndexNameReserved",
    reservedText(name),
  ]),
  [
    "two indexes of one name",
    { indexes: [database("i", "a"), database("i", "b")] },
    "IndexNamesNotUnique",
    TWICE,
  ],
  [
    "a staged index of a name in use",
    { indexes: [database("i", "a")], stagedDbIndexes: [database("i", "b")] },
    "IndexNamesNotUnique",
    TWICE,
  ],
  [
    "a search index of a name in use",
    { indexes: [database("i", "a")], searchIndexes: [search("i", "a")] },
    "IndexNamesNotUnique",
    TWICE,
  ],
  [
    "65 indexes, one of them staged",
    {
      documentType: any,
      indexes: numbered(64, (name) => database(name, name)),
      stagedDbIndexes: [database("staged", "b")],
    },
    "TooManyIndexes",
    'Table "t" cannot have more than 64 indexes.',
  ],
  [
    "no field",
    { indexes: [database("i")] },
    "EmptyIndex",
    'In table "t" index "i" must have at least one field.',
  ],
  [
    "no field, staged",
    { stagedDbIndexes: [database("i")] },
    "EmptyIndex",
    'In table "t" staged index "i" must have at least one field.',
  ],
  [
    "16 fields",
    { documentType: any, indexes: [database("i", ...numbered(16, String))] },
    "IndexTooManyFields",
    "Indexes may have up to 16 fields.",
  ],
  [
    "17 fields",
    { documentType: any, indexes: [database("i", ...numbered(17, String))] },
    "IndexTooManyFields",
    'In table "t": In index "i": Indexes may have up to 16 fields.',
  ],
  ...["a-b", "a..b", ""].map((field): typeof refused[number] => [
    `index field ${field}`,
    { documentType: any, indexes: [database("i", field)] },
    "InvalidIndexField",
    fieldText(field),
  ]),
  [
    "a field twice",
    { indexes: [database("i", "a", "a")] },
    "FieldsNotUniqueWithinIndex",
    'In table "t": In index "i": Duplicate field "a". Index fields must be unique within an index.',
  ],
  [
    "two indexes of one list of fields",
    { indexes: [database("i1", "a"), database("i2", "a")] },
    "IndexNotUnique",
    'In table "t" index "i2" and index "i1" have the same fields. Indexes must be unique within a ' +
    "table.",
  ],
  [
    "_id",
    { indexes: [database("i", "_id")] },
    "IndexFieldsContainId",
    'In table "t": In index "i": `_id` is not a valid index field. To load documents by ID, use ' +
    "`db.get(id)`.",
  ],
  [
    "_creationTime",
    { indexes: [database("i", "a", "_creationTime")] },
    "IndexFieldsContainCreationTime",
    "`_creationTime` is automatically added to the end of each index. It should not be added " +
    "explicitly in the index definition. See https://docs.convex.dev/using/indexes for more " +
    "details.",
  ],
  [
    "_other",
    { documentType: any, indexes: [database("i", "_other")] },
    "IndexFieldNameReserved",
    RESERVED_FIELD,
  ],
  [
    "a._b",
    { documentType: any, indexes: [database("i", "a._b")] },
    "IndexFieldNameReserved",
    RESERVED_FIELD,
  ],
  [
    "17 filter fields",
    { documentType: any, searchIndexes: [search("s", "a", ...numbered(17, String))] },
    "IndexTooManyFilterFields",
    'In table "t": Search indexes may have up to 16 filter fields.',
  ],
  ...[1, 4097].map((dimensions): typeof refused[number] => [
    `${dimensions} dimensions`,
    { vectorIndexes: [vector("v", "e", dimensions)] },
    "InvalidVectorDimensionError",
    `In table "t": Dimensions ${dimensions} must be between 2 and 4096.`,
  ]),
  [
    "a vector of text",
    { vectorIndexes: [vector("v", "a")] },
    "SchemaDefinitionError",
    'In table "t" the vector index "v" is invalid because it references the field a that is ' +
    "neither an array of float64 or optional array of float64.",
  ],
  ...["zz", "a.b"].map((field): typeof refused[number] => [
    `missing field ${field}`,
    { indexes: [database("i", field)] },
    "SchemaDefinitionError",
    missingText("i", field),
  ]),
  [
    "missing filter field",
    { searchIndexes: [search("s", "a", "q")] },
    "SchemaDefinitionError",
    missingText("s", "q"),
  ],
  [
    "records with numbers for keys",
    { documentType: record({ type: "number" }) },
    "InvalidRecordType",
    "Invalid validator for key `r`: Records can only have string keys. Your validator contains a " +
    "record with key typed as `v.float64()`, which is not a subtype of `v.string()`",
  ],
  [
    "records with literals for keys",
    { documentType: record({ type: "literal", value: "x" }) },
    "InvalidRecordType",
    "Invalid validator for key `r`: Records cannot have string literal keys",
  ],
  [
    "records with optional values",
    { documentType: record(string, true) },
    "InvalidRecordType",
    "Invalid validator for key `r`: Records cannot have optional values",
  ],
  [
    "documents that are text",
    { documentType: string },
    "InvalidTopLevelTypeInSchemaError",
    documentText("v.string()"),
  ],
  [
    "documents that may be text",
    { documentType: { type: "union", value: [object({ a: string }), string] } },
    "InvalidTopLevelTypeInSchemaError",
    documentText("v.union(v.object({a: v.string()}), v.string())"),
  ],
  ["table _x", { tableName: "_x" }, "TableNameReserved", "_x is a reserved table name."],
  ...["1a", "a b", "t".repeat(65)].map((tableName): typeof refused[number] => [
    `table ${tableName}`,
    { tableName },
    "InvalidTableName",
    tableText(tableName),
  ]),
  [
    "a field that no identifier names",
    { documentType: object({ "a b": string }) },
    "InvalidSchema",
    "Identifier a b has invalid character ' ': Identifiers can only contain alphanumeric " +
    "characters or underscores",
  ],
  [
    "ids of no table",
    { documentType: object({ a: { type: "id", tableName: "a-b" } }) },
    "InvalidTableName",
    `Invalid validator for key \`a\`: ${tableText("a-b")}`,
  ],
];

Deno.test("a schema that breaks a rule is refused in the platform's words", async () => {
  for (const [what, parts, code, text] of refused) {
    const { status, json } = await push(parts);
    const prefix = "Hit an error while pushing:\nHit an error while evaluating your schema:\n";
    assert.deepEqual({ status, ...json }, { status: 400, code, message: prefix + text }, what);
  }
});

Deno.test("a schema at the limits is accepted", async () => {
  const accepted: TableParts[] = [
    { documentType: any, indexes: numbered(64, (name) => database(name, name)) },
    { documentType: any, indexes: [database("i", ...numbered(15, String))] },
    { indexes: [database("a".repeat(64), "a")] },
    { tableName: "t".repeat(64) },
    { documentType: { type: "union", value: [] } },
    { documentType: record({ type: "union", value: [string, { type: "id", tableName: "u" }] }) },
  ];
  for (const parts of accepted) assert.equal((await push(parts)).status, 200, parts.tableName);
  // Without validation of documents, indexes may name any field.
  assert.equal((await push({ indexes: [database("i", "zz")] }, false)).status, 200);
});
