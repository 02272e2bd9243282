// What administrators see of tables and do to them, over HTTP.
import assert from "node:assert/strict";
import { httpClient, mutation, post, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";

Deno.test("administrators see shapes and indexes of tables, and delete tables", async () => {
  await using server = await serverWithApp("tests/apps/database");
  const client = httpClient(server);
  const asAdmin = { authorization: `Convex ${server.adminKey}` };
  const get = async (path: string, headers: Record<string, string> = asAdmin) => {
    const response = await fetch(`${server.url}/api/${path}`, { headers });
    return { status: response.status, json: await response.json() };
  };
  const remove = (...tableNames: string[]) =>
    post(`${server.url}/api/delete_tables`, { tableNames }, asAdmin);

  const write = (...steps: unknown[]) => client.mutation(mutation("data:write"), { steps });
  const [, loose] = await write(
    ["insert", "rows", { group: "a", value: 1, nested: { a: { b: 1n } } }],
    ["insert", "loose", { value: "x" }],
  );
  await write(["insert", "rows", { loose }]);
  const shapes = (await get("shapes2")).json;
  assert.deepEqual(Object.keys(shapes), ["loose", "rows", "shaped"]);
  type Field = { fieldName: string; optional: boolean; shape: { type: string } };
  assert.deepEqual(
    shapes.rows.fields.map((field: Field) =>
      `${field.fieldName} ${field.shape.type}${field.optional ? " optional" : ""}`
    ),
    [
      "_creationTime Float64",
      "_id Id",
      "group String optional",
      "loose Id optional",
      "nested Object optional",
      "value Float64 optional",
    ],
  );

  const { indexes } = (await get("get_indexes")).json;
  const declared = { by_group: ["group", "value"], by_nested: ["nested.a.b"], by_value: ["value"] };
  assert.deepEqual(
    indexes.toSorted((a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1),
    Object.entries(declared).map(([name, fields]) => ({
      table: "rows",
      name,
      fields: [...fields, "_creationTime"],
      backfill: { state: "done" },
      staged: false,
    })),
  );

  // The schema in force protects its tables, and a refused request deletes nothing.
  const refused = await remove("loose", "rows");
  assert.equal(refused.status, 400);
  assert.equal(refused.json.code, "SchemaEnforcementError");
  assert.equal(
    refused.json.message,
    'Failed to delete table "rows" because it appears in the schema',
  );
  const stored = () =>
    client.query(query("data:select"), { selection: { table: "loose", end: "collect" } });
  assert.equal((await stored()).length, 1);
  assert.equal((await remove("_storage")).json.code, "TableNameReserved");
  assert.equal((await remove("loose", "loose", "never")).status, 200);
  assert.deepEqual(await stored(), []);
  assert.equal(await client.query(query("data:get"), { id: loose }), null);
  assert.ok(!("loose" in (await get("shapes2")).json));
  const { items } = (await get("v1/list_audit_log_events")).json;
  const { action, metadata } = items.at(-1);
  assert.equal(action, "delete_tables");
  assert.deepEqual(metadata.table_names, ["loose", "loose", "never"]);

  for (const path of ["shapes2", "get_indexes"]) {
    assert.ok([401, 403].includes((await get(path, {})).status), path);
  }
});
