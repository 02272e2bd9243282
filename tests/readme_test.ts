// The README's steps for an app, followed literally: the commands are taken from its text.
import assert from "node:assert/strict";
import { ChildOutput } from "./harness/child_output.ts";
import { fromRepository, Server } from "./harness/server.ts";

/** The `sh` blocks of the README between these two texts. */
async function shellBlocks(from: string, to: string): Promise<string[]> {
  const readme = await Deno.readTextFile(fromRepository("README.md"));
  const section = readme.slice(readme.indexOf(from), readme.indexOf(to));
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!);
}

Deno.test("a new app, made by the steps of the README", async () => {
  await using server = await Server.start();
  const parent = await Deno.makeTempDir({ prefix: "concave-readme-" });
  const env = { CI: "1", NO_COLOR: "1", CONVEX_VERSION_API_ORIGIN: "http://127.0.0.1:9" };
  try {
    const [create, use] = await shellBlocks("No app yet?", "While the last command runs");
    assert.ok(create !== undefined && use !== undefined);
    const made = await new Deno.Command("bash", { args: ["-ec", create], cwd: parent, env })
      .output();
    assert.ok(made.success, new TextDecoder().decode(made.stderr));

    // "Write the two lines into my-app/.env.local": the server printed them.
    const lines = server.output.match(/^CONVEX_SELF_HOSTED_\w+='.*'$/gm);
    assert.equal(lines?.length, 2, server.output);
    const app = `${parent}/my-app`;
    await Deno.writeTextFile(`${app}/.env.local`, lines.join("\n") + "\n");

    // The last command goes on: a second message appears while it runs.
    const child = new Deno.Command("bash", {
      args: ["-ec", use],
      cwd: app,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = new ChildOutput(child);
    try {
      await output.waitFor(/body: ['"]hello['"]|"body": "hello"/, 90_000);
      const send = use.match(/npx convex run messages:send .*/)![0].replace("hello", "again");
      const sent = await new Deno.Command("bash", { args: ["-ec", send], cwd: app, env }).output();
      assert.ok(sent.success, new TextDecoder().decode(sent.stderr));
      await output.waitFor(/again/, 30_000);
    } finally {
      await killTree(child.pid);
      await child.status;
      await output.closed;
    }
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});

/** Ends a shell and what it started. */
async function killTree(pid: number): Promise<void> {
  const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`).catch(() => "");
  for (const child of children.trim().split(" ").filter(Boolean)) await killTree(Number(child));
  try {
    Deno.kill(pid, "SIGKILL");
  } catch { /* it has ended by itself */ }
}
