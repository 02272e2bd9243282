// How functions are called: the checks before they run, what they may return, the host's answers to
// the package, and calls within a transaction (spec function-runtime 1 and 2).
import assert from "node:assert/strict";
import { action, httpClient, mutation, post, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

let server: Server;
Deno.test.beforeAll(async () => {
  server = await serverWithApp("tests/apps/conformance");
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

/** The text after `Server Error\n`; fails if there is no error. */
async function errorText(
  kind: "query" | "mutation" | "action",
  path: string,
  args: unknown,
): Promise<string> {
  const { json } = await post(`${server.url}/api/${kind}`, { path, args });
  assert.equal(json.status, "error", JSON.stringify(json));
  return json.errorMessage.replace(/^\[Request ID: [0-9a-f]{16}\] Server Error\n/, "");
}

const VALIDATOR =
  "Validator: v.object({big: v.optional(v.int64()), count: v.optional(v.float64()), " +
  'item: v.optional(v.id("items")), kind: v.optional(v.union(v.literal("a"), v.literal("b"))), ' +
  "list: v.optional(v.array(v.object({deep: v.array(v.boolean())}))), name: v.string(), " +
  'one: v.optional(v.literal("only")), table: v.optional(v.record(v.string(), v.bytes()))})';

const REFUSED_ARGUMENTS: readonly [what: string, args: unknown, problem: string][] = [
  [
    "a missing field",
    {},
    "Object is missing the required field `name`. Consider wrapping the field validator in " +
    `\`v.optional(...)\` if this is expected.\n\nObject: {}\n${VALIDATOR}`,
  ],
  [
    "an extra field",
    { name: "n", other: 1 },
    "Object contains extra field `other` that is not in the validator.\n\n" +
    `Object: {name: "n", other: 1.0}\n${VALIDATOR}`,
  ],
  [
    "another type",
    { name: 1 },
    "Value does not match validator.\nPath: .name\nValue: 1.0\nValidator: v.string()",
  ],
  [
    "an integer for a float",
    { name: "n", count: { $integer: "AQAAAAAAAAA=" } },
    "Value does not match validator.\nPath: .count\nValue: 1\nValidator: v.float64()",
  ],
  [
    "none of a union",
    { name: "n", kind: "c" },
    'Value does not match validator.\nPath: .kind\nValue: "c"\n' +
    'Validator: v.union(v.literal("a"), v.literal("b"))',
  ],
  [
    "another literal",
    { name: "n", one: "two" },
    '`"two"` does not match literal validator `v.literal("only")`.Path: .one',
  ],
  [
    "no id",
    { name: "n", item: "nonsense" },
    'Value does not match validator.\nPath: .item\nValue: "nonsense"\nValidator: v.id("items")',
  ],
  [
    "something deep inside",
    { name: "n", list: [{ deep: [true] }, { deep: [false, "no"] }] },
    "Value does not match validator.\nPath: .list[1].deep[1]\n" +
    'Value: "no"\nValidator: v.boolean()',
  ],
  [
    "a value of a record",
    { name: "n", table: { k: "no bytes" } },
    'Value does not match validator.\nPath: .table.values()\nValue: "no bytes"\n' +
    "Validator: v.bytes()",
  ],
];

for (const [what, args, problem] of REFUSED_ARGUMENTS) {
  Deno.test(`arguments: ${what} is refused`, async () => {
    assert.equal(
      await errorText("query", "checks:validated", args),
      `ArgumentValidationError: ${problem}\n\n`,
    );
  });
}

Deno.test("arguments: one object for those who declare them, anything for others", async () => {
  const client = httpClient(server);
  assert.equal(await client.query(query("checks:validated"), { name: "n" }), "accepted");
  assert.equal(
    await errorText("query", "checks:validated", [{ name: "a" }, 2]),
    "ArgumentValidationError: Expected to receive a single object as the function's argument. " +
      'Instead received 2 arguments: [{name: "a"}, 2.0]\n\n',
  );
  assert.equal(
    await errorText("query", "checks:validated", "text"),
    "ArgumentValidationError: Expected to receive an object as the function's argument. " +
      'Instead received: "text"\n\n',
  );
  for (
    const [args, seen] of [[{ a: 1 }, [{ a: 1 }]], [[1, 2], [1, 2]], ["x", ["x"]], [[], []]]
  ) {
    const { json } = await post(`${server.url}/api/query`, { path: "checks:unvalidated", args });
    assert.equal(json.value, JSON.stringify(seen));
  }
  assert.match(
    await errorText("query", "checks:unvalidated", { $bad: 1 }),
    /^Invalid arguments for checks\.js:unvalidated: /,
  );
});

Deno.test("results: what was not promised, and what is no value", async () => {
  assert.equal(
    await errorText("query", "checks:returning", { value: { n: "1" } }),
    'ReturnsValidationError: Value does not match validator.\nPath: .n\nValue: "1"\n' +
      "Validator: v.float64()\n",
  );
  const client = httpClient(server);
  assert.equal(await client.query(query("checks:undefinedResult"), {}), null);
  for (const [what, text] of [["date", "Date"], ["map", "Map"], ["function", "Function"]]) {
    assert.match(
      await errorText("query", "checks:unsupported", { what }),
      new RegExp(`${text}.* is not a supported Convex type`),
    );
  }
  assert.match(
    await errorText("query", "checks:unsupported", { what: "reserved" }),
    /Field name \$a starts with (a )?'\$', which is reserved\./,
  );
  assert.match(
    await errorText("mutation", "checks:writing", { text: "bad", result: 1 }),
    /^ReturnsValidationError/,
  );
  assert.equal(await client.query(query("checks:count"), { text: "bad" }), 0);
  await client.mutation(mutation("checks:writing"), { text: "good", result: "r" });
  assert.equal(await client.query(query("checks:count"), { text: "good" }), 1);
});

Deno.test("functions: what cannot be called, in words that do not tell why", async () => {
  for (
    const path of [
      "checks:hidden",
      "checks:missing",
      "missing:fn",
      "checks:notAFunction",
      "checks:plainFunction",
    ]
  ) {
    assert.equal(
      await errorText("query", path, {}),
      `Could not find public function for '${path}'.\n`,
    );
  }
  assert.equal(
    await errorText("query", "missing", {}),
    "Could not find public function for 'missing'.\n",
  );
  const kinds = { "checks:add": "Mutation", "checks:act": "Action", "checks:count": "Query" };
  for (const [path, kind] of Object.entries(kinds)) {
    for (const asked of ["query", "mutation", "action"] as const) {
      const name = `${asked.slice(0, 1).toUpperCase()}${asked.slice(1)}`;
      if (name === kind) continue;
      assert.equal(
        await errorText(asked, path, {}),
        `Trying to execute ${path.replace(":", ".js:")} as ${name}, ` +
          `but it is defined as ${kind}.\n`,
      );
    }
  }
  const asAdmin = { authorization: `Convex ${server.adminKey}` };
  const byName = { path: "checks:missing", args: {} };
  const { json } = await post(`${server.url}/api/function`, byName, asAdmin);
  assert.match(
    json.errorMessage,
    /Could not find function for 'checks:missing'\. Did you forget to run `npx convex dev`\?/,
  );
});

Deno.test("functions: every spelling of a path is one function", async () => {
  const client = httpClient(server);
  for (const path of ["checks:default", "checks", "checks.js:default", "checks.js"]) {
    assert.equal(await client.query(query(path), {}), "direct", path);
  }
  for (const path of ["../checks:default", "/checks:default", "checks.ts:default"]) {
    const { status, json } = await post(`${server.url}/api/query`, { path, args: {} });
    assert.ok(status === 400 || json.status === "error", path);
  }
});

Deno.test("functions: called directly they run, with a warning", async () => {
  const { json } = await post(`${server.url}/api/query`, {
    path: "checks:callsDirectly",
    args: {},
  });
  assert.equal(json.value, "direct");
  assert.match(json.logLines[0], /^\[WARN\] .*Convex functions should not directly call/s);
});

Deno.test("functions: none runs while the deployment is paused", async () => {
  const set = (name: string) =>
    post(`${server.url}/api/v1/${name}`, {}, { authorization: `Convex ${server.adminKey}` });
  await set("pause_deployment");
  try {
    for (const kind of ["query", "mutation", "action"] as const) {
      assert.equal(
        await errorText(kind, "checks:hidden", {}),
        "Cannot run functions while this deployment is paused. Resume the deployment in the " +
          "dashboard settings to allow functions to run.\n",
      );
    }
  } finally {
    await set("unpause_deployment");
  }
  assert.equal(await httpClient(server).query(query("checks"), {}), "direct");
});

const NOT_ID = "Invalid argument `id` for `db.get`: Unable to decode ID: ";
const INDEX = { type: "IndexRange", indexName: "items.by_group", order: "asc" };
const eq = (fieldPath: string, value: unknown) => ({ type: "Eq", fieldPath, value });
const scanOf = (source: unknown, operators: unknown[] = []) => ({ query: { source, operators } });

/** Which kinds, the operation, its arguments, and how the answer begins or what it is. */
const ANSWERS: readonly [kinds: string, op: string, args: unknown, answer: string | RegExp][] = [
  ["QMA", "1.0/nothing", {}, "! Unknown async operation 1.0/nothing"],
  ["QMA", "sync 1.0/nothing", {}, "! Unknown operation 1.0/nothing"],
  ["A", "1.0/auditLog", { body: {} }, "! Audit logging is not yet supported in actions"],
  ["A", "1.0/createServiceToken", { service: "ai-gateway" }, /isn't available on this deployment/],
  ["A", "1.0/getTransactionMetrics", {}, /^! Unknown async operation/],
  ["A", "1.0/storageStore", {}, "! Unknown async operation 1.0/storageStore"],
  ["A", "1.0/storageGet", {}, "! Unknown async operation 1.0/storageGet"],
  ["A", "1.0/signJwt", {}, "! Unknown async operation 1.0/signJwt"],
  ["Q", "1.0/storageStore", { blob: "" }, /`storage\.store`: queries cannot write to the database/],
  ["Q", "1.0/storageGet", { storageId: "x" }, /`storage\.get`: queries cannot read the bytes/],
  ["Q", "1.0/signJwt", { expiresInSeconds: 1 }, /`auth\.signJwt`: queries cannot sign tokens/],
  [
    "M",
    "1.0/storageStore",
    { blob: 5 },
    /`blob` for `storage\.store`: expected the bytes in base64/,
  ],
  [
    "M",
    "1.0/storageGet",
    { storageId: "x" },
    /Invalid storage ID: "x"\. Storage ID should be an Id/,
  ],
  ["M", "1.0/signJwt", {}, /`expiresInSeconds` for `auth\.signJwt`: must be a whole number/],
  ["QM", "1.0/get", "{{", /^! Received invalid json: /],
  ["QM", "1.0/get", { id: "" }, /Unable to decode ID: Invalid ID length 0$/],
  ["QM", "1.0/get", { id: "iiii" }, /^! Invalid argument `id` for `db\.get`: Unable to decode ID/],
  ["QM", "1.0/get", { id: "é".repeat(16) }, `! ${NOT_ID}ID wasn't valid base32`],
  ["QM", "1.0/queryStreamNext", { queryId: 7 }, "! in-progress query not found"],
  ["QM", "sync 1.0/db/normalizeId", { table: "items", idString: "x" }, '{"id":null}'],
  ["QM", "sync 1.0/db/normalizeId", { table: "none", idString: "x" }, '{"id":null}'],
  [
    "QMA",
    "sync 1.0/componentArgument",
    { name: "a" },
    "! Component arguments are not available within the app",
  ],
  ["QM", "1.0/count", { table: "none" }, /^0(\.0)?$/],
  ["M", "1.0/insert", { table: "items", value: 5 }, /Value must be an Object/],
  ["M", "1.0/insert", { table: "_storage", value: {} }, /^! /],
  ["Q", "1.0/insert", { table: "items", value: { group: "g", text: "t" } }, /^! /],
  ["Q", "1.0/getRequestMetadata", {}, "! Cannot get request metadata in a Query"],
  ["MA", "1.0/getRequestMetadata", {}, /^\{"ip":.*"requestId":"[0-9a-f]{16}"/],
  ["QMA", "1.0/getUserIdentity", { requestId: "" }, "null"],
  ["Q", "1.0/getFunctionMetadata", {}, '{"name":"abi:inQuery","componentPath":""}'],
  ["A", "1.0/getFunctionMetadata", {}, '{"name":"abi:inAction","componentPath":""}'],
  ["QMA", "1.0/getDeploymentMetadata", {}, /^\{"name":"concave","region":null,"class":"s16"\}$/],
  [
    "M",
    "1.0/cancel_job",
    { id: "x" },
    /^! Invalid argument `id` for `db\.cancel_job`: Unable to decode ID/,
  ],
  [
    "M",
    "1.0/schedule",
    { name: "none:fn", ts: Date.now() / 1000, args: {} },
    "! Attempted to schedule function at nonexistent path: none.js",
  ],
  [
    "M",
    "1.0/schedule",
    { name: "abi:none", ts: Date.now() / 1000, args: {} },
    "! Attempted to schedule function, but no exported function none found in the file: abi.js. " +
    "Did you forget to export it?",
  ],
  [
    "M",
    "1.0/schedule",
    { name: "abi:inMutation", ts: 1e12, args: {} },
    /is more than 5 years in the future$/,
  ],
  [
    "M",
    "1.0/schedule",
    { name: "abi:inMutation", ts: 1, args: {} },
    /more than 5 years in the past$/,
  ],
  [
    "QM",
    "1.0/runUdf",
    { udfType: "query", args: {} },
    "! Invalid arguments for `runUdf`: Missing required argument 'name'",
  ],
  [
    "A",
    "1.0/actions/query",
    { args: {} },
    "! Invalid arguments for `runQuery`: Missing required argument 'name'",
  ],
  ["QMA", "1.0/createFunctionHandle", { name: "abi:inQuery" }, /^"function:\/\/\S+#abi:inQuery"$/],
  [
    "QM",
    "1.0/queryPage",
    { ...scanOf({ type: "FullTableScan", tableName: "items" }), cursor: null, pageSize: 0 },
    "! Must request at least 1 document while paginating",
  ],
  [
    "QM",
    "1.0/queryPage",
    { ...scanOf({ type: "FullTableScan", tableName: "items" }), cursor: null, pageSize: 1e6 },
    "! Requested too many items: 1000000",
  ],
  [
    "QM",
    "1.0/queryPage",
    { ...scanOf({ type: "FullTableScan", tableName: "items" }), cursor: "x", pageSize: 1 },
    "! InvalidCursor: Failed to parse cursor",
  ],
  [
    "QM",
    "1.0/queryPage",
    { ...scanOf({ ...INDEX, range: [eq("group", "a")] }), cursor: null, pageSize: 2 },
    '{"page":[],"isDone":true',
  ],
  ["A", "js nothing", {}, "! Unknown operation nothing"],
];

const KINDS: Readonly<Record<string, (op: string, args: string) => Promise<string>>> = {
  Q: (op, args) => httpClient(server).query(query("abi:inQuery"), { op, args }),
  M: (op, args) => httpClient(server).mutation(mutation("abi:inMutation"), { op, args }),
  A: (op, args) => httpClient(server).action(action("abi:inAction"), { op, args }),
};

for (const [kinds, op, args, expected] of ANSWERS) {
  const text = typeof args === "string" ? args : JSON.stringify(args);
  Deno.test(`host: ${op} ${text.slice(0, 60)} in ${kinds}`, async () => {
    for (const kind of kinds) {
      const answer = await KINDS[kind]!(op, text);
      if (typeof expected !== "string") assert.match(answer, expected);
      else assert.equal(answer.slice(0, expected.length), expected);
    }
  });
}

Deno.test("host: a query's stream counts from 0 and is closed at its end", async () => {
  const client = httpClient(server);
  assert.deepEqual(await client.query(query("abi:scan"), { takes: 0 }), {
    ids: [0, 1],
    seen: [],
    cleanups: ["true", "false", "false"],
  });
});

Deno.test("nested calls: one transaction, modules of their own", async () => {
  const client = httpClient(server);
  await client.mutation(mutation("nested:clear"), {});
  assert.deepEqual(await client.mutation(mutation("nested:sharing"), {}), {
    first: 2,
    second: 2,
    seen: ["outer", "first", "second"],
    mark: null,
  });
  const { sameTime, randoms } = await client.query(query("nested:moments"), { nonce: 1 });
  assert.equal(sameTime, true);
  assert.equal(new Set(randoms).size, 3);
});

Deno.test("nested calls: what failed is rolled back, but for a wrong result", async () => {
  const client = httpClient(server);
  await client.mutation(mutation("nested:clear"), {});
  assert.deepEqual(await client.mutation(mutation("nested:recovering"), {}), {
    messages: [
      "Uncaught Error: inner failure",
      "ReturnsValidationError: Value does not match validator.",
    ],
    seen: ["kept"],
  });
  assert.deepEqual(await client.query(query("nested:texts"), {}), ["kept"]);
});

Deno.test("nested calls: in parallel they run in order", async () => {
  const client = httpClient(server);
  await client.mutation(mutation("nested:clear"), {});
  assert.deepEqual(await client.mutation(mutation("nested:parallel"), {}), ["a", "b", "c"]);
});

Deno.test("nested calls: no deeper than eight", async () => {
  assert.match(
    await httpClient(server).query(query("nested:depth"), { level: 0 }),
    /^8 Cross component call depth limit exceeded\. Do you have an infinite loop in your app\?$/,
  );
});

Deno.test("nested calls: the usual checks, catchable", async () => {
  const client = httpClient(server);
  const attempt = (which: string) =>
    client.mutation(mutation("nested:callFromMutation"), { which });
  assert.match(await attempt("unknown"), /^! Could not find public function for 'nested:none'\./);
  assert.match(
    await attempt("wrongKind"),
    /^! Trying to execute nested\.js:add as Query, but it is defined as Mutation\./,
  );
  assert.match(await attempt("badArguments"), /^! ArgumentValidationError: Value does not match/);
  assert.equal(await attempt("internal"), "hidden");
  assert.equal(await attempt("mutation"), "2");
  assert.equal(
    await client.query(query("nested:mutationFromQuery"), {}),
    "Cannot call a Mutation function from a Query function",
  );
});

Deno.test("nested calls: budgets and counters", async () => {
  const client = httpClient(server);
  const [none, bytes, one, more] = await client.mutation(mutation("nested:budgets"), {});
  assert.match(none, /Too many writes in a single function execution \(limit: 0\)/);
  assert.match(bytes, /Too many bytes written in a single function execution/);
  assert.deepEqual([one, more], ["done", "done"]);
  const { written, scheduled, names } = await client.mutation(mutation("nested:metrics"), {});
  assert.deepEqual([written, scheduled], [1, 1]);
  for (const name of ["bytesRead", "databaseQueries", "documentsRead", "functionsScheduled"]) {
    assert.ok(names.includes(name), name);
  }
});

Deno.test("nested calls: handles", async () => {
  const client = httpClient(server);
  await client.mutation(mutation("nested:clear"), {});
  const { handle, same, failure, seen } = await client.mutation(mutation("nested:byHandle"), {});
  assert.match(handle, /^function:\/\/[^#]+#nested:add$/);
  assert.equal(same, true);
  assert.equal(failure, "Function handle not found");
  assert.deepEqual(seen, ["by handle"]);
});
