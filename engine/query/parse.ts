// The JSON form of queries (spec values-and-queries 4), read into typed sources and operators.

import { isCommitTsToken } from "../commit_ts_token.ts";
import { userError } from "../errors.ts";
import { QUERY_OPERATORS_MAX } from "../limits.ts";
import type { Order } from "../types.ts";
import { identifierProblem, parseFieldPath } from "../values/field.ts";
import { decodeMaybeUndefined, UNRESOLVED_COMMIT_TS } from "../values/json.ts";
import { isJsonObject, type Json, type JsonObject, type Value } from "../values/value.ts";
import { parseFilter, type Predicate } from "./filter.ts";

export type RangeOperator = "Eq" | "Gt" | "Gte" | "Lt" | "Lte";

/** One condition of an index range. */
export interface RangeCondition {
  readonly operator: RangeOperator;
  /** As written, without dots at the ends. */
  readonly field: string;
  readonly value: Value | undefined;
}

export interface TableScanSource {
  readonly type: "tableScan";
  readonly table: string;
  readonly order: Order;
}

export interface IndexRangeSource {
  readonly type: "indexRange";
  readonly table: string;
  readonly index: string;
  readonly range: readonly RangeCondition[];
  readonly order: Order;
}

export interface SearchSource {
  readonly type: "search";
  readonly table: string;
  readonly index: string;
  readonly filters: readonly SearchFilter[];
}

export type SearchFilter =
  | { readonly type: "search"; readonly field: string; readonly text: string }
  | { readonly type: "eq"; readonly field: string; readonly value: Value | undefined };

export type QuerySource = TableScanSource | IndexRangeSource | SearchSource;

export type QueryOperator =
  | { readonly type: "filter"; readonly matches: Predicate }
  | { readonly type: "limit"; readonly limit: number };

export interface ParsedQuery {
  readonly source: QuerySource;
  readonly operators: readonly QueryOperator[];
}

/**
 * Reads a query.
 * @throws PlatformError without the name of the argument; the caller puts it in front.
 */
export function parseQuery(json: Json | undefined): ParsedQuery {
  const query = object(json, "query");
  const operators = query.operators;
  if (!Array.isArray(operators)) throw invalid("operators must be an array");
  if (operators.length > QUERY_OPERATORS_MAX) {
    throw userError("TooManyOperators", `Query has too many operators: ${operators.length}`);
  }
  return {
    source: parseSource(object(query.source, "source")),
    operators: operators.map(parseOperator),
  };
}

function parseSource(source: JsonObject): QuerySource {
  switch (source.type) {
    case "FullTableScan": {
      const table = text(source.tableName, "tableName");
      checkName(table);
      return { type: "tableScan", table, order: parseOrder(source.order) };
    }
    case "IndexRange":
      return {
        type: "indexRange",
        ...parseIndexName(text(source.indexName, "indexName")),
        range: list(source.range, "range").map(parseCondition),
        order: parseOrder(source.order),
      };
    case "Search":
      return {
        type: "search",
        ...parseIndexName(text(source.indexName, "indexName")),
        filters: list(source.filters, "filters").map(parseSearchFilter),
      };
  }
  throw invalid(`unknown source type ${JSON.stringify(source.type ?? null)}`);
}

function parseOrder(json: Json | undefined): Order {
  if (json === null || json === undefined || json === "asc") return "asc";
  if (json === "desc") return "desc";
  throw invalid('expected "asc" or "desc"');
}

function parseIndexName(name: string): { table: string; index: string } {
  const [table, index, ...rest] = name.split(".");
  if (table === undefined || index === undefined) {
    throw invalid(`Insufficient components in index name ${name}`);
  }
  if (rest.length > 0) throw invalid(`Too many components in index name ${name}`);
  checkName(table);
  checkName(index);
  return { table, index };
}

function checkName(name: string): void {
  if (identifierProblem(name) === null) return;
  throw userError(
    "InvalidTableName",
    `Invalid table name: "${name}". Identifiers must start with a letter and can only contain ` +
      "letters, digits, and underscores.",
  );
}

const RANGE_OPERATORS: ReadonlySet<Json | undefined> = new Set(["Eq", "Gt", "Gte", "Lt", "Lte"]);

function parseCondition(json: Json): RangeCondition {
  const condition = object(json, "range condition");
  if (!RANGE_OPERATORS.has(condition.type)) {
    throw invalid(`unknown range type ${JSON.stringify(condition.type ?? null)}`);
  }
  return {
    operator: condition.type as RangeOperator,
    field: parseFieldPath(text(condition.fieldPath, "fieldPath")).join("."),
    value: parseComparand(condition.value),
  };
}

function parseSearchFilter(json: Json): SearchFilter {
  const filter = object(json, "search filter");
  const field = parseFieldPath(text(filter.fieldPath, "fieldPath")).join(".");
  switch (filter.type) {
    case "Search":
      return { type: "search", field, text: text(filter.value, "value") };
    case "Eq":
      return { type: "eq", field, value: parseComparand(filter.value) };
  }
  throw invalid(`unknown search filter type ${JSON.stringify(filter.type ?? null)}`);
}

function parseComparand(json: Json | undefined): Value | undefined {
  if (json === undefined) throw invalid("missing field `value`");
  // In a range, it finds the documents that this transaction wrote with the placeholder.
  if (isCommitTsToken(json)) return UNRESOLVED_COMMIT_TS;
  return decodeMaybeUndefined(json);
}

function parseOperator(json: Json): QueryOperator {
  const operator = object(json, "operator");
  const [name, ...rest] = Object.keys(operator);
  if (rest.length === 0) {
    if (name === "filter") return { type: "filter", matches: parseFilter(operator.filter!) };
    if (name === "limit") return { type: "limit", limit: parseLimit(operator.limit!) };
  }
  throw invalid('an operator must be {"filter": expression} or {"limit": number}');
}

function parseLimit(json: Json): number {
  if (typeof json !== "number" || !Number.isSafeInteger(json) || json < 0) {
    throw invalid("limit must be a non-negative integer");
  }
  return json;
}

function object(json: Json | undefined, what: string): JsonObject {
  if (!isJsonObject(json)) throw invalid(`${what} must be an object`);
  return json;
}

function list(json: Json | undefined, what: string): Json[] {
  if (!Array.isArray(json)) throw invalid(`${what} must be an array`);
  return json;
}

function text(json: Json | undefined, what: string): string {
  if (typeof json !== "string") throw invalid(`${what} must be a string`);
  return json;
}

function invalid(message: string): Error {
  return userError("InvalidArgument", message);
}
