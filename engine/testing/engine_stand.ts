// An engine of its own for a test, and pushes of schemas to it.

import assert from "node:assert/strict";
import { Engine, type EngineOptions } from "../engine.ts";
import { diffIndexes, finishIndexes, prepareIndexes } from "../index_lifecycle.ts";
import { activateSchema, schemaStatus, submitSchema } from "../schema_lifecycle.ts";
import type { Transaction } from "../transaction.ts";
import { parseSchema, type SchemaDefinition } from "../values/schema.ts";
import type { Json } from "../values/value.ts";

export async function withEngine(
  body: (engine: Engine, reopen: () => Promise<Engine>) => Promise<void>,
  options: Partial<EngineOptions> = {},
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "concave-engine-" });
  const open = () =>
    Engine.open({
      path: `${directory}/db.sqlite`,
      cursorKey: new Uint8Array(32),
      ...options,
    });
  let engine = await open();
  try {
    await body(engine, async () => {
      await engine.close();
      return engine = await open();
    });
  } finally {
    await engine.close();
    await Deno.remove(directory, { recursive: true });
  }
}

export function insert(tx: Transaction, table: string, fields: { [field: string]: Json }): string {
  return tx.database("").insert(table, fields);
}

export function get(engine: Engine, id: string): Json {
  const json = engine.read((tx) => tx.database("").get({ id })).value;
  return json === null ? null : JSON.parse(json);
}

export function schemaOf(
  documentType: Json,
  indexes: { indexDescriptor: string; fields: string[] }[] = [],
  more: { [field: string]: Json } = {},
): SchemaDefinition {
  return parseSchema(JSON.stringify({
    tables: [{ tableName: "things", indexes, documentType, ...more }],
    schemaValidation: true,
  }));
}

export const ANY = { type: "any" };
export const K_IS_NUMBER = {
  type: "object",
  value: { k: { fieldType: { type: "number" }, optional: false } },
};
export const BY_K = { indexDescriptor: "by_k", fields: ["k"] };

export async function startPush(engine: Engine, schema: SchemaDefinition | null) {
  const { value } = await engine.transact((tx) => {
    const diff = diffIndexes(tx, "", schema);
    prepareIndexes(tx, "", schema);
    return { diff, id: submitSchema(tx, "", schema) };
  });
  return value;
}

export async function finishPush(
  engine: Engine,
  schema: SchemaDefinition | null,
  id: string | null,
) {
  const { value } = await engine.transact((tx) => {
    activateSchema(tx, "", id);
    return finishIndexes(tx, "", schema);
  });
  return value;
}

export async function push(engine: Engine, schema: SchemaDefinition | null) {
  const { id } = await startPush(engine, schema);
  await engine.backgroundIdle();
  assert.equal(schemaStatus(engine, { "": id }).type, "complete");
  return await finishPush(engine, schema, id);
}

/** Ids of the documents with that `k`, through the index. */
export function queryByK(engine: Engine, k: number, ts?: Parameters<Engine["read"]>[1]): string[] {
  return engine.read((tx) => {
    const stream = tx.database("").startQuery({
      source: {
        type: "IndexRange",
        indexName: "things.by_k",
        range: [{ type: "Eq", fieldPath: "k", value: k }],
        order: "asc",
      },
      operators: [],
    });
    const ids: string[] = [];
    for (let json = stream.next(); json !== null; json = stream.next()) {
      ids.push(JSON.parse(json)._id);
    }
    return ids;
  }, ts).value;
}
