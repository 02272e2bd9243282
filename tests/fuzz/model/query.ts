// Queries of the naive model (values-and-queries 4, 5): all documents of the table, filtered by the
// definition and sorted.

import { decodeMaybeUndefined } from "../../../engine/values/json.ts";
import type { Json, JsonObject } from "../../../engine/values/value.ts";
import type { QueryJson } from "../program.ts";
import { canonical, isToken, type ModelDocument, type ModelState } from "./state.ts";
import { at, type Compare, evaluate, type Maybe, ModelError, truth } from "./values.ts";

const GREATEST_INT64 = 2n ** 63n - 1n;

/** Values of the index fields and the id of a document. */
export type Key = readonly Maybe[];

interface Bound {
  readonly field: string;
  readonly operator: string;
  readonly value: Maybe;
}

/** A part of an index, and how far it was read. */
export interface Footprint {
  readonly plan: Plan;
  readonly after: Key | null;
  readonly upTo: Key | null;
  /** The last key that was taken; null if the end was reached. */
  readonly last: Key | null;
}

export interface Plan {
  readonly table: string;
  /** Of the key, `_id` included. */
  readonly fields: readonly string[];
  readonly eq: ReadonlyMap<string, Maybe>;
  readonly bounds: readonly Bound[];
  readonly direction: 1 | -1;
}

export function decode(json: Json): Maybe {
  return isToken(json) ? GREATEST_INT64 : decodeMaybeUndefined(json);
}

/** Null for the scan of a table that does not exist. */
export function planOf(state: ModelState, query: QueryJson): Plan | null {
  const { source } = query;
  const direction = source.order === "desc" ? -1 : 1;
  if (source.type === "FullTableScan") {
    const table = source.tableName as string;
    if (!state.tables.has(table)) return null;
    return { table, fields: ["_creationTime", "_id"], eq: new Map(), bounds: [], direction };
  }
  const [table, name] = (source.indexName as string).split(".") as [string, string];
  const fields = [...fieldsOfIndex(state, table, name), "_id"];
  return { table, fields, ...conditionsOf(source.range as JsonObject[], fields), direction };
}

function fieldsOfIndex(state: ModelState, table: string, name: string): readonly string[] {
  if (!state.tables.has(table)) throw new ModelError("IndexNotFoundError");
  if (name === "by_id") return [];
  if (name === "by_creation_time") return ["_creationTime"];
  const named = (state.indexes.get(table) ?? []).filter((index) => index.name === name);
  const index = named.find(({ isEnabled }) => isEnabled) ?? named[0];
  if (index === undefined) throw new ModelError("IndexNotFoundError");
  if (index.isStaged) throw new ModelError("IndexStagedError");
  if (!index.isEnabled) throw new ModelError("IndexBackfillingError");
  return index.fields;
}

function conditionsOf(range: readonly JsonObject[], fields: readonly string[]) {
  const eq = new Map<string, Maybe>();
  const bounds: Bound[] = [];
  for (const { type, fieldPath, value } of range) {
    const field = fieldPath as string;
    const operator = type as string;
    if (operator === "Eq") {
      if (eq.has(field)) throw new ModelError("AlreadyDefinedBound");
      eq.set(field, decode(value!));
    } else {
      const isLower = operator.startsWith("G");
      if (bounds.some((bound) => bound.operator.startsWith("G") === isLower)) {
        throw new ModelError("AlreadyDefinedBound");
      }
      bounds.push({ field, operator, value: decode(value!) });
    }
  }
  if (new Set(bounds.map(({ field }) => field)).size > 1) {
    throw new ModelError("BoundsOnMultipleFields");
  }
  const bounded = bounds[0]?.field;
  if (bounded !== undefined && eq.has(bounded)) throw new ModelError("AlreadyDefinedBound");
  const used = [...eq.keys(), ...(bounded === undefined ? [] : [bounded])];
  if (used.some((field) => !fields.includes(field))) throw new ModelError("FieldNotInIndex");
  const prefix = fields.slice(0, used.length);
  const isPrefix = prefix.every((field) => used.includes(field)) &&
    (bounded === undefined || prefix.at(-1) === bounded);
  if (!isPrefix) throw new ModelError("InvalidIndexRange");
  return { eq, bounds };
}

export function keyOf(plan: Plan, document: ModelDocument): Key {
  return plan.fields.map((field) => at(document.value, field));
}

export function compareKeys(plan: Plan, a: Key, b: Key, compare: Compare): number {
  for (let i = 0; i < plan.fields.length; i++) {
    const ordering = compare(a[i], b[i]);
    if (ordering !== 0) return ordering * plan.direction;
  }
  return 0;
}

function isInRange(plan: Plan, document: ModelDocument, compare: Compare): boolean {
  if (document.table !== plan.table) return false;
  for (const [field, value] of plan.eq) {
    if (compare(at(document.value, field), value) !== 0) return false;
  }
  return plan.bounds.every(({ field, operator, value }) => {
    const ordering = compare(at(document.value, field), value);
    if (operator === "Gt") return ordering > 0;
    if (operator === "Gte") return ordering >= 0;
    return operator === "Lt" ? ordering < 0 : ordering <= 0;
  });
}

/** Whether a document lies in what was read. */
export function isInFootprint(
  { plan, after, upTo, last }: Footprint,
  document: ModelDocument,
  compare: Compare,
): boolean {
  if (!isInRange(plan, document, compare)) return false;
  const key = keyOf(plan, document);
  return (after === null || compareKeys(plan, key, after, compare) > 0) &&
    (upTo === null || compareKeys(plan, key, upTo, compare) <= 0) &&
    (last === null || compareKeys(plan, key, last, compare) <= 0);
}

/** The documents in a part of an index, in order. */
export function rowsOf(
  state: ModelState,
  plan: Plan,
  after: Key | null,
  upTo: Key | null,
  compare: Compare,
): ModelDocument[] {
  return [...state.documents.values()]
    .filter((document) => isInFootprint({ plan, after, upTo, last: null }, document, compare))
    .sort((a, b) => compareKeys(plan, keyOf(plan, a), keyOf(plan, b), compare));
}

/** Applies the operators to one row after the other. */
export class Operators {
  readonly #remaining: number[];

  constructor(readonly operators: readonly Json[], readonly compare: Compare) {
    this.#remaining = operators.map((operator) =>
      (operator as { limit?: number }).limit ?? Infinity
    );
  }

  get isFull(): boolean {
    return this.#remaining.includes(0);
  }

  /** Whether the row comes through; throws ModelError "EvalError". */
  pass(document: ModelDocument): boolean {
    return this.operators.every((operator, i) => {
      const { filter } = operator as { filter?: Json };
      if (filter === undefined) return this.#remaining[i]!-- > 0;
      return truth(evaluate(filter, document.value, { compare: this.compare, decode }));
    });
  }
}

/** Tells queries apart whose cursors must not be mixed. */
export function fingerprintOf(state: ModelState, query: QueryJson): string {
  const plan = planOf(state, query);
  const fields = plan === null ? ["_creationTime"] : plan.fields.slice(0, -1);
  return canonical(query) + " on " + fields.join();
}
