// Starts the servers without a platform that rows are compared with: `bench/bare_server.ts`, a
// handler alone, and `bench/plain_server.ts`, a transaction in SQLite alone.
import { ChildOutput } from "../tests/harness/child_output.ts";
import { fromRepository } from "../tests/harness/server.ts";

export type ReferenceServer = "bare_server.ts" | "plain_server.ts";

/** Resolves when it answers. */
export async function startReferenceServer(
  program: ReferenceServer,
  ...args: readonly string[]
): Promise<AsyncDisposable> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fromRepository(`bench/${program}`), ...args],
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
