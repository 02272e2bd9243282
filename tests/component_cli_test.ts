// Components through the official CLI while they are developed: generated types, variables bound to
// the app's, `convex dev` that watches; and calls that go round between the app and a component.
import assert from "node:assert/strict";
import { App } from "./harness/app.ts";
import { httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";

const APP = "tests/apps/component_calls";

Deno.test("convex env: a variable of the app reaches the components that it is bound to", async () => {
  await using server = await serverWithApp(APP);
  await using app = await App.copy(APP);
  await using live = new LiveClient(server);
  const env = async (...args: string[]) => {
    const { code, stderr } = await app.cli(server, ["env", ...args]);
    assert.equal(code, 0, stderr);
  };
  const watch = (path: string) => live.watch("calls:read", { path, args: {} });
  const variables = (where: unknown) => {
    const { kind, shared, hidden } = where as Record<string, unknown>;
    return [kind, shared, hidden];
  };
  const first = watch("first.notes.where");
  const second = watch("second.notes.where");
  await first.until((where) => variables(where)[1] === null);
  await second.until((where) => variables(where)[0] === null);
  const secondBefore = second.results.length;

  await env("set", "APP_KEY", "from the CLI");
  await first.until((where) => variables(where)[1] === "from the CLI");
  // It has the name that the component gave it, and only where it is bound.
  assert.deepEqual(variables(first.results.at(-1)), ["literal", "from the CLI", null]);
  const action = await app.cli(server, [
    ...["run", "calls:act"],
    JSON.stringify({ kind: "action", path: "first.notes.whereInAction", args: {} }),
  ]);
  assert.match(action.stdout, /"shared": "from the CLI"/, action.stderr);
  await env("set", "APP_KEY", "changed");
  await first.until((where) => variables(where)[1] === "changed");
  await env("remove", "APP_KEY");
  await first.until((where) => variables(where)[1] === null);
  assert.deepEqual(
    variables(
      await httpClient(server).query(query("calls:read"), {
        path: "second.notes.where",
        args: {},
      }),
    ),
    [null, null, null],
  );
  assert.equal(second.results.length, secondBefore);
});

Deno.test("convex codegen writes the types of a local component from its validators", async () => {
  await using server = await serverWithApp(APP);
  await using app = await App.copy(APP);
  const { code, stderr } = await app.cli(server, ["codegen", "--typecheck", "disable"]);
  assert.equal(code, 0, stderr);
  const types = await app.read("convex/box/_generated/component.ts");
  assert.match(types, /notes:\s*\{/);
  assert.match(
    types,
    /add:\s*FunctionReference<\s*"mutation",\s*"internal",\s*\{\s*text:\s*string;?\s*\},\s*string,?/,
  );
  // Internal functions are nobody else's.
  assert.doesNotMatch(types, /addInternally/);
  assert.match(
    await app.read("convex/_generated/api.d.ts"),
    /first:[\s\S]*second:[\s\S]*outer:/,
  );
  assert.match(await app.read("convex/outer/_generated/api.ts"), /inner:/);
  assert.match(await app.read("convex/box/_generated/server.ts"), /KIND/);
});

Deno.test("convex dev watches components: their code, their schema, and which there are", async () => {
  await using server = await serverWithApp(APP);
  await using app = await App.copy(APP);
  await using live = new LiveClient(server);
  await using dev = app.cliStart(server, ["dev", "--typecheck", "disable"]);
  await dev.waitForOutput(/Convex functions ready!/, 60_000);
  const edit = async (file: string, from: string, to: string) => {
    const before = await app.read(file);
    assert.ok(before.includes(from), `${from} is not in ${file}`);
    await app.write(file, before.replace(from, to));
  };
  const note = { text: "watched" };
  await live.mutation(mutation("calls:write"), { path: "first.notes.add", args: note });
  const list = live.watch("calls:read", { path: "first.notes.list", args: {} });
  await list.until((texts) => (texts as string[]).includes("watched"));
  await edit("convex/box/notes.ts", "map(({ text }) => text)", "map(({ text }) => `${text}!`)");
  await list.until((texts) => Array.isArray(texts) && texts.includes("watched!"), 30_000);

  // A fault in a component leaves what runs, and is told.
  dev.output.clear();
  const whole = await app.read("convex/box/notes.ts");
  await app.write("convex/box/notes.ts", `${whole}\nthrow new Error("at import of the box");\n`);
  await dev.waitForOutput(/at import of the box/);
  assert.ok((list.results.at(-1) as string[]).includes("watched!"));
  await app.write("convex/box/notes.ts", whole);
  await dev.waitForOutput(/Convex functions ready!/);

  // So does a schema that the component's documents do not match.
  dev.output.clear();
  await edit("convex/box/schema.ts", "text: v.string()", "text: v.number()");
  await dev.waitForOutput(/Schema validation failed/);
  assert.ok((list.results.at(-1) as string[]).includes("watched!"));
  await edit("convex/box/schema.ts", "text: v.number()", "text: v.string()");
  await dev.waitForOutput(/Convex functions ready!/);

  dev.output.clear();
  const third = 'app.use(box, { name: "third" });\nexport default app;';
  await edit("convex/convex.config.ts", "export default app;", third);
  await dev.waitForOutput(/Installed component third\./);
  await dev.waitForOutput(/Convex functions ready!/);
  await live.mutation(mutation("calls:write"), { path: "third.notes.add", args: note });
  dev.output.clear();
  await edit("convex/convex.config.ts", third, "export default app;");
  await dev.waitForOutput(/Unmounted component third\./);
});

Deno.test("calls that go round between the app and a component end at eight", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  const down = (rounds: number) => client.mutation(mutation("circles:down"), { text: `${rounds}` });
  // Each round is a call into the component and one back into the app.
  assert.equal(await down(4), 4);
  await assert.rejects(
    down(5),
    /Cross component call depth limit exceeded\. Do you have an infinite loop in your app\?/,
  );
  assert.deepEqual(await client.query(query("calls:kept"), {}), ["4", "3", "2", "1", "0"]);
});
