import assert from "node:assert/strict";
import { checkDatabase } from "./check.ts";
import type { Engine } from "./engine.ts";
import { schemaStatus } from "./schema_lifecycle.ts";
import {
  ANY,
  BY_K,
  get,
  insert,
  push,
  schemaOf,
  startPush,
  withEngine,
} from "./testing/engine_stand.ts";
import type { Json } from "./values/value.ts";

const RETENTION_MS = 60_000;
const DOCUMENTS = 1200;

async function deleteTable(engine: Engine, name: string): Promise<void> {
  await engine.transact((tx) => tx.deleteTable(tx.tableByName("", name)!));
}

async function fill(engine: Engine, documents: number): Promise<string[]> {
  const { value } = await engine.transact((tx) =>
    Array.from({ length: documents }, (_, k) => insert(tx, "things", { k }))
  );
  return value;
}

/** Documents and entries of tables that are not the server's own. */
function userRows(engine: Engine): Promise<number> {
  return engine.committer.maintain((_, db) => {
    const { rows } = db.prepare(
      `SELECT (SELECT count(*) FROM documents WHERE tablet >= 100002)
            + (SELECT count(*) FROM entries WHERE idx >= 200004 AND idx NOT BETWEEN 4294967296 AND 8589934592) AS rows`,
    ).get() as { rows: number };
    return rows;
  });
}

function documentOf(field: Json): Json {
  return { type: "object", value: { k: { fieldType: field, optional: false } } };
}

Deno.test("a deleted table is gone at once, and its ids belong to no table", async () => {
  await withEngine(async (engine) => {
    const [id] = await fill(engine, 3);
    const before = engine.committer.latest;
    await deleteTable(engine, "things");
    assert.equal(get(engine, id!), null);
    assert.equal(engine.read((tx) => tx.database("").count("things")).value, 0);
    assert.equal(engine.read((tx) => tx.database("").normalizeId("things", id!)).value, null);
    await assert.rejects(
      engine.transact((tx) => tx.database("").patch(id!, { k: 7 })),
      (error: Error) =>
        error.message ===
          `Invalid argument \`id\` for \`db.patch\`: Table for ID "${id}" not found`,
    );
    assert.equal(engine.read((tx) => tx.database("").count("things"), before).value, 3);

    const { value: again } = await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    assert.equal(engine.read((tx) => tx.database("").count("things")).value, 1);
    assert.equal(get(engine, id!), null);
    assert.notEqual(
      again.slice(0, 3),
      id!.slice(0, 3),
      "the number is in use until the rows are gone",
    );
  });
});

Deno.test("rows of a deleted table go in batches, after the last snapshot that shows them", async () => {
  let now = 1_700_000_000_000;
  const options = { clock: () => now, retentionMs: RETENTION_MS };
  await withEngine(async (engine, reopen) => {
    await push(engine, schemaOf(ANY, [BY_K]));
    await fill(engine, DOCUMENTS);
    await push(engine, null);
    const before = engine.committer.latest;
    await deleteTable(engine, "things");
    now += RETENTION_MS / 2;
    await engine.transact((tx) => insert(tx, "others", {}));
    await engine.housekeeping();
    assert.equal(engine.read((tx) => tx.database("").count("things"), before).value, DOCUMENTS);

    now += RETENTION_MS;
    await engine.transact((tx) => insert(tx, "others", {}));
    // A restart in between: the work goes on.
    const again = await reopen();
    assert.ok(await userRows(again) > DOCUMENTS);
    await again.housekeeping();
    await again.housekeeping();
    assert.deepEqual(again.catalog.deletedTables, []);
    assert.equal(await userRows(again), 6, "two documents of the other table and their entries");
    await again.close();
    assert.deepEqual([...checkDatabase(again.path)], []);
  }, options);
});

Deno.test("the schema in force protects its tables and those whose ids it holds", async () => {
  await withEngine(async (engine) => {
    await engine.transact((tx) => {
      for (const table of ["users", "free"]) tx.createTable("", table);
    });
    const users: Json = { type: "id", tableName: "users" };
    await push(
      engine,
      schemaOf(documentOf({ type: "union", value: [users, { type: "null" }] }), [BY_K]),
    );
    const message = (name: string) =>
      deleteTable(engine, name).then(() => null, (error: Error) => error.message);
    assert.equal(
      await message("things"),
      'Failed to delete table "things" because it appears in the schema',
    );
    assert.equal(
      await message("users"),
      'Failed to delete table "users" because `v.id("users")` appears in the schema of table "things"',
    );
    assert.equal(await message("free"), null);
    await push(engine, null);
    assert.equal(await message("things"), null);
    assert.equal(await message("users"), null);
  });
});

Deno.test("a schema that waits fails when its table is deleted", async () => {
  await withEngine(async (engine) => {
    await engine.transact((tx) => tx.createTable("", "things"));
    const { id } = await startPush(engine, schemaOf(ANY));
    await engine.backgroundIdle();
    await deleteTable(engine, "things");
    assert.deepEqual(schemaStatus(engine, { "": id }), {
      type: "failed",
      error: 'Failed to delete table "things" because it appears in the schema',
      componentPath: "",
      tableName: "things",
    });
  });
});

Deno.test("a mutation that ran while its table was deleted conflicts", async () => {
  await withEngine(async (engine) => {
    const [id] = await fill(engine, 1);
    const racing = engine.read((tx) => {
      tx.database("").get({ id: id! });
    });
    await deleteTable(engine, "things");
    const result = await engine.committer.commit({
      begin: racing.ts,
      readSet: racing.readSet,
      writes: [{ tablet: 513, id: "x".repeat(32), json: "{}", isNew: true }],
      source: null,
    });
    assert.equal(result.kind, "conflict");
  });
});
