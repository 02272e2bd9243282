// The state of the naive model: plain maps, copied whole for every transaction.

import { decodeValue } from "../../../engine/values/json.ts";
import { tableNumberOf } from "../../../engine/values/id.ts";
import type { Json, JsonObject, ValueObject } from "../../../engine/values/value.ts";
import { matches, sizeInBytes } from "./values.ts";

export interface ModelDocument {
  readonly id: string;
  readonly table: string;
  /** System fields included; placeholders of the commit's timestamp may be in it. */
  readonly json: JsonObject;
  /** The same as a value, the greatest int64 in place of placeholders. */
  readonly value: ValueObject;
  readonly text: string;
  readonly size: number;
}

export interface ModelIndex {
  readonly name: string;
  /** `_creationTime` included. */
  readonly fields: readonly string[];
  readonly isEnabled: boolean;
  readonly isStaged: boolean;
}

export interface ModelState {
  /** Numbers by name. */
  readonly tables: ReadonlyMap<string, number>;
  readonly documents: ReadonlyMap<string, ModelDocument>;
  /** By table. Those with one name are in the order in which they were added. */
  readonly indexes: ReadonlyMap<string, readonly ModelIndex[]>;
  /** The schema in force, as the CLI sends it. */
  readonly schema: JsonObject | null;
  /** A push that has begun and not ended. */
  readonly push: ModelPush | null;
  /** Outcomes of mutations by session and request. */
  readonly sessions: ReadonlySet<string>;
}

export interface ModelPush {
  readonly schema: JsonObject | null;
  /** Id of the schema's document, given by the engine. */
  readonly schemaId: string | null;
  /** Whether a document that breaks the schema existed at some time since the push began. */
  readonly mayFail: boolean;
  /** Whether such a document was written since then. */
  readonly mustFail: boolean;
}

export const EMPTY_STATE: ModelState = {
  tables: new Map(),
  documents: new Map(),
  indexes: new Map(),
  schema: null,
  push: null,
  sessions: new Set(),
};

export const FIRST_TABLE_NUMBER = 10_001;
const GREATEST_INT64: Json = { $integer: "/////////38=" };

export function modelDocument(id: string, table: string, json: JsonObject): ModelDocument {
  const value = decodeValue(withTokens(json, GREATEST_INT64)) as ValueObject;
  return { id, table, json, value, text: canonical(json), size: sizeInBytes(value) };
}

/** JSON text with sorted keys and nothing between them. */
export function canonical(json: Json): string {
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(canonical).join()}]`;
  const fields = Object.keys(json).sort();
  return `{${fields.map((f) => JSON.stringify(f) + ":" + canonical(json[f]!)).join()}}`;
}

export function isToken(json: Json): boolean {
  return canonical(json) === '{"$commitTs":null}';
}

/** The JSON with something in place of the placeholders of the commit's timestamp. */
export function withTokens(json: Json, replacement: Json): Json {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map((item) => withTokens(item, replacement));
  if (isToken(json)) return replacement;
  return Object.fromEntries(
    Object.entries(json).map(([field, item]) => [field, withTokens(item, replacement)]),
  );
}

export function tableOfNumber(state: ModelState, number: number | null): string | null {
  for (const [name, n] of state.tables) if (n === number) return name;
  return null;
}

export function tableOfId(state: ModelState, id: string): string | null {
  return tableOfNumber(state, tableNumberOf(id));
}

/** Whether a document may be in the table while the schema is in force. */
export function accepts(
  state: ModelState,
  schema: JsonObject | null,
  table: string,
  document: ValueObject,
): boolean {
  if (schema === null || schema.schemaValidation !== true) return true;
  const definition = (schema.tables as JsonObject[]).find((t) => t.tableName === table);
  if (definition === undefined) return true;
  const fields = Object.entries(document).filter(([field]) => !field.startsWith("_"));
  return matches(
    definition.documentType as JsonObject,
    Object.fromEntries(fields),
    (id) => tableOfId(state, id),
  );
}

/** What a transaction changes, apart from everything else. */
export interface Difference {
  readonly tables: ReadonlyMap<string, number>;
  readonly documents: ReadonlyMap<string, ModelDocument | null>;
}

export function difference(before: ModelState, after: ModelState): Difference {
  const documents = new Map<string, ModelDocument | null>();
  for (const [id, document] of after.documents) {
    if (before.documents.get(id)?.text !== document.text) documents.set(id, document);
  }
  for (const id of before.documents.keys()) {
    if (!after.documents.has(id)) documents.set(id, null);
  }
  const tables = new Map([...after.tables].filter(([name]) => !before.tables.has(name)));
  return { tables, documents };
}

export function applied(state: ModelState, { tables, documents }: Difference): ModelState {
  const all = new Map(state.documents);
  for (const [id, document] of documents) {
    if (document === null) all.delete(id);
    else all.set(id, document);
  }
  return { ...state, tables: new Map([...state.tables, ...tables]), documents: all };
}
