// Schema definitions (spec 8, 9; deploy 6, 9): tables, their indexes and document validators.

import { PlatformError, userError } from "../errors.ts";
import { identifierProblem } from "./field.ts";
import { checkTable } from "./schema_rules.ts";
import {
  parseDatabaseIndex,
  parseSearchIndex,
  parseVectorIndex,
  readIndexes,
} from "./schema_indexes.ts";
import { invalidTableName } from "./validator_parse.ts";
import {
  checkValue,
  type IdContext,
  parseValidator,
  printValidator,
  type Validator,
  validatorToJson,
} from "./validator.ts";
import { isJsonObject, type Json, type JsonObject, setField, type ValueObject } from "./value.ts";

/** A staged index is built and maintained but may not be queried. */
interface IndexDefinition {
  readonly indexDescriptor: string;
  readonly staged: boolean;
}

export interface DatabaseIndexDefinition extends IndexDefinition {
  /** Field paths, `_creationTime` included as the last. */
  readonly fields: readonly string[];
}

export interface SearchIndexDefinition extends IndexDefinition {
  readonly searchField: string;
  /** Sorted, each once. */
  readonly filterFields: readonly string[];
}

export interface VectorIndexDefinition extends IndexDefinition {
  readonly vectorField: string;
  readonly dimensions: number;
  /** Sorted, each once. */
  readonly filterFields: readonly string[];
}

export interface TableDefinition {
  readonly tableName: string;
  /** All lists are sorted by name. */
  readonly indexes: readonly DatabaseIndexDefinition[];
  readonly searchIndexes: readonly SearchIndexDefinition[];
  readonly vectorIndexes: readonly VectorIndexDefinition[];
  /** An object, a union of objects or any, without top-level system fields; null accepts all. */
  readonly documentType: Validator | null;
}

export interface SchemaDefinition {
  /** Sorted by name. */
  readonly tables: readonly TableDefinition[];
  /** Whether documents are checked. */
  readonly schemaValidation: boolean;
}

/** Ends the texts of what a schema fundamentally is not. */
export const SCHEMA_DOCUMENTATION = "To learn more, see the schema documentation at " +
  "https://docs.convex.dev/database/schemas.";

/**
 * Reads the JSON text of a schema as the developer wrote it (npm `schema.export()`), or as
 * {@link schemaText} wrote it.
 * @throws PlatformError with the codes and texts of spec 8 and 9, without the prefix of a push.
 */
export function parseSchema(text: string): SchemaDefinition {
  let json: Json;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw userError("InvalidSchema", `Schema isn't valid JSON: ${(error as Error).message}`);
  }
  if (!isJsonObject(json) || !Array.isArray(json.tables)) {
    throw userError("InvalidSchema", "A schema needs a list of tables");
  }
  const schemaValidation = json.schemaValidation === true;
  const tables = json.tables.map((table) => parseTable(table, schemaValidation));
  tables.sort((a, b) => a.tableName < b.tableName ? -1 : 1);
  for (let i = 1; i < tables.length; i++) {
    const { tableName } = tables[i]!;
    if (tables[i - 1]!.tableName === tableName) {
      throw userError("InvalidSchema", `Table "${tableName}" is defined more than once.`);
    }
  }
  return { tables, schemaValidation };
}

function parseTable(json: Json, schemaValidation: boolean): TableDefinition {
  if (!isJsonObject(json) || typeof json.tableName !== "string") {
    throw userError("InvalidSchema", "A table of the schema has no name");
  }
  const { tableName } = json;
  if (identifierProblem(tableName) !== null) throw invalidTableName(tableName);
  if (tableName.startsWith("_")) {
    throw userError("TableNameReserved", `${tableName} is a reserved table name.`);
  }
  const table: TableDefinition = {
    tableName,
    indexes: readIndexes(tableName, json.indexes, json.stagedDbIndexes, parseDatabaseIndex),
    searchIndexes: readIndexes(
      tableName,
      json.searchIndexes,
      json.stagedSearchIndexes,
      parseSearchIndex,
    ),
    vectorIndexes: readIndexes(
      tableName,
      json.vectorIndexes,
      json.stagedVectorIndexes,
      parseVectorIndex,
    ),
    documentType: parseDocumentType(json.documentType ?? null),
  };
  checkTable(table, schemaValidation);
  return table;
}

function parseDocumentType(json: Json): Validator | null {
  if (json === null) return null;
  const validator = parseDocumentValidator(json);
  switch (validator.type) {
    case "any":
      return validator;
    case "object":
      return withoutSystemFields(validator);
    case "union":
      if (validator.value.every((branch) => branch.type === "object")) {
        return { type: "union", value: validator.value.map(withoutSystemFields) };
      }
  }
  throw userError(
    "InvalidTopLevelTypeInSchemaError",
    "The document validator in a schema must be an object, a union of objects, or `v.any()`. " +
      `Found ${printValidator(validator)}. ${SCHEMA_DOCUMENTATION}`,
  );
}

/** What has no code of its own makes the schema invalid. */
function parseDocumentValidator(json: Json): Validator {
  try {
    return parseValidator(json);
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== "InvalidValidator") throw error;
    throw userError("InvalidSchema", error.message);
  }
}

function withoutSystemFields(validator: Validator): Validator {
  if (validator.type !== "object") return validator;
  return { type: "object", fields: validator.fields.filter(({ name }) => !name.startsWith("_")) };
}

/**
 * Checks a document against its table's validator; system fields are ignored.
 * @returns null, or the text of the mismatch without the prefixes of spec 9.
 */
export function checkDocument(
  table: TableDefinition,
  document: ValueObject,
  context: IdContext,
): string | null {
  const { documentType } = table;
  if (documentType === null || documentType.type === "any") return null;
  const checked: ValueObject = {};
  for (const field of Object.keys(document)) {
    if (!field.startsWith("_")) setField(checked, field, document[field]!);
  }
  return checkValue(documentType, checked, context);
}

/** The schema as it is served: with `_creationTime` at the end of the database indexes (deploy 6). */
export function schemaToJson(schema: SchemaDefinition): Json {
  return toJson(schema, (fields) => [...fields]);
}

/**
 * Canonical text that {@link parseSchema} reads back: without the appended `_creationTime`. Equal
 * schemas have equal texts.
 */
export function schemaText(schema: SchemaDefinition): string {
  return JSON.stringify(toJson(schema, (fields) => fields.slice(0, -1)));
}

function toJson(
  schema: SchemaDefinition,
  shownFields: (fields: readonly string[]) => string[],
): Json {
  const tables = schema.tables.map((table): JsonObject => {
    const database = table.indexes.map((index) => ({
      staged: index.staged,
      json: { indexDescriptor: index.indexDescriptor, fields: shownFields(index.fields) },
    }));
    const search = table.searchIndexes.map((index) => ({
      staged: index.staged,
      json: {
        indexDescriptor: index.indexDescriptor,
        searchField: index.searchField,
        filterFields: [...index.filterFields],
      },
    }));
    const vector = table.vectorIndexes.map((index) => ({
      staged: index.staged,
      json: {
        indexDescriptor: index.indexDescriptor,
        vectorField: index.vectorField,
        dimensions: index.dimensions,
        filterFields: [...index.filterFields],
      },
    }));
    return {
      tableName: table.tableName,
      indexes: ofStage(database, false),
      stagedDbIndexes: ofStage(database, true),
      searchIndexes: ofStage(search, false),
      stagedSearchIndexes: ofStage(search, true),
      vectorIndexes: ofStage(vector, false),
      stagedVectorIndexes: ofStage(vector, true),
      documentType: table.documentType === null ? null : validatorToJson(table.documentType),
    };
  });
  return { tables, schemaValidation: schema.schemaValidation };
}

function ofStage(indexes: { staged: boolean; json: Json }[], staged: boolean): Json[] {
  return indexes.filter((index) => index.staged === staged).map((index) => index.json);
}
