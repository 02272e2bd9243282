import assert from "node:assert/strict";
import { Engine } from "./engine.ts";
import { DatabaseOpenError } from "./open_error.ts";
import { DEAD_SCHEMA_AGE_MS_MAX, SESSION_AGE_MS_MAX } from "./retention.ts";
import { schemaStatus } from "./schema_lifecycle.ts";
import type { SchemaDefinition } from "./values/schema.ts";
import {
  ANY,
  BY_K,
  finishPush,
  get,
  insert,
  K_IS_NUMBER,
  push,
  queryByK,
  schemaOf,
  startPush,
  withEngine,
} from "./testing/engine_stand.ts";

Deno.test("a transaction of the server is there after a restart", async () => {
  await withEngine(async (engine, reopen) => {
    const { value: id, ts } = await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    assert.equal(engine.committer.durable, ts);
    assert.equal((get(engine, id) as { k: number }).k, 1);
    const again = await reopen();
    assert.equal(again.committer.latest, ts);
    assert.equal((get(again, id) as { k: number }).k, 1);
  });
});

Deno.test("a transaction that throws writes nothing", async () => {
  await withEngine(async (engine) => {
    const before = engine.committer.latest;
    await assert.rejects(
      engine.transact((tx) => {
        insert(tx, "things", { k: 1 });
        throw new Error("on second thoughts");
      }),
      /on second thoughts/,
    );
    assert.equal(engine.committer.latest, before);
  });
});

Deno.test("older states can be read within the retention and not beyond", async () => {
  let now = 1_700_000_000_000;
  await withEngine(async (engine) => {
    const { value: id, ts: first } = await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    await engine.transact((tx) => tx.database("").patch(id, { k: 2 }));
    const kAt = () => JSON.parse(engine.read((tx) => tx.database("").get({ id }), first).value!).k;
    assert.equal(kAt(), 1);
    now += 50_000;
    await engine.transact((tx) => tx.database("").patch(id, { k: 3 }));
    await engine.housekeeping();
    assert.equal(kAt(), 1);
    now += 61_000;
    await engine.housekeeping();
    assert.throws(kAt, /older than/);
    now += 61_000;
    await engine.housekeeping();
    assert.equal((get(engine, id) as { k: number }).k, 3);
  }, { clock: () => now, retentionMs: 60_000 });
});

Deno.test("a second server on the same file is refused", async () => {
  await withEngine(async (engine) => {
    await assert.rejects(
      Engine.open({ path: engine.path, cursorKey: new Uint8Array(32) }),
      (error) =>
        error instanceof DatabaseOpenError && /in use by another server/.test(error.message),
    );
  });
});

Deno.test("files of others are refused and left alone", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/db.sqlite`;
  await Deno.writeTextFile(path, "not a database at all, but long enough to look at".repeat(4));
  await assert.rejects(Engine.open({ path, cursorKey: new Uint8Array(32) }), DatabaseOpenError);
  assert.match(await Deno.readTextFile(path), /^not a database/);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a damaged file is refused with one line", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/db.sqlite`;
  await (await Engine.open({ path, cursorKey: new Uint8Array(32) })).close();
  const bytes = await Deno.readFile(path);
  bytes.fill(0xee, 100);
  await Deno.writeFile(path, bytes);
  await assert.rejects(
    Engine.open({ path, cursorKey: new Uint8Array(32) }),
    (error) => error instanceof DatabaseOpenError && /^Cannot (open|use)/.test(error.message),
  );
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a pushed index is built from what is there, switched on, and dropped", async () => {
  await withEngine(async (engine) => {
    const { value: ids } = await engine.transact((tx) =>
      Array.from({ length: 300 }, (_, i) => insert(tx, "things", { k: i % 3 }))
    );
    const schema = schemaOf(ANY, [BY_K]);
    const { diff, id } = await startPush(engine, schema);
    const entry = {
      name: "things.by_k",
      type: "database",
      fields: ["k", "_creationTime"],
      staged: false,
    };
    assert.deepEqual(diff.added_indexes, [entry]);
    const racing = await engine.transact((tx) => {
      tx.database("").remove(ids[0]!);
      tx.database("").patch(ids[1]!, { k: 2 });
      return insert(tx, "things", { k: 2 });
    });
    await engine.backgroundIdle();
    assert.deepEqual(schemaStatus(engine, { "": id }), { type: "complete" });
    assert.deepEqual((await finishPush(engine, schema, id)).added_indexes, [entry]);
    assert.equal(queryByK(engine, 0).length, 99);
    assert.equal(queryByK(engine, 1).length, 99);
    assert.equal(queryByK(engine, 2).length, 102);
    assert.ok(queryByK(engine, 2).includes(racing.value));

    const { diff: none } = await startPush(engine, schema);
    assert.deepEqual(Object.values(none).flat(), []);
    const dropped = await push(engine, null);
    assert.deepEqual(dropped.removed_indexes, [entry]);
    assert.throws(() => queryByK(engine, 0), /by_k/);
  });
});

Deno.test("a changed index serves with its old definition until the push ends", async () => {
  await withEngine(async (engine) => {
    await engine.transact((tx) => insert(tx, "things", { k: 1, other: 2 }));
    await push(engine, schemaOf(ANY, [BY_K]));
    const changed = schemaOf(ANY, [{ indexDescriptor: "by_k", fields: ["k", "other"] }]);
    const { diff, id } = await startPush(engine, changed);
    assert.equal(diff.removed_indexes.length, 1);
    assert.equal(diff.added_indexes.length, 1);
    assert.equal(queryByK(engine, 1).length, 1);
    await engine.backgroundIdle();
    await finishPush(engine, changed, id);
    assert.equal(queryByK(engine, 1).length, 1);
    const { diff: none } = await startPush(engine, changed);
    assert.deepEqual(Object.values(none).flat(), []);
  });
});

Deno.test("a staged index is built without serving, and enabled without a rebuild", async () => {
  await withEngine(async (engine) => {
    await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    const staged = schemaOf(ANY, [], { stagedDbIndexes: [BY_K] });
    await push(engine, staged);
    assert.throws(() => queryByK(engine, 1), /by_k/);
    const live = schemaOf(ANY, [BY_K]);
    const { diff, id } = await startPush(engine, live);
    assert.equal(diff.enabled_indexes.length, 1);
    assert.equal(diff.added_indexes.length, 0);
    await engine.backgroundIdle();
    await finishPush(engine, live, id);
    assert.equal(queryByK(engine, 1).length, 1);

    const { diff: back, id: stagedId } = await startPush(engine, staged);
    assert.equal(back.disabled_indexes.length, 1);
    assert.equal(queryByK(engine, 1).length, 1, "it serves until the push ends");
    await engine.backgroundIdle();
    await finishPush(engine, staged, stagedId);
    assert.throws(() => queryByK(engine, 1), /things.by_k is currently staged and not available/);
    // Staged, it is maintained: enabled again it has what was written meanwhile.
    await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    const { id: liveId } = await startPush(engine, live);
    await finishPush(engine, live, liveId);
    assert.equal(queryByK(engine, 1).length, 2);
  });
});

Deno.test("entries of a dropped index go when no snapshot can ask for them", async () => {
  let now = 1_700_000_000_000;
  await withEngine(async (engine) => {
    await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    await push(engine, schemaOf(ANY, [BY_K]));
    const before = engine.committer.latest;
    await push(engine, null);
    const { value: later } = await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    assert.equal(queryByK(engine, 1, before).length, 1);
    assert.ok(!queryByK(engine, 1, before).includes(later));
    now += 120_000;
    await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    now += 120_000;
    await engine.housekeeping();
    await engine.housekeeping();
    const { entries } = await engine.committer.maintain((_, db) =>
      db.prepare("SELECT count(*) AS entries FROM entries WHERE idx >= ?").get(2 ** 33) as {
        entries: number;
      }
    );
    assert.equal(entries, 0);
  }, { clock: () => now, retentionMs: 60_000 });
});

Deno.test("stored documents fail a pending schema that they do not match", async () => {
  await withEngine(async (engine) => {
    const { value: id } = await engine.transact((tx) => {
      for (let i = 0; i < 200; i++) insert(tx, "things", { k: i });
      return insert(tx, "things", { k: "text" });
    });
    const { id: schemaId } = await startPush(engine, schemaOf(K_IS_NUMBER));
    await engine.backgroundIdle();
    const status = schemaStatus(engine, { "": schemaId });
    assert.ok(status.type === "failed");
    assert.equal(status.tableName, "things");
    assert.equal(status.componentPath, "");
    assert.ok(
      status.error.startsWith(
        `Document with ID "${id}" in table "things" does not match the schema: `,
      ),
      status.error,
    );
    await assert.rejects(
      finishPush(engine, schemaOf(K_IS_NUMBER), schemaId),
      /^PlatformError: Schema has already been failed with error: Document with ID/,
    );
  });
});

Deno.test("a write against a waiting schema succeeds and fails the schema", async () => {
  await withEngine(async (engine) => {
    await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    const { id } = await startPush(engine, schemaOf(K_IS_NUMBER));
    await engine.backgroundIdle();
    assert.equal(schemaStatus(engine, { "": id }).type, "complete");
    const { value: bad } = await engine.transact((tx) => insert(tx, "things", { k: "text" }));
    assert.notEqual(get(engine, bad), null);
    const status = schemaStatus(engine, { "": id });
    assert.ok(status.type === "failed");
    assert.match(status.error, /^New document in table "things" does not match the schema: /);
  });
});

Deno.test("a schema in force is reused, and a newer push overwrites a waiting one", async () => {
  await withEngine(async (engine) => {
    const schema = schemaOf(K_IS_NUMBER);
    const { id } = await startPush(engine, schema);
    assert.equal((await startPush(engine, schema)).id, id);
    await engine.backgroundIdle();
    await finishPush(engine, schema, id);
    assert.equal((await startPush(engine, schema)).id, id);
    await assert.rejects(
      engine.transact((tx) => insert(tx, "things", { k: "text" })),
      /does not match the schema/,
    );
    const { id: other } = await startPush(engine, schemaOf(ANY));
    assert.notEqual(other, id);
    await startPush(engine, schemaOf(ANY, [BY_K]));
    assert.deepEqual(schemaStatus(engine, { "": other }), { type: "raceDetected" });
    await assert.rejects(
      finishPush(engine, schemaOf(ANY), other),
      /Schema has already been overwritten\./,
    );
  });
});

Deno.test("without schema validation anything can be stored, and indexes and tables still apply", async () => {
  await withEngine(async (engine) => {
    await engine.transact((tx) => insert(tx, "things", { k: "text" }));
    const loose: SchemaDefinition = {
      ...schemaOf(K_IS_NUMBER, [BY_K]),
      schemaValidation: false,
    };
    await push(engine, loose);
    await engine.transact((tx) => insert(tx, "things", { k: "more", other: 1 }));
    await engine.transact((tx) => insert(tx, "things", { k: 7 }));
    assert.equal(queryByK(engine, 7).length, 1);
    // Switched on, it finds what was stored meanwhile.
    const { id } = await startPush(engine, schemaOf(K_IS_NUMBER, [BY_K]));
    await engine.backgroundIdle();
    const status = schemaStatus(engine, { "": id });
    assert.ok(status.type === "failed");
    assert.match(
      status.error,
      /does not match the schema: Value does not match validator\.\nPath: \.k/,
    );
    await engine.transact((tx) => insert(tx, "things", { k: "still" }));
  });
});

Deno.test("there may be so many tables, over all components, and their deletion makes room", async () => {
  await withEngine(async (engine) => {
    await engine.transact((tx) => {
      insert(tx, "a", {});
      tx.database("mail").insert("b", {});
    });
    const third = () => engine.transact((tx) => insert(tx, "c", {}));
    await assert.rejects(
      third,
      (error: Error) => error.message === "Number of tables cannot exceed 2.",
    );
    await engine.transact((tx) => insert(tx, "a", {}));
    await engine.transact((tx) => tx.deleteTable(tx.tableByName("mail", "b")!));
    await third();
  }, { limits: { tables: 2 } });
});

Deno.test("backfill and validation go on after a restart", async () => {
  await withEngine(async (engine, reopen) => {
    await engine.transact((tx) => {
      for (let i = 0; i < 1000; i++) insert(tx, "things", { k: i % 2 });
    });
    const schema = schemaOf(K_IS_NUMBER, [BY_K]);
    const { id } = await startPush(engine, schema);
    assert.equal(schemaStatus(engine, { "": id }).type, "inProgress");
    const again = await reopen();
    await again.backgroundIdle();
    assert.equal(schemaStatus(again, { "": id }).type, "complete");
    await finishPush(again, schema, id);
    assert.equal(queryByK(again, 0).length, 500);
  });
});

Deno.test("closing waits for what was accepted and refuses what comes later", async () => {
  await withEngine(async (engine, reopen) => {
    const accepted = Array.from(
      { length: 20 },
      (_, i) => engine.transact((tx) => insert(tx, "things", { k: i })),
    );
    const again = await reopen();
    const ids = (await Promise.all(accepted)).map(({ value }) => value);
    for (const id of ids) assert.notEqual(get(again, id), null);
    await assert.rejects(engine.transact((tx) => insert(tx, "things", { k: 0 })), /closed/);
  });
});

Deno.test("outcomes of mutations are forgotten after two weeks", async () => {
  let now = 1_700_000_000_000;
  await withEngine(async (engine) => {
    const { committer } = engine;
    const record = (requestId: number) =>
      committer.commit({
        begin: committer.latest,
        readSet: [],
        writes: [],
        source: null,
        session: { sessionId: "s", requestId, result: "null", logLines: [] },
      });
    await record(1);
    now += SESSION_AGE_MS_MAX + 1;
    await engine.transact((tx) => insert(tx, "things", { k: 1 }));
    await record(2);
    await engine.housekeeping();
    assert.equal(committer.sessionOutcome("s", 1), null);
    assert.notEqual(committer.sessionOutcome("s", 2), null);
  }, { clock: () => now });
});

Deno.test("schemas that came to nothing are forgotten after an hour", async () => {
  let now = 1_700_000_000_000;
  await withEngine(async (engine) => {
    const { id } = await startPush(engine, schemaOf(ANY));
    await startPush(engine, null);
    const isStored = () => engine.read((tx) => tx.table("schemas").get(id!)).value !== null;
    assert.ok(isStored());
    now += DEAD_SCHEMA_AGE_MS_MAX + 1;
    await engine.housekeeping();
    assert.ok(!isStored());
  }, { clock: () => now });
});
