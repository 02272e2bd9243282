import assert from "node:assert/strict";
import { Engine } from "../engine/engine.ts";
import { userError } from "../engine/errors.ts";
import type { Json } from "../engine/values/value.ts";
import type { Analyzer } from "../runtime/analysis.ts";
import type { NodeAnalyzer } from "../runtime/node_analysis.ts";
import type { AnalyzedFunction, ModuleAnalysis, PreparedModule } from "../runtime/frames.ts";
import { configHashes } from "./config_hashes.ts";
import { readAuthProviders } from "./auth_evaluation.ts";
import { NO_ORIGIN } from "./audit_log.ts";
import { writeEnvironment } from "./environment.ts";
import { finishPush } from "./finish_push.ts";
import type { EvaluationContext } from "./push_evaluation.ts";
import { evaluatePush, startPush } from "./start_push.ts";
import { moduleHash } from "./stored_modules.ts";
import { waitForSchema } from "./wait_for_schema.ts";

type Body = { [key: string]: Json };

/**
 * Stands for the isolates: the source of a function module is the list of its mutations, that of the
 * schema and of the auth config is the JSON that it exports.
 */
const fakeAnalyzer = {
  prepare: (modules: readonly { path: string; source: string; sourceMap?: string | null }[]) =>
    Promise.resolve(modules.map(({ path, source, sourceMap = null }): PreparedModule => ({
      path,
      environment: "isolate",
      hash: moduleHash(source, sourceMap),
      source,
      sourceMap,
      code: `prepared ${source}`,
      codeMap: null,
      imports: [],
      reuseObstacle: null,
    }))),
  analyzeModules: (modules: readonly PreparedModule[]) =>
    Promise.resolve(Object.fromEntries(
      modules.filter(isNoChunk).map(({ path, source }) => {
        if (source === "throws") throw userError("InvalidModules", "boom");
        return [path, analysis(source.split(" ").filter((name) => name !== ""))];
      }),
    )),
  evaluateSchema: (module: PreparedModule) => Promise.resolve(module.source),
  evaluateAuthConfig: (module: PreparedModule) => Promise.resolve(JSON.parse(module.source)),
  evaluateDefinition: (module: PreparedModule) => Promise.resolve(JSON.parse(module.source)),
} as unknown as Analyzer;

const fakeNodeAnalyzer = {
  analyzeModules: (modules: readonly PreparedModule[]) =>
    Promise.resolve(Object.fromEntries(modules.map(({ path }) => [path, analysis([])]))),
} as unknown as NodeAnalyzer;

function isNoChunk({ path }: PreparedModule): boolean {
  return !path.startsWith("_deps/");
}

function analysis(names: readonly string[]): ModuleAnalysis {
  const functions = names.map((name): AnalyzedFunction => ({
    name,
    pos: null,
    udfType: "Mutation",
    visibility: { kind: "public" },
    args: '{"type":"any"}',
    returns: "null",
  }));
  return { functions, httpRoutes: null, cronSpecs: null, sourceMapped: null };
}

interface Stand extends AsyncDisposable {
  readonly engine: Engine;
  readonly context: EvaluationContext;
  push(app: Body): Promise<{ started: Body; finished: Body }>;
  start(app: Body): Promise<Body>;
  finish(started: Body): Promise<Body>;
  hashes(): { path: string; hash: string }[];
}

async function open(): Promise<Stand> {
  const directory = await Deno.makeTempDir();
  const engine = await Engine.open({
    path: `${directory}/db.sqlite`,
    cursorKey: new Uint8Array(32),
  });
  const context: EvaluationContext = {
    engine,
    analyzer: fakeAnalyzer,
    nodeAnalyzer: fakeNodeAnalyzer,
    origins: { CONVEX_CLOUD_URL: "http://cloud", CONVEX_SITE_URL: "http://site" },
    nowMs: Date.now(),
  };
  const start = async (app: Body) => await startPush(request(app), context, NO_ORIGIN) as Body;
  const finish = async (started: Body) =>
    await finishPush({ adminKey: "k", startPush: started }, engine, Date.now(), NO_ORIGIN) as Body;
  return {
    engine,
    context,
    start,
    finish,
    push: async (app) => {
      const started = await start(app);
      const { schemaIds } = started.schemaChange as { schemaIds: Record<string, string | null> };
      const signal = new AbortController().signal;
      assert.equal((await waitForSchema(engine, schemaIds, 10_000, signal)).type, "complete");
      return { started, finished: await finish(started) };
    },
    hashes: () => (engine.read(configHashes).value as Body).moduleHashes as never,
    async [Symbol.asyncDispose]() {
      await engine.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

function request(app: Body): Body {
  return { adminKey: "k", appDefinition: { dependencies: [], udfServerVersion: "1.48.0", ...app } };
}

function module(path: string, source: string): Body {
  return { path, source, environment: "isolate" };
}

function schema(...indexes: string[]): Body {
  const table = {
    tableName: "messages",
    indexes: indexes.map((field) => ({ indexDescriptor: `by_${field}`, fields: [field] })),
    searchIndexes: [],
    vectorIndexes: [],
    documentType: { type: "any" },
  };
  return module("schema.js", JSON.stringify({ tables: [table], schemaValidation: true }));
}

function componentDiff(finished: Body): Body {
  return (finished.componentDiffs as { "": Body })[""];
}

Deno.test("a push goes from sources to running code, and the next one sends only what changed", async () => {
  await using stand = await open();
  const messages = module("messages.js", "send");
  const shared = module("_deps/ABC.js", "");
  const first = await stand.push({ changedModules: [messages, shared], schema: schema("author") });
  assert.deepEqual(componentDiff(first.finished).moduleDiff, {
    added: ["messages.js", "schema.js"],
    removed: [],
  });
  assert.deepEqual(componentDiff(first.finished).udfConfigDiff, {
    previous_version: "Unspecified version",
    next_version: "1.48.0",
  });
  const { functions } = (first.started.analysis as { "": Body })[""];
  assert.deepEqual(Object.keys(functions as Body), ["messages.js"]);

  const hash = moduleHash("send", null);
  assert.deepEqual(
    stand.hashes().map(({ path }) => path).sort(),
    ["_deps/ABC.js", "messages.js", "schema.js"],
  );
  const second = await stand.push({
    changedModules: [module("users.js", "create")],
    unchangedModuleHashes: [{ path: "messages.js", environment: "isolate", sha256: hash }],
    schema: schema("author", "channel"),
  });
  assert.deepEqual(componentDiff(second.finished).moduleDiff, { added: ["users.js"], removed: [] });
  assert.equal(stand.hashes().find(({ path }) => path === "messages.js")?.hash, hash);
  const { indexDiffs } = second.started.schemaChange as { indexDiffs: { "": Body } };
  assert.deepEqual((indexDiffs[""].added_indexes as Body[]).map(({ name }) => name), [
    "messages.by_channel",
  ]);
});

Deno.test("identical pushes rewrite nothing that live queries read", async () => {
  await using stand = await open();
  const app = { changedModules: [module("messages.js", "send")], schema: schema("author") };
  await stand.push(app);
  const read = stand.engine.read((tx) => {
    tx.table("modules").all();
    tx.table("udfConfig").all();
    tx.table("schemas").find("by_state", ["", "active"]);
  });
  await stand.push(app);
  assert.equal(stand.engine.committer.firstChange(read.readSet, read.ts), null);
});

Deno.test("a function keeps its handle over pushes, also when it was gone for a while", async () => {
  await using stand = await open();
  const handles = () =>
    stand.engine.read((tx) =>
      tx.table("functionHandles").all().map(({ _id, path, deletedTs }) => ({
        id: _id,
        path,
        isAlive: deletedTs === null,
      }))
    ).value;
  await stand.push({ changedModules: [module("messages.js", "send")] });
  const id = handles()[0]!.id;
  await stand.push({ changedModules: [] });
  assert.deepEqual(handles(), [{ id, path: "messages.js:send", isAlive: false }]);
  await stand.push({ changedModules: [module("messages.js", "send")] });
  assert.deepEqual(handles(), [{ id, path: "messages.js:send", isAlive: true }]);
});

Deno.test("what start_push leaves behind does not touch the running code", async () => {
  await using stand = await open();
  await stand.push({ changedModules: [module("messages.js", "send")] });
  await stand.start({ changedModules: [module("other.js", "x")], schema: schema("author") });
  assert.deepEqual(stand.hashes().map(({ path }) => path), ["messages.js"]);
});

Deno.test("a client with a stale idea of the stored modules is told so", async () => {
  await using stand = await open();
  await stand.push({ changedModules: [module("messages.js", "send")] });
  const unchanged = (path: string, sha256: string) => ({
    unchangedModuleHashes: [{ path, environment: "isolate", sha256 }],
  });
  const prefix = /^Hit an error while pushing:\n/;
  await assert.rejects(stand.start(unchanged("messages.js", "00")), {
    kind: "conflict",
    code: "ExistingModuleHashConflict",
    message: prefix,
  });
  await assert.rejects(stand.start(unchanged("users.js", "00")), { code: "MissingExistingModule" });
});

Deno.test("errors of the pushed code carry the push's prefix and change nothing", async () => {
  await using stand = await open();
  await stand.push({ changedModules: [module("messages.js", "send")] });
  await assert.rejects(stand.start({ changedModules: [module("messages.js", "throws")] }), {
    code: "InvalidModules",
    message: "Hit an error while pushing:\nboom",
  });
  const badSchema = module("schema.js", '{"tables":[{"tableName":"_x"}],"schemaValidation":true}');
  await assert.rejects(stand.start({ changedModules: [], schema: badSchema }), {
    message: /^Hit an error while pushing:\nHit an error while evaluating your schema:\n/,
  });
  assert.equal(stand.hashes()[0]!.hash, moduleHash("send", null));
});

Deno.test("environment variables that change during a push stop it", async () => {
  await using stand = await open();
  const started = await stand.start({ changedModules: [module("messages.js", "send")] });
  await stand.engine.transact((tx) => writeEnvironment(tx, [{ name: "A", value: "1" }]));
  await assert.rejects(stand.finish(started), {
    code: "RaceDetected",
    message: "Hit an error while pushing:\nEnvironment variables have changed during push",
  });
});

Deno.test("variables that the app declares as required must be set and match", async () => {
  await using stand = await open();
  const envVars = [["MODE", { type: "value", value: '{"type":"literal","value":"test"}' }]];
  const definition = module(
    "convex.config.js",
    JSON.stringify({
      definitionType: { type: "app" },
      childComponents: [],
      httpMounts: {},
      envVars,
    }),
  );
  const start = () => stand.start({ changedModules: [], definition });
  const setMode = (value: string) =>
    stand.engine.transact((tx) => writeEnvironment(tx, [{ name: "MODE", value }]));
  await assert.rejects(stand.finish(await start()), {
    code: "MissingEnvironmentVariables",
    message: /Required environment variables are not set: MODE\. /,
  });
  await setMode("other");
  await assert.rejects(stand.finish(await start()), { code: "InvalidEnvironmentVariable" });
  await setMode("test");
  await stand.finish(await start());
});

Deno.test("auth providers follow the config of the latest push", async () => {
  await using stand = await open();
  const config = JSON.stringify({ providers: [{ domain: "example.com", applicationID: "a" }] });
  const { finished } = await stand.push({ changedModules: [module("auth.config.js", config)] });
  const provider = '{"applicationID":"a","domain":"https://example.com"}';
  assert.deepEqual(finished.authDiff, { added: [provider], removed: [] });
  assert.equal(stand.engine.read(readAuthProviders).value.length, 1);
  const next = await stand.push({ changedModules: [] });
  assert.deepEqual(next.finished.authDiff, { added: [], removed: [provider] });
});

Deno.test("evaluate_push reports the indexes that a push would change, and changes nothing", async () => {
  await using stand = await open();
  const app = { changedModules: [module("messages.js", "send")] };
  await stand.push({ ...app, schema: schema("author") });
  const before = stand.engine.committer.latest;
  const answer = await evaluatePush(request(app), stand.context) as Body;
  const { indexDiffs } = answer.schemaChange as { indexDiffs: { "": Body } };
  assert.deepEqual((indexDiffs[""].removed_indexes as Body[]).map(({ name }) => name), [
    "messages.by_author",
  ]);
  assert.equal(stand.engine.committer.latest, before);
});
