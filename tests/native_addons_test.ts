// External packages, installed on the server, that cannot be bundled: native add-ons, allowed by the operator or not, and a
// package that requires files by names which it makes up.
import assert from "node:assert/strict";
import { App } from "./harness/app.ts";
import { action, httpClient } from "./harness/clients.ts";
import { Server } from "./harness/server.ts";

const APP = "tests/apps/native";
const run = (server: Server, name: string) => httpClient(server).action(action(name), {});

async function doesRealWork(flags: readonly string[]): Promise<void> {
  await using app = await App.copy(APP);
  await using server = await Server.start({ flags: ["--native-addons", ...flags] });
  await app.push(server);
  assert.deepEqual(await run(server, "images:thumbnail"), {
    format: "png",
    width: 16,
    height: 8,
    pixel: [255, 0, 0],
  });
  assert.deepEqual(await run(server, "passwords:check"), {
    kind: "argon2id",
    right: true,
    wrong: false,
  });
  assert.equal(await run(server, "dates:inFrench"), "jeudi 1 janvier 1970");
}

Deno.test("packages with native code work where the operator allows them", () => doesRealWork([]));

Deno.test("packages with native code work under an installed Node", () => {
  return doesRealWork(["--node", "node"]);
});

Deno.test("without the operator's word a push says what he can do", async () => {
  await using server = await Server.start();
  await using app = await App.copy(APP);
  for (const [module, others] of [["images", "passwords"], ["passwords", "images"]]) {
    await using own = await App.copy(APP);
    await own.remove(`convex/${others}.ts`);
    const { code, stderr } = await own.cli(server, ["dev", "--once", "--typecheck", "disable"]);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`Failed to analyze ${module}\\.js: Uncaught Error: `));
    assert.match(
      stderr,
      /Native add-ons are not allowed on this server\. Its operator can allow them with the flag --native-addons\./,
    );
  }
  await app.remove("convex/images.ts");
  await app.remove("convex/passwords.ts");
  await app.push(server);
  assert.equal(await run(server, "dates:inFrench"), "jeudi 1 janvier 1970");
});
