// The limits that nobody can change: apps, clients and stored data rely on them. Those that operators
// can change are in runtime/limits.ts; the admin endpoint shows both.

import { PAGE_ROWS_MAX, QUERY_OPERATORS_MAX } from "../engine/limits.ts";
import { FIELD_NAME_LENGTH_MAX, IDENTIFIER_LENGTH_MAX } from "../engine/values/field.ts";
import {
  ARRAY_LENGTH_MAX,
  OBJECT_FIELDS_MAX,
  VALUE_NESTING_MAX,
  VALUE_SIZE_BYTES_MAX,
} from "../engine/values/json.ts";
import {
  DIMENSIONS_MAX,
  FILTER_FIELDS_MAX,
  INDEX_FIELDS_MAX,
} from "../engine/values/schema_indexes.ts";
import { INDEXES_PER_TABLE_MAX } from "../engine/values/schema_rules.ts";

export interface FixedLimit {
  readonly limit: number;
  readonly unit: string;
}

export const FIXED_LIMITS: { readonly [name: string]: FixedLimit } = {
  arrayLength: { limit: ARRAY_LENGTH_MAX, unit: "elements" },
  objectFields: { limit: OBJECT_FIELDS_MAX, unit: "fields" },
  valueNesting: { limit: VALUE_NESTING_MAX, unit: "levels" },
  valueBytes: { limit: VALUE_SIZE_BYTES_MAX, unit: "bytes" },
  fieldNameLength: { limit: FIELD_NAME_LENGTH_MAX, unit: "bytes" },
  identifierLength: { limit: IDENTIFIER_LENGTH_MAX, unit: "bytes" },
  indexesPerTable: { limit: INDEXES_PER_TABLE_MAX, unit: "indexes" },
  indexFields: { limit: INDEX_FIELDS_MAX, unit: "fields" },
  indexFilterFields: { limit: FILTER_FIELDS_MAX, unit: "fields" },
  vectorDimensions: { limit: DIMENSIONS_MAX, unit: "dimensions" },
  queryOperators: { limit: QUERY_OPERATORS_MAX, unit: "operators" },
  pageRows: { limit: PAGE_ROWS_MAX, unit: "documents" },
};
