import assert from "node:assert/strict";
import { PlatformError } from "./errors.ts";
import type { TransactionLimits } from "./limits.ts";
import type { SystemDocument } from "./system_table_access.ts";
import { byIdIndex } from "./system_tables.ts";
import { Sandbox } from "./testing/sandbox.ts";
import { encodeKey } from "./values/key.ts";
import type { Transaction } from "./transaction.ts";

function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof PlatformError) return error.code;
    throw error;
  }
  return "ok";
}

Deno.test("inserts of one transaction have increasing creation times after its begin", () => {
  const sandbox = new Sandbox();
  sandbox.read((tx) => {
    const db = tx.database("");
    const times = Array.from({ length: 100 }, () => {
      const id = db.insert("users", {});
      return JSON.parse(db.get({ id })!)._creationTime as number;
    });
    assert(times[0]! > tx.begin / 1000);
    for (let i = 1; i < times.length; i++) {
      assert(times[i]! > times[i - 1]! && times[i]! - times[i - 1]! < 0.0003);
    }
  });
});

Deno.test("a failed nested mutation loses its writes and keeps its reads", () => {
  const sandbox = new Sandbox();
  const id = sandbox.write((tx) => tx.database("").insert("users", { n: 0 }));
  const body = (tx: Transaction) => {
    const db = tx.database("");
    db.patch(id, { n: 1 });
    assert.throws(() =>
      tx.nest(() => {
        db.patch(id, { n: 2 });
        tx.nest(() => db.patch(id, { n: 3 }));
        db.insert("logs", {});
        db.startQuery({
          source: { type: "FullTableScan", tableName: "users", order: null },
          operators: [],
        }).next();
        assert.equal(JSON.parse(db.get({ id })!).n, 3);
        throw new Error("rolled back");
      })
    );
    assert.equal(JSON.parse(db.get({ id })!).n, 1);
    assert.equal(tx.catalog.tableByName("", "logs"), null);
    assert.equal(tx.usage.documentsWritten, 1);
    assert.equal(JSON.parse(tx.snapshotQuery().database("").get({ id })!).n, 0);
    return tx.finish();
  };
  const { value: { readSet, writes } } = sandbox.read(body);
  assert.deepEqual(writes.map((write) => write.id), [id]);
  const byId = byIdIndex(writes[0]!.tablet);
  const indexes = readSet.filter((_, position) => position % 3 === 0);
  assert(indexes.includes(byId) && indexes.includes(byId + 1), "by_id and by_creation_time");
});

Deno.test("limits stop reads and writes of user tables only", () => {
  const sandbox = new Sandbox();
  const ids = sandbox.write((tx) => {
    const db = tx.database("");
    return Array.from({ length: 10 }, (_, n) => db.insert("users", { n }));
  });
  const within = (limits: Partial<TransactionLimits>, body: (tx: Transaction) => unknown): string =>
    codeOf(() => sandbox.read(body, { limits }));
  const getAll = (tx: Transaction) => ids.forEach((id) => tx.database("").get({ id }));
  const insertAll = (tx: Transaction) => ids.forEach(() => tx.database("").insert("users", {}));

  assert.equal(within({ documentsRead: 9 }, getAll), "TooManyDocumentsRead");
  assert.equal(within({ documentsRead: 10, intervalsRead: 10 }, getAll), "ok");
  assert.equal(within({ intervalsRead: 9 }, getAll), "TooManyReads");
  assert.equal(within({ bytesRead: 200 }, getAll), "TooManyBytesRead");
  assert.equal(within({ documentsWritten: 9 }, insertAll), "TooManyWrites");
  assert.equal(within({ bytesWritten: 200 }, insertAll), "TooManyBytesWritten");
  const system = (tx: Transaction) => {
    for (let n = 0; n < 5; n++) {
      tx.table("environmentVariables").insert({ name: `N${n}`, value: "" });
    }
    assert.equal(tx.table("environmentVariables").all().length, 5);
  };
  assert.equal(within({ documentsRead: 1, documentsWritten: 1, intervalsRead: 1 }, system), "ok");
});

Deno.test("two transactions that create tables depend on each other", () => {
  const sandbox = new Sandbox();
  const { readSet } = sandbox.read((tx) => tx.database("").insert("users", {}));
  const intervals = [];
  for (let i = 0; i < readSet.length; i += 3) intervals.push(readSet.slice(i + 1, i + 3).join("|"));
  assert(intervals.includes("|\x7f"), "the whole index by_name of _tables");
});

Deno.test("tables get the smallest free number and fresh tablets; components have their own", () => {
  const sandbox = new Sandbox();
  sandbox.write((tx) => {
    tx.createTable("", "a");
    tx.createTable("", "b", { number: 10_003 });
    tx.createTable("", "c", { state: "hidden" });
    tx.createTable("child", "a");
  });
  sandbox.read((tx) => {
    const d = tx.createTable("", "d");
    const { catalog } = tx;
    const number = (component: string, name: string) =>
      catalog.tableByName(component, name)?.number ?? null;
    assert.deepEqual(
      [number("", "a"), number("", "b"), number("", "c"), number("", "d"), number("child", "a")],
      [10_001, 10_003, null, 10_004, 10_001],
    );
    const tablets = [...catalog.tablesOf(""), ...catalog.tablesOf("child")].map((t) => t.tablet);
    assert.equal(new Set(tablets).size, tablets.length);
    assert.equal(tx.createTable("", "d"), d);
  });
});

Deno.test("system tables are read by index and written by id", () => {
  const sandbox = new Sandbox();
  sandbox.write((tx) => {
    const modules = tx.table("modules");
    for (const path of ["b.js", "a.js", "c.js"]) modules.insert({ component: "", path, hash: "h" });
    modules.insert({ component: "child", path: "a.js", hash: "h", extra: undefined });
  });
  const paths = (documents: readonly SystemDocument[]) => documents.map(({ path }) => path);
  sandbox.read((tx) => {
    const modules = tx.table("modules");
    assert.deepEqual(paths(modules.find("by_path", [""])), ["a.js", "b.js", "c.js"]);
    assert.deepEqual(
      paths(modules.range("by_path", [""], { gt: "a.js", order: "desc", limit: 1 })),
      ["c.js"],
    );
    assert.deepEqual(paths(modules.range("by_path", [""], { gte: "a.js", lt: "b.js" })), ["a.js"]);
    const found = modules.first("by_path", ["child", "a.js"])!;
    modules.patch(found._id, { hash: "i", extra: 1 });
    modules.patch(found._id, { extra: undefined });
    assert.deepEqual(modules.get(found._id), { ...found, hash: "i" });
    modules.replace(found._id, { component: "child", path: "z.js" });
    assert.equal(modules.first("by_path", ["child", "a.js"]), null);
    modules.remove(found._id);
    assert.equal(modules.get(found._id), null);
    assert.equal(modules.all().length, 3);
  });
});

Deno.test("scans that take turns depend on what each of them has consumed, and no more", () => {
  const sandbox = new Sandbox();
  for (const table of ["a", "b"]) sandbox.createIndex("", table, "by_n", ["n"]);
  sandbox.write((tx) => {
    for (let n = 0; n < 5; n++) {
      for (const table of ["a", "b"]) tx.database("").insert(table, { n });
    }
  });
  const { readSet, value: indexes } = sandbox.read((tx) => {
    const start = (table: string, order: string) =>
      tx.database("").startQuery({
        source: { type: "IndexRange", indexName: `${table}.by_n`, range: [], order },
        operators: [],
      });
    const [up, down] = [start("a", "asc"), start("b", "desc")];
    for (const stream of [up, down, up, up, down]) stream.next();
    return ["a", "b"].map((table) => {
      const { tablet } = tx.tableByName("", table)!;
      return tx.catalog.indexByName(tablet, "by_n")!.id;
    });
  });
  const isRead = (index: number, n: number) => {
    const key = encodeKey([n]) + encodeKey([1]);
    for (let at = 0; at < readSet.length; at += 3) {
      const [id, start, end] = readSet.slice(at, at + 3) as [number, string, string];
      if (id === index && start <= key && key < end) return true;
    }
    return false;
  };
  const numbers = [0, 1, 2, 3, 4];
  // The keys asked for lie before those of the documents with the same number.
  assert.deepEqual(numbers.map((n) => isRead(indexes[0]!, n)), [true, true, true, false, false]);
  assert.deepEqual(numbers.map((n) => isRead(indexes[1]!, n)), [false, false, false, false, true]);
});
