// Starts `bench/bare_server.ts`, the handler without a platform that rows are compared with.
import { ChildOutput } from "../tests/harness/child_output.ts";
import { fromRepository } from "../tests/harness/server.ts";

/** Resolves when it answers. */
export async function startBareServer(port: number): Promise<AsyncDisposable> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fromRepository("bench/bare_server.ts"), `${port}`],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = new ChildOutput(child);
  await output.waitFor(/ready/, 10_000);
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await output.closed;
    },
  };
}
