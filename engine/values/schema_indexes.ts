// Reads the index lists of a schema, and checks what concerns one index alone (spec 8, search 1).

import { type PlatformError, userError } from "../errors.ts";
import { parseFieldPath } from "./field.ts";
import type {
  DatabaseIndexDefinition,
  SearchIndexDefinition,
  VectorIndexDefinition,
} from "./schema.ts";
import { isJsonObject, type Json, type JsonObject } from "./value.ts";

/** Fields of a database index, the appended `_creationTime` included. */
export const INDEX_FIELDS_MAX = 16;
export const FILTER_FIELDS_MAX = 16;
const DIMENSIONS_MIN = 2;
export const DIMENSIONS_MAX = 4096;

type IndexParser<T> = (json: JsonObject, indexName: string, staged: boolean, table: string) => T;

/**
 * Reads a list of indexes and the list of staged ones of the same kind.
 * @returns all of them, sorted by name.
 */
export function readIndexes<T extends { readonly indexDescriptor: string }>(
  table: string,
  enabled: Json | undefined,
  staged: Json | undefined,
  parse: IndexParser<T>,
): T[] {
  const indexes = [
    ...readList(table, enabled, (json, name) => parse(json, name, false, table)),
    ...readList(table, staged, (json, name) => parse(json, name, true, table)),
  ];
  return indexes.sort((a, b) => a.indexDescriptor < b.indexDescriptor ? -1 : 1);
}

function readList<T>(
  table: string,
  list: Json | undefined,
  parse: (json: JsonObject, name: string) => T,
): T[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw invalidEntry(table);
  return list.map((json) => {
    if (!isJsonObject(json) || typeof json.indexDescriptor !== "string") throw invalidEntry(table);
    return parse(json, json.indexDescriptor);
  });
}

export function parseDatabaseIndex(
  json: JsonObject,
  indexDescriptor: string,
  staged: boolean,
  table: string,
): DatabaseIndexDefinition {
  const fields = stringList(json.fields, table);
  if (fields.length === 0) {
    const kind = staged ? "staged index" : "index";
    throw userError(
      "EmptyIndex",
      `In table "${table}" ${kind} "${indexDescriptor}" must have at least one field.`,
    );
  }
  const place = `In table "${table}": In index "${indexDescriptor}": `;
  const tooMany = userError(
    "IndexTooManyFields",
    `Indexes may have up to ${INDEX_FIELDS_MAX} fields.`,
  );
  if (fields.length > INDEX_FIELDS_MAX) throw prefixed(place, tooMany);
  for (const [position, field] of fields.entries()) {
    checkIndexField(field, place);
    if (fields.indexOf(field) < position) {
      throw userError(
        "FieldsNotUniqueWithinIndex",
        `${place}Duplicate field "${field}". Index fields must be unique within an index.`,
      );
    }
    if (field === "_id") {
      throw userError(
        "IndexFieldsContainId",
        `${place}\`_id\` is not a valid index field. To load documents by ID, use \`db.get(id)\`.`,
      );
    }
  }
  for (const field of fields) checkNotReserved(field);
  if (fields.length === INDEX_FIELDS_MAX) throw tooMany;
  return { indexDescriptor, fields: [...fields, "_creationTime"], staged };
}

function checkNotReserved(field: string): void {
  if (field === "_creationTime") {
    throw userError(
      "IndexFieldsContainCreationTime",
      "`_creationTime` is automatically added to the end of each index. It should not be added " +
        "explicitly in the index definition. See https://docs.convex.dev/using/indexes for more " +
        "details.",
    );
  }
  if (field.split(".").some((segment) => segment.startsWith("_"))) {
    throw userError(
      "IndexFieldNameReserved",
      "Reserved fields (starting with `_`) are not allowed in indexes.",
    );
  }
}

export function parseSearchIndex(
  json: JsonObject,
  indexDescriptor: string,
  staged: boolean,
  table: string,
): SearchIndexDefinition {
  const { searchField } = json;
  if (typeof searchField !== "string") throw invalidEntry(table);
  const place = `In table "${table}": In index "${indexDescriptor}": `;
  checkIndexField(searchField, place);
  const filterFields = parseFilterFields(json.filterFields, table, place);
  return { indexDescriptor, searchField, filterFields, staged };
}

export function parseVectorIndex(
  json: JsonObject,
  indexDescriptor: string,
  staged: boolean,
  table: string,
): VectorIndexDefinition {
  const { vectorField } = json;
  // `dimension` is the name that old versions of the npm package used.
  const dimensions = json.dimensions ?? json.dimension;
  if (typeof vectorField !== "string" || typeof dimensions !== "number") throw invalidEntry(table);
  const place = `In table "${table}": In index "${indexDescriptor}": `;
  checkIndexField(vectorField, place);
  const inRange = dimensions >= DIMENSIONS_MIN && dimensions <= DIMENSIONS_MAX;
  if (!inRange || !Number.isInteger(dimensions)) {
    throw userError(
      "InvalidVectorDimensionError",
      `In table "${table}": Dimensions ${dimensions} must be between ${DIMENSIONS_MIN} and ` +
        `${DIMENSIONS_MAX}.`,
    );
  }
  const filterFields = parseFilterFields(json.filterFields, table, place);
  return { indexDescriptor, vectorField, dimensions, filterFields, staged };
}

/** Filter fields are a set. */
function parseFilterFields(json: Json | undefined, table: string, place: string): string[] {
  const fields = [...new Set(stringList(json ?? [], table))].sort();
  for (const field of fields) checkIndexField(field, place);
  if (fields.length > FILTER_FIELDS_MAX) {
    throw userError(
      "IndexTooManyFilterFields",
      `In table "${table}": Search indexes may have up to ${FILTER_FIELDS_MAX} filter fields.`,
    );
  }
  return fields;
}

function checkIndexField(field: string, place: string): void {
  try {
    parseFieldPath(field);
  } catch {
    throw userError("InvalidIndexField", `${place}Invalid index field: "${field}"`);
  }
}

function stringList(json: Json | undefined, table: string): string[] {
  const isList = Array.isArray(json) && json.every((item) => typeof item === "string");
  if (!isList) throw invalidEntry(table);
  return json;
}

function prefixed(place: string, error: PlatformError): PlatformError {
  return userError(error.code, place + error.message);
}

function invalidEntry(table: string): PlatformError {
  return userError("InvalidSchema", `In table "${table}": Invalid index definition.`);
}
