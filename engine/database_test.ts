import assert from "node:assert/strict";
import type { Database } from "./database.ts";
import { PlatformError } from "./errors.ts";
import { Sandbox } from "./testing/sandbox.ts";
import { encodeId } from "./values/id.ts";
import type { Json } from "./values/value.ts";

/** The code and the message of what a call throws. */
function failure(body: () => unknown): [code: string, message: string] {
  try {
    body();
  } catch (error) {
    assert(error instanceof PlatformError, String(error));
    return [error.code, error.message];
  }
  assert.fail("nothing was thrown");
}

function inTransaction<T>(sandbox: Sandbox, body: (db: Database) => T): T {
  return sandbox.read((tx) => body(tx.database(""))).value;
}

const NO_ID = new Uint8Array(16);

Deno.test("documents are inserted, read, patched, replaced and deleted", () => {
  const sandbox = new Sandbox();
  const id = sandbox.write((tx) => tx.database("").insert("users", { name: "Ada", age: 36 }));
  assert.match(id, /^j57[0-9a-z]{29}$/);
  const read = () => JSON.parse(inTransaction(sandbox, (db) => db.get({ id })) ?? "null");
  const { _creationTime, ...fields } = read();
  assert.deepEqual(fields, { _id: id, name: "Ada", age: 36 });

  sandbox.write((tx) => {
    const json = tx.database("").patch(id, { age: { $undefined: null }, city: "London" });
    assert.deepEqual(JSON.parse(json), { _id: id, _creationTime, name: "Ada", city: "London" });
  });
  assert.deepEqual(read(), { _id: id, _creationTime, name: "Ada", city: "London" });

  sandbox.write((tx) => tx.database("").replace(id, { _id: id, name: "Grace" }));
  assert.deepEqual(read(), { _id: id, _creationTime, name: "Grace" });

  sandbox.write((tx) => tx.database("").remove(id));
  assert.equal(read(), null);
});

Deno.test("a write that changes nothing writes nothing", () => {
  const sandbox = new Sandbox();
  const id = sandbox.write((tx) => tx.database("").insert("users", { name: "Ada", n: 1 }));
  sandbox.read((tx) => {
    const db = tx.database("");
    db.patch(id, { name: "Ada" });
    db.replace(id, { n: 1, name: "Ada" });
    assert.equal(tx.hasWrites, false);
    assert.equal(tx.usage.documentsWritten, 0);
  });
});

Deno.test("the creation time stays, whatever field comes first", () => {
  new Sandbox().read((tx) => {
    const db = tx.database("");
    const id = db.insert("users", { A: { _creationTime: 1 } });
    const { _creationTime } = JSON.parse(db.get({ id })!);
    assert.equal(JSON.parse(db.patch(id, { B: 1 }))._creationTime, _creationTime);
    assert.equal(JSON.parse(db.replace(id, { z: 1 }))._creationTime, _creationTime);
    assert.equal(JSON.parse(db.patch(id, { y: 1 }))._creationTime, _creationTime);
  });
});

Deno.test("what is inserted and deleted again leaves only the new table", () => {
  new Sandbox().read((tx) => {
    const db = tx.database("");
    db.remove(db.insert("users", {}));
    const { writes } = tx.finish();
    assert.deepEqual(writes.map((write) => write.tablet), [513]);
  });
});

Deno.test("ids are checked in the platform's order", () => {
  const sandbox = new Sandbox();
  const [user, file] = sandbox.write((tx) => [
    tx.database("").insert("users", {}),
    tx.table("fileStorage").insert({ storageId: "u", sha256: "", size: 0, contentType: null }),
  ]);
  const unknown = encodeId(10_777, NO_ID);
  const hidden = encodeId(513, NO_ID);
  inTransaction(sandbox, (db) => {
    assert.deepEqual(failure(() => db.get({ id: "x" })), [
      "InvalidArgument",
      "Invalid argument `id` for `db.get`: Unable to decode ID: Invalid ID length 1",
    ]);
    assert.equal(db.get({ id: unknown, table: "users" }), null);
    assert.equal(db.get({ id: hidden }), null);
    assert.deepEqual(failure(() => db.get({ id: user, table: "posts" })), [
      "InvalidArgument",
      'Invalid argument `id` for `db.get`: expected to be an Id<"posts">, got Id<"users"> instead.',
    ]);
    const systemOnly = "System tables can only be accessed with db.system.";
    assert.deepEqual(failure(() => db.get({ id: file, table: "posts" })), [
      "SystemTableError",
      systemOnly,
    ]);
    assert.deepEqual(failure(() => db.get({ id: user, isSystem: true, version: "1.48.0" })), [
      "SystemTableError",
      "User tables cannot be accessed with db.system.",
    ]);
    for (const id of [unknown, hidden]) {
      assert.deepEqual(failure(() => db.patch(id, {})), [
        "InvalidArgument",
        `Invalid argument \`id\` for \`db.patch\`: Table for ID "${id}" not found`,
      ]);
    }
    assert.deepEqual(failure(() => db.remove(file, "users")), [
      "InvalidArgument",
      'Invalid argument `id` for `db.delete`: expected to be an Id<"users">, ' +
      'got Id<"_storage"> instead.',
    ]);
    assert.deepEqual(failure(() => db.remove(file)), ["SystemTableError", systemOnly]);
    assert.deepEqual(failure(() => db.replace(file, 5)), [
      "InvalidArgument",
      "Invalid argument `value` for `db.replace`: Value must be an Object",
    ]);
    assert.deepEqual(failure(() => db.insert("_storage", {})), ["SystemTableError", systemOnly]);
    assert.match(
      failure(() => db.insert("a b", {}))[1],
      /^Invalid argument `table` for `db.insert`/,
    );
    const missing = encodeId(10_001, NO_ID);
    assert.deepEqual(
      [() => db.patch(missing, {}), () => db.replace(missing, {}), () => db.remove(missing)]
        .map((write) => failure(write)),
      ["Update", "Replace", "Delete"].map((verb) => [
        "NonexistentDocument",
        `${verb} on nonexistent document ID ${missing}`,
      ]),
    );
  });
});

Deno.test("a document must have its own system fields, a flat enough shape and a bounded size", () => {
  const sandbox = new Sandbox();
  const id = sandbox.write((tx) => tx.database("").insert("users", { n: 1 }));
  let deep: Json = [];
  for (let level = 0; level < 15; level++) deep = [deep];
  inTransaction(sandbox, (db) => {
    const other = encodeId(10_001, NO_ID);
    assert.deepEqual(failure(() => db.patch(id, { _id: other })), [
      "InvalidIdError",
      `Provided document ID "${id}" doesn't match '_id' field "${other}"`,
    ]);
    assert.match(
      failure(() => db.patch(id, { _creationTime: 5 }))[1],
      /^Provided creation time 1700000000\d+\.\d+ doesn't match '_creationTime' field in \{/,
    );
    db.patch(id, { _id: { $undefined: null } });
    assert.match(
      failure(() => db.replace(id, { _secret: 1 }))[1],
      /^Document\(value: .*\) isn't a valid document: Field '_secret' starts with an underscore/,
    );
    assert.match(
      failure(() => db.insert("users", { deep }))[1],
      /isn't a valid document: Document is too nested \(nested 17 levels deep > maximum nesting 16\)/,
    );
    assert.deepEqual(failure(() => db.insert("users", { text: "x".repeat(2 ** 20) })), [
      "ValueTooLargeError",
      "Value is too large (1.00 MiB > maximum size 1 MiB)",
    ]);
  });
});

Deno.test("a document has at most 1024 fields, system fields included, however it got them", () => {
  const fields = (count: number): Json =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, i]));
  const tooMany = (count: number) => [
    "TooManyFieldsError",
    `Object has too many fields (${count} > maximum number 1024)`,
  ];
  inTransaction(new Sandbox(), (db) => {
    const id = db.insert("users", fields(1022));
    // What was read can be written again.
    db.replace(id, JSON.parse(db.get({ id })!));
    db.patch(id, { f1: "changed" });
    assert.deepEqual(failure(() => db.patch(id, { one: 1 })), tooMany(1025));
    assert.deepEqual(failure(() => db.insert("users", fields(1023))), tooMany(1025));
    assert.deepEqual(failure(() => db.replace(id, fields(1024))), tooMany(1026));
  });
});

Deno.test("the active schema is enforced on writes", () => {
  const sandbox = new Sandbox();
  const stringField = { fieldType: { type: "string" }, optional: false };
  const documentType = { type: "object", value: { name: stringField } };
  const schema = JSON.stringify({
    tables: [{ tableName: "users", indexes: [], documentType }],
    schemaValidation: true,
  });
  sandbox.write((tx) => tx.table("schemas").insert({ component: "", state: "active", schema }));
  const { readSet } = sandbox.read((tx) => {
    const db = tx.database("");
    db.insert("other", { name: 1 });
    const id = db.insert("users", { name: "Ada" });
    assert.deepEqual(failure(() => db.patch(id, { name: 5 })), [
      "SchemaEnforcementError",
      'Failed to insert or update a document in table "users" because it does not match the ' +
      "schema: Value does not match validator.\nPath: .name\nValue: 5.0\nValidator: v.string()",
    ]);
  });
  // A push that activates another schema must conflict with this transaction.
  assert(readSet.some((part) => typeof part === "string" && part.includes("active")));
});

Deno.test("files and scheduled functions are seen through virtual tables", () => {
  const sandbox = new Sandbox();
  const sha256 = btoa("\x01\xab".padEnd(32, "\0"));
  const [file, job] = sandbox.write((tx) => [
    tx.table("fileStorage").insert({ storageId: "uuid", sha256, size: 3, contentType: null }),
    tx.table("scheduledJobs").insert({
      name: "a.js:f",
      args: '[{"n":{"$integer":"AQAAAAAAAAA="}}]',
      scheduledTime: 5,
      due: 5,
      state: { kind: "pending" },
    }),
  ]);
  inTransaction(sandbox, (db) => {
    const version = "1.48.0";
    const get = (id: string, version?: string) => {
      const { _creationTime, ...fields } = JSON.parse(db.get({ id, isSystem: true, version })!);
      return fields;
    };
    assert.deepEqual(get(file, version), { _id: file, sha256, size: 3, contentType: null });
    assert.equal(get(file, "1.8.0").sha256, "01ab".padEnd(64, "0"));
    assert.deepEqual(get(job, version), {
      _id: job,
      name: "a.js:f",
      args: [{ n: { $integer: "AQAAAAAAAAA=" } }],
      scheduledTime: 5,
      state: { kind: "pending" },
    });
    assert.deepEqual(failure(() => get(file)), [
      "InvalidClientVersion",
      "Upgrade to NPM version 1.6.1 or above to access system tables",
    ]);
    const filter: Json = { $eq: [{ $field: "state.kind" }, { $literal: "pending" }] };
    const source = { type: "FullTableScan", tableName: "_scheduled_functions", order: null };
    const stream = db.startQuery({ source, operators: [{ filter }] }, version);
    assert.equal(JSON.parse(stream.next()!)._id, job);
    assert.equal(stream.next(), null);
    const hidden = { type: "FullTableScan", tableName: "_tables", order: null };
    assert.equal(db.startQuery({ source: hidden, operators: [] }, version).next(), null);
    assert.equal(db.normalizeId("_storage", file), file);
    assert.equal(db.normalizeId("_tables", encodeId(513, NO_ID)), null);
  });
});

Deno.test("an unmounted component can be read but not written", () => {
  const sandbox = new Sandbox();
  const component = sandbox.write((tx) =>
    tx.table("components").insert({ parent: null, name: "mail", state: "active" })
  );
  const id = sandbox.write((tx) => tx.database(component).insert("users", { n: 1 }));
  sandbox.write((tx) => tx.table("components").patch(component, { state: "unmounted" }));
  const { readSet } = sandbox.read((tx) => {
    const db = tx.database(component);
    assert.equal(JSON.parse(db.get({ id })!).n, 1);
    for (
      const write of [
        () => db.insert("users", {}),
        () => db.insert("others", {}),
        () => db.patch(id, { n: 2 }),
        () => db.replace(id, {}),
        () => db.remove(id),
      ]
    ) {
      assert.deepEqual(failure(write), [
        "UnmountedComponent",
        "Cannot perform write operations in an unmounted component. Make sure your component is " +
        "installed in your `convex.config.ts` file.",
      ]);
    }
    assert.equal(tx.hasWrites, false);
    // Other components go on, those that the server has not been told of included.
    tx.database("other").insert("users", {});
  });
  // Mounting it again must re-run whoever was refused.
  assert(readSet.some((part) => typeof part === "string" && part.includes(component)));
});

Deno.test("ids are normalized by table", () => {
  const sandbox = new Sandbox();
  const id = sandbox.write((tx) => tx.database("").insert("users", {}));
  inTransaction(sandbox, (db) => {
    assert.equal(db.normalizeId("users", id), id);
    assert.equal(db.normalizeId("users", "nonsense"), null);
    assert.equal(db.normalizeId("posts", id), null);
    // The old form names no table, so it is an id of whichever was asked for.
    const legacy = "AAECAwQFBgcICQoLDA0ODw";
    const internal = Uint8Array.from({ length: 16 }, (_, byte) => byte);
    assert.equal(db.normalizeId("users", legacy), encodeId(10_001, internal));
    assert.equal(db.normalizeId("posts", legacy), null);
    assert.match(db.normalizeId("users", "0123456789ABCDEFGHIJabc")!, /^j57[0-9a-z]{29}$/);
    assert.deepEqual(failure(() => db.normalizeId("a b", id)), [
      "InvalidIdentifier",
      "Invalid argument `table` for `db.normalizeId`: Identifier a b has invalid character ' ': " +
      "Identifiers can only contain alphanumeric characters or underscores",
    ]);
    assert.equal(db.count("users"), 1);
    assert.equal(db.count("posts"), 0);
  });
});

Deno.test("the placeholder of the commit timestamp stays until the commit", () => {
  const sandbox = new Sandbox();
  sandbox.createIndex("", "events", "by_at", ["at"]);
  const token = { $commitTs: null };
  sandbox.read((tx) => {
    const db = tx.database("");
    const id = db.insert("events", { at: token, log: [{ at: token }], "": 1 });
    const get = () => {
      const { _id, _creationTime, ...fields } = JSON.parse(db.get({ id })!);
      return fields;
    };
    assert.deepEqual(get(), { at: token, log: [{ at: token }], "": 1 });
    db.patch(id, { n: { $integer: "AQAAAAAAAAA=" }, "": { $undefined: null } });
    assert.deepEqual(get(), { at: token, log: [{ at: token }], n: { $integer: "AQAAAAAAAAA=" } });
    const range = [{ type: "Eq", fieldPath: "at", value: token }];
    const source = { type: "IndexRange", indexName: "events.by_at", range, order: null };
    const filter: Json = { $gt: [{ $field: "at" }, { $literal: { $integer: "AQAAAAAAAAA=" } }] };
    const query = { source, operators: [{ filter }] };
    assert.equal(JSON.parse(db.startQuery(query).next()!)._id, id);
    db.patch(id, { at: 1, log: { $undefined: null } });
    assert.deepEqual(get(), { at: 1, n: { $integer: "AQAAAAAAAAA=" } });
    assert.match(
      failure(() => db.insert("events", { a: { $commitTs: 1 } }))[1],
      /starts with '\$'/,
    );
    assert.match(failure(() => db.insert("events", token))[1], /Value must be an Object$/);
    assert.match(failure(() => db.insert("events", [token]))[1], /Value must be an Object$/);
  });
});
