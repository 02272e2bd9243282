import assert from "node:assert/strict";
import type { IndexKind, IndexState } from "../catalog.ts";
import { PlatformError } from "../errors.ts";
import { Sandbox } from "../testing/sandbox.ts";
import type { Transaction } from "../transaction.ts";
import type { Json } from "../values/value.ts";

function failure(body: () => unknown): [code: string, message: string] {
  try {
    body();
  } catch (error) {
    assert(error instanceof PlatformError, String(error));
    return [error.code, error.message];
  }
  assert.fail("nothing was thrown");
}

function start(tx: Transaction, source: Json, operators: Json = []) {
  return tx.database("").startQuery({ source, operators }, "1.48.0");
}

const indexRange = (indexName: string): Json => ({
  type: "IndexRange",
  indexName,
  range: [],
  order: null,
});
const scan = (tableName: string, order: Json = null): Json => ({
  type: "FullTableScan",
  tableName,
  order,
});

function sandboxWith(documents: number): Sandbox {
  const sandbox = new Sandbox();
  sandbox.write((tx) => {
    for (let n = 0; n < documents; n++) tx.database("").insert("t", { n });
  });
  return sandbox;
}

Deno.test("indexes must exist, be ready and be of the right kind", () => {
  const sandbox = sandboxWith(1);
  sandbox.write((tx) => {
    const { tablet } = tx.createTable("", "t");
    const add = (name: string, kind: IndexKind, state: IndexState, staged = false) =>
      tx.addIndex(tablet, { name, fields: ["n", "_creationTime"], kind, state, staged });
    add("slow", "database", "backfilling");
    add("built", "database", "backfilled");
    add("staged", "database", "backfilled", true);
    add("search", "search", "enabled");
    add("both", "database", "enabled");
    add("both", "database", "backfilling");
  });
  sandbox.read((tx) => {
    const backfilling = (name: string) => [
      "IndexBackfillingError",
      `Index ${name} is currently backfilling and not available to query yet.`,
    ];
    const notFound = (name: string) => ["IndexNotFoundError", `Index ${name} not found.`];
    const ofRange = (name: string) => failure(() => start(tx, indexRange(name)));
    assert.deepEqual(ofRange("t.none"), notFound("t.none"));
    assert.deepEqual(ofRange("none.by_id"), notFound("none.by_id"));
    assert.deepEqual(ofRange("_tables.by_id"), notFound("_tables.by_id"));
    assert.deepEqual(ofRange("_storage.by_storage_id"), notFound("_storage.by_storage_id"));
    assert.deepEqual(ofRange("t.slow"), backfilling("t.slow"));
    assert.deepEqual(ofRange("t.built"), backfilling("t.built"));
    assert.deepEqual(ofRange("t.staged"), [
      "IndexStagedError",
      "Index t.staged is currently staged and not available to query until it is enabled.",
    ]);
    assert.deepEqual(ofRange("t.search"), [
      "IndexNotADatabaseIndex",
      "Index t.search is not a database index",
    ]);
    const search = (indexName: string): Json => ({ type: "Search", indexName, filters: [] });
    assert.deepEqual(failure(() => start(tx, search("t.both"))), [
      "IndexNotASearchIndexError",
      "Index t.both is not a search index",
    ]);
    assert.deepEqual(failure(() => start(tx, search("t.none"))), notFound("t.none"));
    start(tx, indexRange("t.both"));
    start(tx, indexRange("t.by_id"));
  });
});

Deno.test("queries that cannot be read are refused", () => {
  sandboxWith(0).read((tx) => {
    const cause = (source: Json, operators: Json = []) => {
      const [, message] = failure(() => start(tx, source, operators));
      const prefix = "Invalid argument `query` for `queryStream`: ";
      assert(message.startsWith(prefix), message);
      return message.slice(prefix.length);
    };
    const identifiers = "Identifiers must start with a letter and can only contain letters, " +
      "digits, and underscores.";
    assert.equal(cause(indexRange("t")), "Insufficient components in index name t");
    assert.equal(cause(indexRange("t.a.b")), "Too many components in index name t.a.b");
    assert.equal(cause(indexRange("t.a-b")), `Invalid table name: "a-b". ${identifiers}`);
    assert.equal(cause(scan("1t")), `Invalid table name: "1t". ${identifiers}`);
    assert.equal(cause(scan("t", "up")), 'expected "asc" or "desc"');
    const operators = new Array<Json>(257).fill({ limit: 1 });
    assert.equal(cause(scan("t"), operators), "Query has too many operators: 257");
    for (const bad of [null, 5, {}, { type: "Else" }] as Json[]) cause(bad);
    for (const bad of [{}, [5], [{ limit: -1 }], [{ filter: 1 }]] as Json[]) cause(scan("t"), bad);
    assert.deepEqual(failure(() => tx.database("").startQuery({}, "one")), [
      "InvalidArgument",
      "Invalid argument `query` for `queryStream`: operators must be an array",
    ]);
    const query = { source: scan("t"), operators: [] };
    assert.deepEqual(failure(() => tx.database("").startQuery(query, "one")), [
      "InvalidClientVersion",
      "Invalid client version one",
    ]);
  });
});

Deno.test("a stream ends when it is closed, and reads nothing more than it gives", () => {
  const sandbox = sandboxWith(300);
  sandbox.read((tx) => {
    const rows = (operators: Json, order: Json = null) => {
      const stream = start(tx, scan("t", order), operators);
      const numbers: number[] = [];
      for (let json = stream.next(); json !== null; json = stream.next()) {
        numbers.push(JSON.parse(json).n);
      }
      return numbers;
    };
    assert.deepEqual(rows([]), Array.from({ length: 300 }, (_, n) => n));
    const used = () => tx.usage.documentsRead;
    const before = used();
    assert.deepEqual(rows([{ limit: 0 }]), []);
    assert.equal(used(), before);
    assert.deepEqual(rows([{ limit: 2 }], "desc"), [299, 298]);
    assert.equal(used(), before + 2);
    const even: Json = { $eq: [{ $mod: [{ $field: "n" }, { $literal: 2 }] }, { $literal: 0 }] };
    assert.deepEqual(rows([{ filter: even }, { limit: 2 }]), [0, 2]);
    assert.equal(used(), before + 5);
    assert.deepEqual(rows([{ limit: 3 }, { filter: even }]), [0, 2]);
    assert.equal(used(), before + 8);

    const stream = start(tx, scan("t"));
    stream.next();
    stream.close();
    assert.equal(stream.next(), null);
    assert.equal(used(), before + 9);
    assert.equal(start(tx, scan("none")).next(), null);
  });
});
