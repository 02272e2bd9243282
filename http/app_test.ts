import assert from "node:assert/strict";
import { AdminKeys } from "../deployment/admin_key.ts";
import { ProviderDocuments } from "../deployment/authentication/provider_documents.ts";
import { TokenVerifier } from "../deployment/authentication/token_verifier.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { TrustedProxies } from "../deployment/trusted_proxies.ts";
import { FunctionLogs } from "../deployment/function_logs.ts";
import { Authenticator } from "../deployment/identity.ts";
import { InstanceSecret } from "../deployment/instance_secret.ts";
import { ServerLog } from "../deployment/server_log.ts";
import { PlatformError, userError } from "../engine/errors.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCall, FunctionKind, HttpExchange } from "../runtime/types.ts";
import { createApiApp } from "./app.ts";
import { HandlerDeadline } from "./handler_deadline.ts";
import { createSiteApp } from "./site.ts";

const adminKeys = new AdminKeys(new InstanceSecret(new Uint8Array(32)), "test");
const ADMIN = `Convex ${adminKeys.issue()}`;
const stats = {
  executionMs: 0,
  documentsRead: 0,
  bytesRead: 0,
  documentsWritten: 0,
  bytesWritten: 0,
};

/** Functions named after what they do; every call is kept. */
class FakeDeployment {
  readonly calls: { kind: string; call: FunctionCall }[] = [];
  readonly faults: string[] = [];
  readonly log = new ServerLog("json", (line) => this.faults.push(line));
  readonly instanceName = "test";
  readonly version = "1.2.3";
  readonly redact: boolean = false;
  readonly functionLogs = new FunctionLogs();
  readonly trustedProxies = new TrustedProxies();
  readonly authenticator = new Authenticator({
    adminKeys,
    tokens: new TokenVerifier({
      providers: () => [],
      documents: new ProviderDocuments({ clock: Date.now }),
      clock: Date.now,
      redact: false,
    }),
  });
  readonly engine = { committer: { durable: 5 as Timestamp } };
  readonly runner = {
    kindOf: ({ name }: { name: string }): FunctionKind | null =>
      name === "send" ? "mutation" : name === "list" ? "query" : null,
    runMutation: (call: FunctionCall) => this.#run("mutation", call),
    runAction: (call: FunctionCall) => this.#run("action", call),
  };
  readonly sync = { query: (call: FunctionCall) => this.#run("query", call) };

  runHttpAction(call: FunctionCall, exchange: HttpExchange) {
    const { request } = exchange;
    exchange.respond({ status: 404, headers: [], body: "none", route: null }, null);
    this.calls.push({ kind: request.path!, call });
    return Promise.resolve({ result: { ok: true, value: "null" }, logLines: [], stats });
  }

  canonicalUrls() {
    return { CONVEX_CLOUD_URL: "http://cloud", CONVEX_SITE_URL: "http://site" };
  }

  resolveComponent(path: string): string {
    if (path === "") return "";
    throw userError("ComponentPathNotFound", `Component path '${path}' not found`);
  }

  #run(kind: string, call: FunctionCall) {
    this.calls.push({ kind, call });
    switch (call.path.name) {
      case "throws": {
        const error = { text: "Uncaught Error: boom\n", data: '{"$integer":"AQAAAAAAAAA="}' };
        return Promise.resolve({ result: { ok: false, error }, logLines: [], stats });
      }
      case "refused":
        return Promise.reject(new PlatformError("forbidden", "No", "not you"));
      case "overloaded":
        return Promise.reject(new PlatformError("overloaded", "Busy", "later"));
      case "broken":
        return Promise.reject(new Error("secret detail"));
    }
    const line = { level: "LOG", messages: ["'hi'", "1"], isTruncated: false, timestamp: 1 };
    const logLines = call.path.name === "logs" ? [line] : [];
    const value = call.path.name === "sum" ? "3" : '{"n":{"$integer":"AQAAAAAAAAA="}}';
    return Promise.resolve({
      result: { ok: true, value },
      logLines,
      stats,
    });
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // deno-lint-ignore no-explicit-any -- tests look into JSON of any shape
  readonly json: any;
}

const INFO = {
  remoteAddr: { transport: "tcp", hostname: "10.0.0.1", port: 1 },
} as unknown as Deno.ServeHandlerInfo;

function open(overrides: Partial<FakeDeployment> = {}) {
  const deployment = Object.assign(new FakeDeployment(), overrides);
  const app = createApiApp(deployment as unknown as Deployment);
  const ask = async (
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> => {
    const hasBody = options.body !== undefined;
    const request = new Request(`http://host${path}`, {
      method,
      headers: { ...(hasBody ? { "content-type": "application/json" } : {}), ...options.headers },
      ...(hasBody ? { body: JSON.stringify(options.body) } : {}),
    });
    const response = await app(request, INFO);
    const text = await response.text();
    const isJson = response.headers.get("content-type") === "application/json";
    const json = isJson ? JSON.parse(text) : null;
    return { status: response.status, headers: response.headers, text, json };
  };
  return { deployment, ask };
}

const call = (path: string, more: Record<string, unknown> = {}) => ({
  body: { path, args: { a: 1 }, ...more },
});

Deno.test("queries, mutations and actions answer 200 with their outcome", async () => {
  const { deployment, ask } = open();
  const clean = { status: "success", value: { n: "1" } };
  assert.deepEqual((await ask("POST", "/api/query", call("m:list"))).json, clean);
  assert.deepEqual((await ask("POST", "/api/mutation", call("dir/m.js:send"))).json, clean);
  assert.deepEqual((await ask("POST", "/api/action", call("m"))).json, clean);
  assert.deepEqual((await ask("GET", "/api/query?path=m:list&args=%7B%22a%22:1%7D")).json, clean);
  assert.deepEqual(deployment.calls.map(({ kind, call }) => [kind, call.path, call.args]), [
    ["query", { component: "", module: "m.js", name: "list" }, '[{"a":1}]'],
    ["mutation", { component: "", module: "dir/m.js", name: "send" }, '[{"a":1}]'],
    ["action", { component: "", module: "m.js", name: "default" }, '[{"a":1}]'],
    ["query", { component: "", module: "m.js", name: "list" }, '[{"a":1}]'],
  ]);
  const { context } = deployment.calls[0]!.call;
  assert.match(context.requestId, /^[0-9a-f]{16}$/);
  assert.deepEqual([context.ip, context.visibility, context.identity.kind], [
    "10.0.0.1",
    "public",
    "anonymous",
  ]);
});

Deno.test("formats and log lines follow the client", async () => {
  const { ask } = open();
  const encoded = { n: { $integer: "AQAAAAAAAAA=" } };
  const asked = await ask("POST", "/api/query", call("m:list", { format: "convex_encoded_json" }));
  assert.deepEqual(asked.json.value, encoded);
  const old = { ...call("m:list"), headers: { "convex-client": "npm-1.4.0" } };
  assert.deepEqual((await ask("POST", "/api/query", old)).json.value, encoded);
  const python = { "convex-client": "python-0.8.1" };
  const sum = await ask("POST", "/api/query", {
    ...call("m:sum", { format: "convex_encoded_json" }),
    headers: python,
  });
  assert.match(sum.text, /"value":3\.0/);
  assert.deepEqual((await ask("POST", "/api/query", call("m:logs"))).json.logLines, [
    "[LOG] 'hi' 1",
  ]);
  const bad = await ask("POST", "/api/query", call("m:list", { format: "xml" }));
  assert.deepEqual([bad.status, bad.json.code], [400, "BadFormat"]);
});

Deno.test("errors of functions are outcomes, those of the platform have a status", async () => {
  const { deployment, ask } = open();
  const headers = { "convex-request-id": "0123456789abcdef" };
  assert.deepEqual((await ask("POST", "/api/query", { ...call("m:throws"), headers })).json, {
    status: "error",
    errorMessage: "[Request ID: 0123456789abcdef] Server Error\nUncaught Error: boom\n",
    errorData: "1",
  });
  const refused = await ask("POST", "/api/mutation", { ...call("m:refused"), headers });
  assert.equal(refused.json.errorMessage, "[Request ID: 0123456789abcdef] Server Error\nnot you\n");
  const busy = await ask("POST", "/api/mutation", call("m:overloaded"));
  assert.deepEqual([busy.status, busy.json], [503, { code: "Busy", message: "later" }]);
  const broken = await ask("POST", "/api/query", call("m:broken"));
  assert.equal(broken.status, 500);
  assert.ok(!broken.text.includes("secret"));
  assert.equal(deployment.faults.length, 1);
});

Deno.test("with redaction clients see no details", async () => {
  const { ask } = open({ redact: true });
  const headers = { "convex-request-id": "0123456789abcdef" };
  const { json } = await ask("POST", "/api/query", { ...call("m:throws"), headers });
  assert.equal(json.errorMessage, "[Request ID: 0123456789abcdef] Server Error");
  assert.equal((await ask("POST", "/api/query", call("m:logs"))).json.logLines, undefined);
});

Deno.test("any kind of function runs by name for administrators and by URL for all", async () => {
  const { deployment, ask } = open();
  assert.equal((await ask("POST", "/api/function", call("m:send"))).json.code, "BadDeployKey");
  const headers = { authorization: ADMIN };
  await ask("POST", "/api/function", { ...call("m:send"), headers });
  await ask("POST", "/api/run/dir/m/list", { body: { args: {} } });
  await ask("POST", "/api/run/dir/m:list", { body: { args: {} } });
  await ask("POST", "/api/run/m/missing", { body: { args: {} } });
  assert.deepEqual(
    deployment.calls.map(({ kind, call: { path, context } }) =>
      `${kind} ${path.module}:${path.name} ${context.visibility} ${context.notFoundWording}`
    ),
    [
      "mutation m.js:send all runByName",
      "query dir/m.js:list public runByName",
      "query dir/m.js:list public runByName",
      "query m.js:missing public runByName",
    ],
  );
  assert.equal(
    (await ask("POST", "/api/run/m", { body: { args: {} } })).json.code,
    "MissingIdentifier",
  );
  const inComponent = { ...call("m:send", { componentPath: "x" }), headers };
  assert.equal(
    (await ask("POST", "/api/function", inComponent)).json.code,
    "ComponentPathNotFound",
  );
});

Deno.test("bad requests have the platform's codes", async () => {
  const { ask } = open();
  const codes = async (...args: Parameters<typeof ask>) => {
    const { status, json } = await ask(...args);
    return `${status} ${json.code}`;
  };
  assert.equal(await codes("POST", "/api/query", call("m:1")), "400 BadConvexFunctionIdentifier");
  assert.equal(await codes("POST", "/api/query", { body: { args: {} } }), "400 BadJsonBody");
  assert.equal(await codes("GET", "/api/query?args={}"), "400 BadQueryArgs");
});

Deno.test("credentials: keys, acting as a user, tokens and malformed headers", async () => {
  const { deployment, ask } = open();
  const withHeader = async (authorization: string) => {
    const { status, json } = await ask("POST", "/api/query", {
      ...call("m:list"),
      headers: { authorization },
    });
    return status === 200
      ? deployment.calls.at(-1)!.call.context.identity
      : `${status} ${json.code}`;
  };
  assert.deepEqual(await withHeader(ADMIN), { kind: "admin" });
  assert.deepEqual(await withHeader(ADMIN.replace("Convex", "convex")), { kind: "admin" });
  const acting = btoa(JSON.stringify({ issuer: "i", subject: "s", custom: 1 }));
  assert.deepEqual(await withHeader(`${ADMIN}:${acting}`), {
    kind: "acting",
    attributes: { issuer: "i", subject: "s", custom: 1, tokenIdentifier: "i|s" },
  });
  assert.equal(await withHeader("Convex test|wrong"), "401 BadAdminKey");
  assert.equal(await withHeader(`${ADMIN}:@@`), "400 HeaderParseFailure");
  assert.equal(await withHeader(`${ADMIN}:${btoa("{}")}`), "400 HeaderParseFailure");
  assert.equal(await withHeader("Bearer"), "400 InvalidHeaderFailure");
  assert.equal(await withHeader("Basic abcdef"), "400 InvalidAdminKey");
  assert.equal(await withHeader("Bearer nonsense"), "401 InvalidAuthHeader");
  const token = `e30.${btoa('{"iss":"https://i.example","aud":"a"}')}.c2ln`;
  assert.equal(await withHeader(`Bearer ${token}`), "401 NoAuthProvider");
  const byParameter = `/api/query?adminKey=${encodeURIComponent(adminKeys.issue())}`;
  await ask("POST", byParameter, call("m:list"));
  assert.equal(deployment.calls.at(-1)!.call.context.identity.kind, "admin");
});

Deno.test("pages of any origin may call the API", async () => {
  const { ask } = open();
  const headers = { origin: "http://page", "access-control-request-headers": "x-a,x-b" };
  const preflight = await ask("OPTIONS", "/api/anything", { headers });
  assert.equal(preflight.status, 200);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "http://page");
  assert.equal(preflight.headers.get("access-control-allow-headers"), "x-a,x-b");
  assert.equal(preflight.headers.get("access-control-max-age"), "86400");
  const missing = await ask("GET", "/api/anything", { headers });
  assert.deepEqual([missing.status, missing.text], [404, ""]);
  assert.equal(missing.headers.get("access-control-allow-origin"), "http://page");
  assert.equal(missing.headers.get("access-control-allow-credentials"), "true");
});

Deno.test("clients that are too old or unreadable are refused", async () => {
  const { ask } = open();
  const version = (client: string) =>
    ask("GET", "/version", { headers: { "convex-client": client } });
  assert.equal((await version("npm-1.48.0")).text, "1.2.3");
  const old = await version("npm-0.19.1");
  assert.deepEqual([old.status, old.json.code], [400, "ClientVersionUnsupported"]);
  assert.equal(old.headers.get("x-convex-deprecation-state"), "Unsupported");
  assert.equal((await version("nonsense")).json.code, "InvalidClientVersion");
});

Deno.test("the server tells about itself", async () => {
  const { ask } = open();
  assert.equal((await ask("GET", "/instance_name")).text, "test");
  assert.match((await ask("GET", "/")).text, /^This Convex deployment is running/);
  const page = await ask("GET", "/", { headers: { accept: "text/html" } });
  assert.match(page.text, /CONVEX_SELF_HOSTED_URL=http:\/\/cloud/);
  assert.equal((await ask("POST", "/echo", { body: "x".repeat(1000) })).text.length, 1002);
  const actions = await ask("GET", "/http/anything");
  assert.deepEqual([actions.status, actions.headers.get("access-control-allow-credentials")], [
    404,
    null,
  ]);
  const socket = await ask("GET", "/api/1.48.0/sync");
  assert.deepEqual([socket.status, socket.json.code], [400, "InvalidConnectionHeader"]);
});

Deno.test("HTTP actions that do not begin to answer, or cannot run, have an answer all the same", async () => {
  const deployment = Object.assign(new FakeDeployment(), {
    runHttpAction: (call: FunctionCall) =>
      call.context.userAgent === "broken"
        ? Promise.reject(new Error("secret detail"))
        : new Promise<never>(() => {}),
  });
  const site = createSiteApp(deployment as unknown as Deployment, {
    deadline: new HandlerDeadline(10),
  });
  const ask = async (agent: string) =>
    await site(new Request("http://host/", { headers: { "user-agent": agent } }), INFO);
  const late = await ask("patient");
  assert.deepEqual([late.status, await late.text()], [408, ""]);
  const broken = await ask("broken");
  assert.equal(broken.status, 500);
  assert.equal((await broken.json()).code, "InternalServerError");
  assert.equal(deployment.faults.length, 1);
});
