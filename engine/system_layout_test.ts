import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { checkDatabase } from "./check.ts";
import { Engine } from "./engine.ts";
import { DatabaseOpenError } from "./open_error.ts";
import { FORMAT_VERSION, META } from "./storage_schema.ts";
import { FIRST_FREE_INDEX, SYSTEM_INDEX_BASE } from "./system_tables.ts";
import { createComponentTables } from "./table_creation.ts";
import { insert, withEngine } from "./testing/engine_stand.ts";

/** Changes the closed database by hand. */
function edit(path: string, body: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(path);
  body(db);
  db.close();
}

Deno.test("indexes that a later version gave the global system tables are filled at start", async () => {
  await withEngine(async (engine, reopen) => {
    await engine.transact((tx) => {
      tx.table("environmentVariables").insert({ name: "A", value: "1" });
    });
    await engine.close();
    // As if the earlier version had declared none of them.
    edit(engine.path, (db) => {
      db.prepare("DELETE FROM entries WHERE idx >= ? AND idx < ?")
        .run(SYSTEM_INDEX_BASE, FIRST_FREE_INDEX);
      db.prepare("DELETE FROM meta WHERE key = ?").run(META.systemLayout);
    });
    assert.notEqual([...checkDatabase(engine.path)].length, 0);
    const again = await reopen();
    const found = again.read((tx) => tx.table("environmentVariables").first("by_name", ["A"]));
    assert.equal(found.value?.value, "1");
    await again.close();
    assert.deepEqual([...checkDatabase(again.path)], []);
  });
});

Deno.test("tables and indexes that components lack are made at start, and filled", async () => {
  await withEngine(async (engine, reopen) => {
    const job = {
      name: "a.js:f",
      args: "[]",
      scheduledTime: 5,
      due: 5,
      state: { kind: "pending" },
    };
    await engine.transact((tx) => {
      createComponentTables(tx, "mail");
      for (const component of ["", "mail"]) {
        for (let n = 0; n < 200; n++) tx.table("scheduledJobs", component).insert(job);
        // An earlier version: without one index, and with another field in the other.
        const { tablet } = tx.table("scheduledJobs", component).table;
        const [completed, due] = tx.table("indexes").find("by_tablet", [tablet]);
        tx.table("indexes").remove(due!._id);
        tx.table("indexes").patch(completed!._id, { fields: ["old", "_creationTime"] });
        const files = tx.tableByName(component, "_file_storage")!;
        tx.table("tables").remove(
          tx.table("tables").first("by_name", [component, files.name])!._id,
        );
        for (const { _id } of tx.table("indexes").find("by_tablet", [files.tablet])) {
          tx.table("indexes").remove(_id);
        }
      }
    });
    const again = await reopen();
    for (const component of ["", "mail"]) {
      const { value } = again.read((tx) => ({
        due: tx.table("scheduledJobs", component).find("by_due", [5]).length,
        completed: tx.table("scheduledJobs", component).find("by_completed", []).length,
        files: tx.table("fileStorage", component).find("by_storage_id", ["x"]),
        states: tx.table("indexes").all().map(({ state }) => state),
      }));
      assert.deepEqual([value.due, value.completed, value.files], [200, 200, []]);
      assert.deepEqual(new Set(value.states), new Set(["enabled"]));
    }
    // The next start has nothing to do.
    const { latest } = again.committer;
    assert.equal((await reopen()).committer.latest, latest);
  });
});

Deno.test("a file of the first format, without sizes, is brought to the present one", async () => {
  await withEngine(async (engine, reopen) => {
    const { value: id } = await engine.transact((tx) =>
      insert(tx, "things", { text: "x".repeat(50) })
    );
    await engine.close();
    edit(
      engine.path,
      (db) => db.exec("ALTER TABLE documents DROP COLUMN size; PRAGMA user_version = 1"),
    );
    assert.match(
      [...checkDatabase(engine.path)].join(),
      /^The file has format 1; a start of the server/,
    );
    const again = await reopen();
    const bytesRead = () =>
      again.read((tx) => {
        tx.database("").get({ id });
        return tx.usage.bytesRead;
      }).value;
    const before = bytesRead();
    assert.ok(before > 100);
    await again.transact((tx) => tx.database("").patch(id, { text: "y".repeat(50) }));
    assert.equal(bytesRead(), before);
    await again.close();
    assert.deepEqual([...checkDatabase(again.path)], []);
  });
});

Deno.test("a file of a later format is refused in one line and left alone", async () => {
  await withEngine(async (engine, reopen) => {
    await engine.close();
    edit(engine.path, (db) => db.exec("PRAGMA user_version = 99"));
    const before = await Deno.readFile(engine.path);
    const refused = (error: unknown) => {
      assert(error instanceof DatabaseOpenError);
      assert.match(
        error.message,
        /^\S+ was written by a newer version of Concave \(format 99, this server reads \d+\)\.$/,
      );
      return true;
    };
    const open = () => Engine.open({ path: engine.path, cursorKey: new Uint8Array(32) });
    await assert.rejects(open, refused);
    assert.deepEqual(await Deno.readFile(engine.path), before);

    // The number may still be in the write-ahead log, as after a crash.
    edit(engine.path, (db) => db.exec(`PRAGMA user_version = ${FORMAT_VERSION}`));
    const db = new DatabaseSync(engine.path);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA user_version = 99");
    await assert.rejects(open, refused);
    db.exec(`PRAGMA user_version = ${FORMAT_VERSION}`);
    db.close();
    await reopen();
  });
});
