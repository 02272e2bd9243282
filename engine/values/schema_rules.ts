// The rules on a table of a schema that look at several indexes, or at an index and the document
// validator together (spec 8).

import { type PlatformError, userError } from "../errors.ts";
import { identifierProblem, parseFieldPath } from "./field.ts";
import type { TableDefinition } from "./schema.ts";
import type { Validator } from "./validator.ts";

/** All kinds together, staged ones included. */
export const INDEXES_PER_TABLE_MAX = 64;

/** @throws PlatformError for the first rule that the table breaks. */
export function checkTable(table: TableDefinition, schemaValidation: boolean): void {
  checkNames(table);
  checkDistinct(table);
  if (schemaValidation && table.documentType !== null) checkFieldsExist(table, table.documentType);
}

function checkNames({ tableName, indexes, searchIndexes, vectorIndexes }: TableDefinition): void {
  const names = [...indexes, ...searchIndexes, ...vectorIndexes].map((i) => i.indexDescriptor);
  const seen = new Set<string>();
  for (const name of names) {
    if (identifierProblem(name) !== null) {
      throw userError(
        "InvalidIndexName",
        `In table "${tableName}": Invalid index name: "${name}". Identifiers must be 64 ` +
          "characters or less, start with a letter, and only contain letters, digits, underscores.",
      );
    }
    if (name.startsWith("_") || name === "by_id" || name === "by_creation_time") {
      throw userError(
        "IndexNameReserved",
        `In table "${tableName}" cannot name an index "${name}" because the name is reserved. ` +
          'Indexes may not start with an underscore or be named "by_id" or "by_creation_time".',
      );
    }
    if (seen.has(name)) {
      throw userError(
        "IndexNamesNotUnique",
        `Table "${tableName}" has two or more definitions of index "${name}".`,
      );
    }
    seen.add(name);
  }
  if (names.length > INDEXES_PER_TABLE_MAX) {
    throw userError(
      "TooManyIndexes",
      `Table "${tableName}" cannot have more than ${INDEXES_PER_TABLE_MAX} indexes.`,
    );
  }
}

function checkDistinct({ tableName, ...table }: TableDefinition): void {
  const [index, sameIndex] = firstPair(table.indexes, (i) => i.fields);
  if (index !== undefined) {
    throw userError(
      "IndexNotUnique",
      `In table "${tableName}" index "${index}" and index "${sameIndex}" have the same fields. ` +
        "Indexes must be unique within a table.",
    );
  }
  const [search, sameSearch] = firstPair(
    table.searchIndexes,
    (i) => [i.searchField, ...i.filterFields],
  );
  if (search !== undefined) {
    throw notUnique("search", tableName, search, sameSearch!);
  }
  const [vector, sameVector] = firstPair(
    table.vectorIndexes,
    (i) => [i.vectorField, i.dimensions],
  );
  if (vector !== undefined) {
    throw notUnique("vector", tableName, vector, sameVector!);
  }
}

/** Names of the first two indexes with the same identity, the later one first. */
function firstPair<T extends { readonly indexDescriptor: string }>(
  indexes: readonly T[],
  identity: (index: T) => readonly (string | number)[],
): [later?: string, earlier?: string] {
  const seen = new Map<string, string>();
  for (const index of indexes) {
    const key = JSON.stringify(identity(index));
    const earlier = seen.get(key);
    if (earlier !== undefined) return [index.indexDescriptor, earlier];
    seen.set(key, index.indexDescriptor);
  }
  return [];
}

function notUnique(
  kind: "search" | "vector",
  table: string,
  later: string,
  earlier: string,
): PlatformError {
  const name = kind === "search" ? "Search" : "Vector";
  return userError(
    `${name}IndexFieldNotUnique`,
    `In table "${table}" ${kind} index "${later}" and ${kind} index "${earlier}" have the same ` +
      `\`${kind}Field\`. ${name} index fields must be unique within a table. You should combine ` +
      `the indexes with the same \`${kind}Field\` into one index containing all \`filterField\`s ` +
      "and then use different subsets of the `filterField`s at query time.",
  );
}

function checkFieldsExist(table: TableDefinition, documentType: Validator): void {
  const { tableName } = table;
  const check = (index: string, fields: readonly string[]) => {
    for (const field of fields) {
      if (fieldExists(documentType, field)) continue;
      throw userError(
        "SchemaDefinitionError",
        `In table "${tableName}" the index "${index}" is invalid because it references the field ` +
          `${field} that does not exist.`,
      );
    }
  };
  for (const index of table.indexes) check(index.indexDescriptor, index.fields);
  for (const index of table.searchIndexes) {
    check(index.indexDescriptor, [index.searchField, ...index.filterFields]);
  }
  for (const index of table.vectorIndexes) {
    check(index.indexDescriptor, [index.vectorField]);
    if (typesAt(documentType, parseFieldPath(index.vectorField)).some(mayBeVector)) continue;
    throw userError(
      "SchemaDefinitionError",
      `In table "${tableName}" the vector index "${index.indexDescriptor}" is invalid because it ` +
        `references the field ${index.vectorField} that is neither an array of ` +
        "float64 or optional array of float64.",
    );
  }
}

function fieldExists(documentType: Validator, field: string): boolean {
  const path = parseFieldPath(field);
  // A system field; which ones an index may name is another rule.
  if (path.length === 1 && path[0]!.startsWith("_")) return true;
  return typesAt(documentType, path).length > 0;
}

/** What a field path of a document may lead to; one type for each way through the unions. */
function typesAt(validator: Validator, path: readonly string[]): Validator[] {
  if (validator.type === "union") return validator.value.flatMap((branch) => typesAt(branch, path));
  const [segment, ...rest] = path;
  if (segment === undefined || validator.type === "any") return [validator];
  if (validator.type !== "object") return [];
  const field = validator.fields.find(({ name }) => name === segment);
  return field === undefined ? [] : typesAt(field.fieldType, rest);
}

function mayBeVector(validator: Validator): boolean {
  if (validator.type === "any") return true;
  return validator.type === "array" &&
    typesAt(validator.value, []).some(({ type }) => type === "number" || type === "any");
}
