// Malformed and forged input at every edge of a running server: tokens, credentials, uploads, ranges,
// paths, routes, request bodies, cron specs and schedules. Each case has one documented answer, and
// none leaves anything behind.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { createKey, FakeIssuer } from "../deployment/authentication/testing/fake_issuer.ts";
import { InstanceSecret } from "../deployment/instance_secret.ts";
import { UploadTokens } from "../runtime/upload_tokens.ts";
import { App } from "./harness/app.ts";
import { httpClient, mutation, post, query } from "./harness/clients.ts";
import { Server } from "./harness/server.ts";

const CASES_MIN = 50;

let server: Server;
let issuer: FakeIssuer;
let cases = 0;

Deno.test.beforeAll(async () => {
  issuer = await FakeIssuer.start();
  server = await Server.start();
  await using app = await App.copy("tests/apps/bad_input");
  const variables = { ISSUER_URL: issuer.url, JWKS: JSON.stringify(issuer.jwks()) };
  const changes = Object.entries(variables).map(([name, value]) => ({ name, value }));
  await post(`${server.url}/api/update_environment_variables`, { changes }, {
    authorization: `Convex ${server.adminKey}`,
  });
  await app.push(server);
});
Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

type Answer = readonly [status: number, code: string, message: RegExp];

/** An answer is as documented: status, and in the body code and message. */
async function expectAnswer(what: string, response: Response, expected: Answer): Promise<void> {
  cases++;
  const [status, code, message] = expected;
  const body = await response.json();
  assert.deepEqual([response.status, body.code], [status, code], what);
  assert.match(body.message, message, what);
}

async function expectFailure(what: string, call: Promise<unknown>, message: RegExp): Promise<void> {
  cases++;
  await assert.rejects(call, message, what);
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

const ask = (headers: Record<string, string>, search = "") =>
  fetch(`${server.url}/api/query${search}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ path: "things:who", args: {} }),
  });

Deno.test("tokens of users", async () => {
  const custom = { iss: "https://custom.example" };
  const now = Math.floor(Date.now() / 1000);
  const good = await issuer.sign({});
  const [head, , signature] = good.split(".");
  const undecodable: Answer = [401, "InvalidAuthHeader", /^Could not parse JWT payload\. Check/];
  const unverified: Answer = [401, "Unauthenticated", /^Could not verify OIDC token claim\. Check/];
  const noProvider: Answer = [401, "NoAuthProvider", /^No auth provider found matching the given/];
  const notOidc: Answer = [401, "InvalidAuthHeader", /^Could not parse as OIDC ID token\. Token/];
  const invalid = (message: RegExp): Answer => [401, "InvalidAuthHeader", message];
  const tokens: [string, string, Answer][] = [
    ["no JWT", "nonsense", undecodable],
    ["two parts", "a.b", undecodable],
    ["four parts", "a.b.c.d", undecodable],
    ["payload is no JSON", `${head}.${Buffer.from("{").toString("base64url")}.x`, undecodable],
    ["payload is a list", `${head}.${base64([])}.x`, undecodable],
    ["no issuer", `${head}.${base64({ sub: "a" })}.x`, invalid(/^Missing issuer claim \('iss'\)/)],
    ["another issuer", await issuer.sign({ iss: "https://evil.example" }), noProvider],
    ["another audience", await issuer.sign({ aud: "other" }), noProvider],
    ["no audience", await issuer.sign({ aud: undefined }), noProvider],
    ["no subject", await issuer.sign({ sub: undefined }), notOidc],
    ["no issue time", await issuer.sign({ iat: undefined }), notOidc],
    ["expiry as text", await issuer.sign({ exp: "never" }), notOidc],
    ["expired", await issuer.sign({ exp: now - 1 }), unverified],
    ["two audiences", await issuer.sign({ aud: ["app", "other"] }), unverified],
    ["no signature", good.slice(0, good.lastIndexOf(".") + 1), unverified],
    ["changed", `${head}.${base64({ ...issuer.claims(), sub: "eve" })}.${signature}`, unverified],
    ["alg none", `${base64({ alg: "none" })}.${good.split(".")[1]}.`, unverified],
    [
      "a stranger's key",
      await issuer.sign({}, { key: await createKey("RS256", "first") }),
      unverified,
    ],
    ["custom: no key id", await issuer.sign(custom, { kid: null }), invalid(/missing a 'kid'/)],
    [
      "custom: unknown key",
      await issuer.sign(custom, { kid: "x" }),
      invalid(/header is 'x', does/),
    ],
    [
      "custom: no expiry",
      await issuer.sign({ ...custom, exp: undefined }),
      invalid(/token claim\. /),
    ],
    [
      "custom: expired",
      await issuer.sign({ ...custom, exp: now - 60 }),
      invalid(/^Could not validate token: Token expired \d+ seconds ago$/),
    ],
    [
      "custom: not yet",
      await issuer.sign({ ...custom, nbf: now + 600 }),
      invalid(/^Could not validate token: Token will be valid in \d+ seconds$/),
    ],
  ];
  for (const [what, token, answer] of tokens) {
    await expectAnswer(what, await ask({ authorization: `Bearer ${token}` }), answer);
  }
  assert.equal(
    (await (await ask({ authorization: `Bearer ${good}` })).json()).value.subject,
    "ada",
  );
});

Deno.test("credentials of administrators", async () => {
  const { adminKey } = server;
  const badKey: Answer = [401, "BadAdminKey", /^The provided admin key was invalid for this inst/];
  const malformed: Answer = [400, "HeaderParseFailure", /^Malformed Authorization header\.$/];
  const invalidKey: Answer = [400, "InvalidAdminKey", /^Invalid admin key$/];
  const lastChanged = adminKey.slice(0, -1) + (adminKey.endsWith("0") ? "1" : "0");
  const headers: [string, string, Answer][] = [
    ["too short", "Convex", [400, "InvalidHeaderFailure", /^Invalid authentication header$/]],
    ["other scheme", `Basic ${adminKey}`, invalidKey],
    ["empty bearer", "Bearer  ", [400, "InvalidHeaderFailure", /^Invalid authentication header$/]],
    ["last digit changed", `Convex ${lastChanged}`, badKey],
    ["one digit short", `Convex ${adminKey.slice(0, -1)}`, badKey],
    ["one digit more", `Convex ${adminKey}0`, badKey],
    ["other instance", `Convex other|${adminKey.split("|")[1]}`, badKey],
    ["no bar", "Convex nonsense", badKey],
    ["acting as no base64", `Convex ${adminKey}:!!!`, malformed],
    ["acting as no JSON", `Convex ${adminKey}:${btoa("{")}`, malformed],
    ["acting as nobody", `Convex ${adminKey}:${btoa("{}")}`, malformed],
    ["bad key acting", `Convex ${lastChanged}:${btoa('{"tokenIdentifier":"a"}')}`, badKey],
  ];
  for (const [what, authorization, answer] of headers) {
    await expectAnswer(what, await ask({ authorization }), answer);
  }
  await expectAnswer("bad key in the query string", await ask({}, "?adminKey=a|b"), badKey);
  const listing = `${server.url}/api/list_environment_variables`;
  const user = { authorization: `Bearer ${await issuer.sign({})}` };
  for (const [what, headers] of [["nobody", {}], ["a user", user]] as const) {
    await expectAnswer(`${what} at an admin's endpoint`, await fetch(listing, { headers }), [
      403,
      "BadDeployKey",
      /^The provided deploy key was invalid for this deployment\. Double check that/,
    ]);
  }
});

Deno.test("uploads: forged, expired and foreign tokens, broken headers", async () => {
  const url = new URL(await httpClient(server).mutation(mutation("things:uploadUrl"), {}));
  const token = url.searchParams.get("token")!;
  const [payload, signature] = token.split(".") as [string, string];
  const key = InstanceSecret.read(server.dataDir)!.derive("storage token");
  const ours = new UploadTokens(key);
  const foreign = new UploadTokens(new Uint8Array(32));
  const hourMs = 3600_000;
  const invalid: Answer = [401, "StorageTokenInvalid", /^Couldn't decode the StoreFileAuthorizati/];
  const expired: Answer = [401, "StorageTokenExpired", /^Store File Authorization expired$/];
  const upload = (search: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/api/storage/upload${search}`, { method: "POST", body: "abc", headers });
  const tokens: [string, string, Answer][] = [
    ["nonsense", "nonsense", invalid],
    ["no signature", payload, invalid],
    ["a later time", `${base64(["", Date.now() + hourMs])}.${signature}`, invalid],
    ["signed by another key", foreign.issue("", Date.now()), invalid],
    ["signature in capitals", `${payload}.${signature.toUpperCase()}`, invalid],
    ["used after an hour", ours.issue("", Date.now() - hourMs - 1000), expired],
    ["from the future", ours.issue("", Date.now() + hourMs), expired],
    [
      "of another component",
      ours.issue("other", Date.now()),
      [401, "InvalidStorageToken", /another deployment or component/],
    ],
  ];
  for (const [what, text, answer] of tokens) {
    await expectAnswer(what, await upload(`?token=${text}`), answer);
  }
  await expectAnswer("no token", await upload(""), [400, "BadQueryArgs", /missing field `token`/]);
  const other = Buffer.alloc(32).toString("base64");
  const headers: [string, Record<string, string>, Answer][] = [
    ["type", { "content-type": "text" }, [400, "BadHeader", /^Bad header for content-type: /]],
    ["two types", { "content-type": "a/b, c/d" }, [400, "BadHeader", /^Bad header for content-t/]],
    ["digest", { digest: "md5=abc" }, [400, "BadHeader", /^Bad header for digest: /]],
    ["short digest", { digest: "sha-256=YWJj" }, [400, "BadHeader", /^Bad header for digest: /]],
    [
      "another digest",
      { digest: `sha-256=${other}` },
      [400, "Sha256Mismatch", /^Sha256 mismatch\. Expected: A+= Actual: ungWv48B/],
    ],
  ];
  for (const [what, fields, answer] of headers) {
    await expectAnswer(what, await upload(`?token=${token}`, fields), answer);
  }
  assert.equal(await httpClient(server).query(query("things:files"), {}), 0);
  const fresh = ours.issue("", Date.now() - hourMs + 60_000);
  assert.equal((await upload(`?token=${fresh}`)).status, 200, "almost an hour old");
});

/** A request whose path no URL parser has tidied; the head and body of the answer. */
async function rawGet(path: string, host = "a", port = server.port): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  return Buffer.concat(await Array.fromAsync(socket)).toString();
}

Deno.test("ranges, and paths that lead nowhere", async () => {
  const client = httpClient(server);
  const target = await client.mutation(mutation("things:uploadUrl"), {});
  const stored = await (await fetch(target, { method: "POST", body: "0123456789" })).json();
  const url = await client.query(query("things:url"), stored);
  const ranges: [string, number, string][] = [
    ["bytes=10-", 416, ""],
    ["bytes=99-100", 416, ""],
    ["bytes=-0", 416, ""],
    ["bytes=0-1,3-4", 416, ""],
    ["bytes=5-2", 200, "0123456789"],
    ["bytes=a-b", 200, "0123456789"],
    ["bytes=-", 200, "0123456789"],
    ["rows=1-2", 200, "0123456789"],
    [`bytes=0-${"9".repeat(400)}`, 206, "0123456789"],
    [`bytes=-${"9".repeat(400)}`, 206, "0123456789"],
    [`bytes=${"9".repeat(400)}-`, 416, ""],
  ];
  for (const [range, status, text] of ranges) {
    cases++;
    const response = await fetch(url, { headers: { range } });
    assert.deepEqual([response.status, await response.text()], [status, text], range);
  }

  const uuid = url.split("/").at(-1)!;
  const paths = [
    stored.storageId,
    "..",
    "%2e%2e",
    "..%2f..%2fdb.sqlite",
    "..%2finstance_secret",
    "%2Fetc%2Fpasswd",
    "..%5cdb.sqlite",
    `${uuid}%00`,
    `${uuid}%2f..`,
    `%20${uuid}`,
    "incoming",
    "%c0%ae%c0%ae",
    uuid.replaceAll("-", "x"),
  ];
  const secret = await Deno.readTextFile(`${server.dataDir}/instance_secret`);
  for (const path of paths) {
    cases++;
    const answer = await rawGet(`/api/storage/${path}`);
    assert.match(answer, /^HTTP\/1\.1 40[04] /, path);
    assert.match(answer, path === ".." || path === "%2e%2e" ? /^/ : /"code":"InvalidStoragePath"/);
    assert.ok(!answer.includes(secret.trim()) && !answer.includes("SQLite"), path);
  }
  for (const path of ["../db.sqlite", "../../instance_secret", "a/b", `${uuid}/`, ""]) {
    cases++;
    assert.match(await rawGet(`/api/storage/${path}`), /^HTTP\/1\.1 40[045] /, path);
  }
  const unknown = "00000000-0000-4000-8000-000000000000";
  await expectAnswer("unknown file", await fetch(`${server.url}/api/storage/${unknown}`), [
    404,
    "FileNotFound",
    new RegExp(`^File ${unknown} not found$`),
  ]);
  const foreign = await client.mutation(mutation("things:insert"), {});
  await expectFailure(
    "an id that is none",
    client.query(query("things:url"), { storageId: "../db.sqlite" }),
    /Invalid argument `storageId` for `storage\.getUrl`: Invalid storage ID: "\.\.\/db\.sqlite"\. Storage ID should be an Id of '_storage' table, or a UUID string\./,
  );
  await expectFailure(
    "an id of another table",
    client.query(query("things:url"), { storageId: foreign }),
    /Invalid storage ID\. Storage ID cannot be an ID on any table other than '_storage'\./,
  );
  await expectFailure(
    "a file that is not there",
    client.mutation(mutation("things:removeFile"), { storageId: unknown }),
    new RegExp(`storage id ${unknown} not found`),
  );
});

Deno.test("routes and request bodies", async () => {
  const routes: [string, string, number, string | null][] = [
    ["GET", `${server.url}/api/query/x`, 404, null],
    ["GET", `${server.url}/api/unknown`, 404, null],
    ["PUT", `${server.url}/api/mutation`, 405, "POST"],
    ["DELETE", `${server.url}/api/storage/upload`, 405, "POST"],
    ["GET", `${server.url}/api/update_environment_variables`, 405, "POST"],
    ["GET", `${server.siteUrl}/exact`, 404, null],
    ["POST", `${server.siteUrl}/exact/`, 404, null],
    ["POST", `${server.siteUrl}/EXACT`, 404, null],
    ["GET", `${server.siteUrl}/under`, 404, null],
    ["POST", `${server.siteUrl}/under/x`, 404, null],
    ["PROPFIND", `${server.siteUrl}/under/x`, 405, "GET,POST,PUT,DELETE,PATCH,OPTIONS,HEAD"],
  ];
  for (const [method, url, status, allow] of routes) {
    cases++;
    const response = await fetch(url, { method });
    await response.body?.cancel();
    const what = `${method} ${url}`;
    assert.equal(response.status, status, what);
    if (allow !== null) assert.ok(response.headers.get("allow")?.startsWith(allow), what);
  }

  for (const host of ["a b", "a/version?", "a@b", "a#b", "1.2.3.4.5", "a:99999", "[a", ""]) {
    for (const port of [server.port, server.sitePort]) {
      cases++;
      const answer = await rawGet("/instance_name", host, port);
      assert.match(answer, /^HTTP\/1\.1 400 [^]*"code":"BadHeader"/, `host '${host}'`);
    }
  }

  const send = (body: string, type = "application/json", path = "query") =>
    fetch(`${server.url}/api/${path}`, { method: "POST", headers: { "content-type": type }, body });
  const badBody = (message: RegExp): Answer => [400, "BadJsonBody", message];
  const shape = badBody(/^Failed to deserialize the JSON body into the target type: /);
  const call = (fields: object) => JSON.stringify({ path: "things:who", args: {}, ...fields });
  const bodies: [string, Promise<Response>, Answer][] = [
    [
      "no JSON type",
      send("{}", "text/plain"),
      badBody(/^Expected request with `Content-Type: app/),
    ],
    ["cut", send('{"path":'), badBody(/^Failed to parse the request body as JSON: /)],
    ["empty", send(""), badBody(/^Failed to parse the request body as JSON: /)],
    ["a list", send("[]"), shape],
    ["no path", send('{"args":{}}'), shape],
    ["path is a number", send(call({ path: 1 })), shape],
    ["no function", send(call({ path: "a b:c" })), [
      400,
      "BadConvexFunctionIdentifier",
      /^a b:c is not a valid path to a Convex function\./,
    ]],
    ["unknown format", send(call({ format: "xml" })), [
      400,
      "BadFormat",
      /^format param must be one of \[`json`\]\. Got xml$/,
    ]],
    [
      "too long",
      send(call({ args: { long: "x".repeat(17 * 2 ** 20) } })),
      badBody(/^Failed to buffer the request body: length limit exceeded$/),
    ],
    ["run without a function", send("{}", "application/json", "run/things"), [
      400,
      "MissingIdentifier",
      /^Path or function name not provided in path/,
    ]],
  ];
  for (const [what, response, answer] of bodies) await expectAnswer(what, await response, answer);
});

/** Pushes modules as the CLI would, as far as evaluating them goes. */
const startPush = (modules: Readonly<Record<string, string>>) =>
  post(`${server.url}/api/deploy2/start_push`, {
    adminKey: server.adminKey,
    dryRun: false,
    functions: "convex/",
    appDefinition: {
      definition: null,
      dependencies: [],
      schema: null,
      changedModules: Object.entries(modules).map(([path, source]) => ({
        path,
        source,
        environment: "isolate",
      })),
      unchangedModuleHashes: [],
      udfServerVersion: "1.48.0",
    },
    componentDefinitions: [],
    nodeDependencies: [],
  });

Deno.test("cron specs", async () => {
  const cron = (expression: string) => ({ type: "cron", cron: expression });
  const unparsable = /Failed to parse cron expression/;
  const never = /The cron spec ".*" will never match any time/;
  const schedules: [unknown, RegExp][] = [
    [cron("* * * *"), unparsable],
    [cron("* * * * * *"), unparsable],
    [cron("@daily"), unparsable],
    [cron("60 * * * *"), unparsable],
    [cron("* * * * 7"), unparsable],
    [cron("*/0 * * * *"), unparsable],
    [cron("5-a * * * *"), unparsable],
    [cron("0 0 31 11 *"), never],
    [cron("0 0 30 2 *"), never],
    [{ type: "interval", seconds: 0 }, /Interval must be an integer greater than 0/],
    [{ type: "interval", seconds: 1.5 }, /Interval must be an integer greater than 0/],
    [{ type: "interval" }, /Exactly one of \(seconds, minutes, hours\) should be specified/],
    [{ type: "interval", seconds: 1, hours: 1 }, /Exactly one of \(seconds, minutes, hours\)/],
    [{ type: "hourly", minuteUTC: 60 }, /minuteUTC must be 0-59 in /],
    [{ type: "daily", hourUTC: 24, minuteUTC: 0 }, /hourUTC must be 0-23 in /],
    [{ type: "daily", hourUTC: 1, minuteUTC: -1 }, /minuteUTC must be 0-59 in /],
    [{ type: "monthly", day: 0, hourUTC: 1, minuteUTC: 0 }, /day of month must be 1-31 in /],
    [{ type: "weekly", dayOfWeek: "Sunday", hourUTC: 1, minuteUTC: 0 }, /sunday/],
    [{ type: "yearly" }, /type/],
  ];
  const pushModule = (source: string) =>
    startPush({
      "crons.js": source,
      "jobs.js": "const run = () => {}; run.isMutation = true; run.isPublic = true;" +
        'run.invokeMutation = () => "null"; run.exportArgs = () => \'{"type":"any"}\';' +
        "run.exportReturns = () => 'null'; export { run };",
    });
  const pushText = (text: string) =>
    pushModule(`export default { isCrons: true, export: () => ${JSON.stringify(text)} };`);
  const push = (identifier: string, schedule: unknown, name = "jobs:run", args: unknown = {}) =>
    pushText(JSON.stringify({ [identifier]: { name, args: [args], schedule } }));
  const hourly = { type: "hourly", minuteUTC: 1 };
  assert.equal((await push("good", hourly)).status, 200);
  const refused = async (what: string, answer: ReturnType<typeof push>, message: RegExp) => {
    cases++;
    const { status, json } = await answer;
    assert.equal(status, 400, what);
    assert.match(json.message, /^Hit an error while pushing:\n/, what);
    assert.match(json.message, message, what);
  };
  for (const [schedule, message] of schedules) {
    await refused(JSON.stringify(schedule), push("job", schedule), message);
  }
  await refused("identifier", push("jöb", hourly), /may only contain printable ASCII/);
  await refused(
    "no target",
    push("job", hourly, "jobs:gone"),
    /The cron job 'job' schedules a function that does not exist: /,
  );
  await refused(
    "large arguments",
    push("job", hourly, "jobs:run", { text: "x".repeat(1 << 20) }),
    /Cron job args too large \(\d+ > maximum size 1048576\)/,
  );
  await refused(
    "no default export",
    pushModule("export const crons = 1;"),
    /`convex\/crons\.js` must have a default export of a Crons object\./,
  );
  await refused(
    "another object",
    pushModule("export default { isCrons: false };"),
    /The default export of `convex\/crons\.js` is not a Crons object\./,
  );
  const unreadable = /The `export\(\)` method of Crons did not return the expected type\./;
  for (const text of ["nonsense", "7", '{"job":null}']) {
    await refused(text, pushText(text), unreadable);
  }
  await refused("no schedule", pushText('{"job":{"name":"jobs:run","args":[{}]}}'), /schedule/);
});

Deno.test("schedules", async () => {
  const client = httpClient(server);
  const dayMs = 24 * 3600_000;
  const at = (name: string, delayMs: number) =>
    client.mutation(mutation("things:schedule"), { name, delayMs });
  const after = (delayMs: number) => client.mutation(mutation("things:scheduleAfter"), { delayMs });
  const cancel = (id: string) => client.mutation(mutation("things:cancel"), { id });
  const document = await client.mutation(mutation("things:insert"), {});
  const good = "things:uploadUrl";
  const calls: [string, Promise<unknown>, RegExp][] = [
    ["in six years", at(good, 6 * 366 * dayMs), /is more than 5 years in the future/],
    ["six years ago", at(good, -6 * 366 * dayMs), /is more than 5 years in the past/],
    [
      "before 1970",
      at(good, -100 * 366 * dayMs),
      /Invalid arguments for `ts`: .*value is negative/,
    ],
    ["negative delay", after(-1), /`delayMs` must be non-negative/],
    ["endless delay", after(Infinity), /`delayMs` must be a finite number/],
    ["no delay", after(NaN), /`delayMs` must be/],
    ["no module", at("gone:run", 0), /Attempted to schedule function at nonexistent path: gone/],
    ["no export", at("things:gone", 0), /no exported function gone found in the file: things\.js/],
    [
      "too many",
      client.mutation(mutation("things:scheduleMany"), { count: 1001 }),
      /Too many functions scheduled by this mutation \(limit: 1000\)/,
    ],
    ["cancel nonsense", cancel("nonsense"), /Invalid argument `id` for `db\.cancel_job`: /],
    [
      "cancel a document",
      cancel(document),
      /Invalid scheduled function ID\. The ID must be an ID on/,
    ],
  ];
  for (const [what, call, message] of calls) await expectFailure(what, call, message);
  assert.equal(await client.query(query("things:jobs"), {}), 0);
});

Deno.test(`there were at least ${CASES_MIN} cases, and the server is well`, async () => {
  assert.ok(cases >= CASES_MIN, `only ${cases} cases`);
  console.log(`${cases} cases of bad input`);
  assert.equal(await httpClient(server).query(query("things:who"), {}), null);
  assert.doesNotMatch(server.output, /error/i);
});
