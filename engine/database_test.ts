import assert from "node:assert/strict";
import { Sandbox } from "./testing/sandbox.ts";

Deno.test("documents are inserted, read, patched, replaced and deleted", () => {
  const sandbox = new Sandbox();
  const id = sandbox.write((tx) => tx.database("").insert("users", { name: "Ada", age: 36 }));
  assert.match(id, /^j57[0-9a-z]{29}$/);
  const read = () =>
    JSON.parse(sandbox.read((tx) => tx.database("").get({ id })).value ?? "null") as unknown;
  const created = read() as { _creationTime: number };
  assert.deepEqual(created, {
    _id: id,
    _creationTime: created._creationTime,
    name: "Ada",
    age: 36,
  });

  sandbox.write((tx) => tx.database("").patch(id, { age: { "$undefined": null }, city: "London" }));
  const { _creationTime } = created;
  assert.deepEqual(read(), { _id: id, _creationTime, name: "Ada", city: "London" });

  sandbox.write((tx) => tx.database("").replace(id, { _id: id, name: "Grace" }));
  assert.deepEqual(read(), { _id: id, _creationTime, name: "Grace" });

  sandbox.write((tx) => tx.database("").remove(id));
  assert.equal(read(), null);
});
