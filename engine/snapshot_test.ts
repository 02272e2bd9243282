import assert from "node:assert/strict";
import { PlatformError } from "./errors.ts";
import { overlaid, Overlay } from "./overlay.ts";
import { openReadOnly, SnapshotReader } from "./snapshot.ts";
import { META } from "./storage_schema.ts";
import { Sandbox } from "./testing/sandbox.ts";
import { TinyCommitter } from "./testing/tiny_committer.ts";
import type { Timestamp } from "./timestamp.ts";

Deno.test("an empty file has timestamp zero and the global system tables", () => {
  const reader = new SnapshotReader(new TinyCommitter().db);
  const snapshot = reader.open();
  assert.equal(snapshot.ts, 0);
  assert.equal(snapshot.catalog.tableByName("", "_tables")?.number, 513);
  assert.deepEqual(snapshot.catalog.tablesOf(""), []);
  snapshot.close();
});

Deno.test("a view does not change while another connection writes", () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/db.sqlite`;
    const committer = new TinyCommitter(path);
    committer.db.exec("PRAGMA journal_mode = WAL");
    committer.commit(1 as Timestamp, []);
    const db = openReadOnly(path);
    const reader = new SnapshotReader(db);
    const view = reader.begin();
    committer.commit(2 as Timestamp, []);
    assert.equal(view.ts, 1);
    assert.equal(reader.latestTs(), 1);
    assert.throws(() => reader.begin(), /still open/);
    view.close();
    assert.equal(reader.batch((view) => view.ts), 2);
    assert.throws(() => db.exec("DELETE FROM commits"), /readonly/);
    db.close();
    committer.db.close();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a timestamp that the log no longer covers is refused", () => {
  const sandbox = new Sandbox();
  const retained = sandbox.ts;
  sandbox.write((tx) => tx.database("").insert("users", {}));
  sandbox.committer.db.prepare("INSERT INTO meta VALUES (?, ?)").run(META.retained, retained);
  const open = (ts: number) => sandbox.reader.open(ts as Timestamp).close();
  open(retained);
  assert.throws(
    () => open(retained - 1),
    (error) => error instanceof PlatformError && error.kind === "outOfRetention",
  );
  sandbox.reader.open().close();
});

Deno.test("an older view has the catalog of its time", () => {
  const sandbox = new Sandbox();
  const before = sandbox.ts;
  sandbox.write((tx) => tx.createTable("", "users"));
  sandbox.reader.batch((view) => {
    assert.notEqual(view.latest.catalog.tableByName("", "users"), null);
    assert.equal(view.at(before).catalog.tableByName("", "users"), null);
    assert.equal(view.at(before), view.at(before));
    assert.equal(view.at(view.ts), view.latest);
  });
});

Deno.test("a view gives the accepted positions of chains", () => {
  const sandbox = new Sandbox();
  sandbox.committer.db.exec("INSERT INTO chains VALUES (3, 17)");
  sandbox.reader.batch((view) => assert.deepEqual([view.chainSeq(3), view.chainSeq(4)], [17, 0]));
});

Deno.test("an overlay shows what is put in it until it is dropped", () => {
  const sandbox = new Sandbox();
  const id = sandbox.write((tx) => tx.database("").insert("users", { n: 1 }));
  const snapshot = sandbox.reader.open();
  const { tablet } = snapshot.catalog.tableByName("", "users")!;
  const original = snapshot.get(tablet, id)!.json;
  const overlay = new Overlay();
  const view = overlaid(snapshot, overlay);
  const index = snapshot.catalog.indexByName(tablet, "by_creation_time")!.id;
  const texts = () =>
    view.scan(index, { start: "", end: "\x7f" }, "asc", 10).map((row) => row.json);

  const changed = original.replace('"n":1', '"n":2');
  overlay.put(tablet, id, changed, snapshot.ts);
  assert.equal(view.get(tablet, id)?.json, changed);
  assert.deepEqual(texts(), [changed]);
  overlay.put(tablet, id, null, snapshot.ts);
  assert.equal(view.get(tablet, id), null);
  assert.deepEqual(texts(), []);
  assert.equal(overlay.size, 1);
  overlay.drop(tablet, id);
  assert.equal(view.get(tablet, id)?.json, original);
  assert.deepEqual(texts(), [original]);
  assert.equal(overlay.size, 0);
  view.close();
});
