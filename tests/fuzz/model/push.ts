// What pushes do to the indexes and schemas of the naive model (values-and-queries 8, 9).

import type { JsonObject } from "../../../engine/values/value.ts";
import {
  accepts,
  type Difference,
  FIRST_TABLE_NUMBER,
  type ModelIndex,
  type ModelState,
} from "./state.ts";

type Declared = Pick<ModelIndex, "name" | "fields" | "isStaged"> & { readonly table: string };

function declaredIn(schema: JsonObject | null): Declared[] {
  const tables = (schema?.tables ?? []) as JsonObject[];
  return tables.flatMap((table) =>
    (["indexes", "stagedDbIndexes"] as const).flatMap((list) =>
      ((table[list] ?? []) as JsonObject[]).map(({ indexDescriptor, fields }) => ({
        table: table.tableName as string,
        name: indexDescriptor as string,
        fields: [...fields as string[], "_creationTime"],
        isStaged: list === "stagedDbIndexes",
      }))
    )
  );
}

/** The stored index that a declared one means, if there is one. */
function sameAs(
  declared: Declared | undefined,
  stored: readonly ModelIndex[],
): ModelIndex | undefined {
  if (declared === undefined) return undefined;
  const same = stored.filter(({ fields }) => fields.join() === declared.fields.join());
  return same.find(({ isEnabled }) => isEnabled) ?? same[0];
}

/** Changes the indexes of every name of every table, given those stored and the one declared. */
function mapIndexes(
  state: ModelState,
  schema: JsonObject | null,
  change: (stored: readonly ModelIndex[], declared: Declared | undefined) => ModelIndex[],
): ModelState {
  const declared = declaredIn(schema);
  const tables = new Map(state.tables);
  const indexes = new Map<string, ModelIndex[]>();
  // New tables get their numbers in the order of their names.
  const names = new Set([...tables.keys(), ...declared.map((index) => index.table)]);
  for (const table of [...names].sort()) {
    const stored = state.indexes.get(table) ?? [];
    const ofTable = declared.filter((index) => index.table === table);
    const names = new Set([...stored, ...ofTable].map(({ name }) => name));
    const changed = [...names].flatMap((name) =>
      change(
        stored.filter((index) => index.name === name),
        ofTable.find((index) => index.name === name),
      )
    );
    if (changed.length === 0) continue;
    if (!tables.has(table)) tables.set(table, FIRST_TABLE_NUMBER + tables.size);
    indexes.set(table, changed);
  }
  return { ...state, tables, indexes };
}

/** The start of a push. */
export function startPush(
  state: ModelState,
  schema: JsonObject | null,
  schemaId: string | null,
): ModelState {
  const prepared = mapIndexes(state, schema, (stored, declared) => {
    const same = sameAs(declared, stored);
    const kept = stored.filter((index) => index.isEnabled || index === same);
    if (declared === undefined) return kept;
    if (same === undefined) return [...kept, { ...declared, isEnabled: false }];
    return kept.map((index) =>
      index === same && !declared.isStaged ? { ...index, isStaged: false } : index
    );
  });
  const goesOn = state.push !== null && schemaId !== null && state.push.schemaId === schemaId;
  const mayFail = (goesOn && state.push!.mayFail) || hasViolation(prepared, schema);
  return { ...prepared, push: { schema, schemaId, mayFail, mustFail: false } };
}

/** The successful end of a push. */
export function finishPush(state: ModelState): ModelState {
  const { schema } = state.push!;
  const finished = mapIndexes(state, schema, (stored, declared) => {
    const same = sameAs(declared, stored);
    if (declared === undefined || same === undefined) return [];
    return [{ ...same, isEnabled: !declared.isStaged, isStaged: declared.isStaged }];
  });
  return { ...finished, schema, push: null };
}

/** Whether a stored document breaks the schema. */
export function hasViolation(state: ModelState, schema: JsonObject | null): boolean {
  return [...state.documents.values()].some(({ table, value }) =>
    !accepts(state, schema, table, value)
  );
}

/** Takes note of documents that were written while a push waits. */
export function withWritesNoted(state: ModelState, { documents }: Difference): ModelState {
  const { push } = state;
  if (push === null) return state;
  const isViolated = [...documents.values()].some((document) =>
    document !== null && !accepts(state, push.schema, document.table, document.value)
  );
  return isViolated ? { ...state, push: { ...push, mayFail: true, mustFail: true } } : state;
}
