// `deno task clients [python] [rust]`: the official clients of other languages, unmodified, against a
// pushed app. Needs Python 3 and Cargo, and fetches the clients from PyPI and crates.io, so it is
// none of the tests.

import { ChildOutput } from "../harness/child_output.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import { fromRepository, type Server } from "../harness/server.ts";

/** The version of PyPI's `convex`; that of the crate is in `rust_client/Cargo.toml`. */
const PYTHON_CLIENT_VERSION = "0.8.1";
const ANSWER_TIMEOUT_MS = 120_000;

/** Installs the client of a language into the directory; the result is the program's command line. */
const INSTALLERS: Record<string, (directory: string) => Promise<string[]>> = {
  python: async (directory) => {
    const python = `${directory}/bin/python`;
    await run("python3", "-m", "venv", directory);
    await run(python, "-m", "pip", "install", "-q", `convex==${PYTHON_CLIENT_VERSION}`);
    return [python, fromRepository("tests/clients/python_client.py")];
  },
  rust: async (directory) => {
    const manifest = fromRepository("tests/clients/rust_client/Cargo.toml");
    const where = ["--manifest-path", manifest, "--target-dir", directory];
    await run("cargo", "build", "--quiet", "--locked", ...where);
    return [`${directory}/debug/rust_client`];
  },
};

const languages = Deno.args.length > 0 ? Deno.args : Object.keys(INSTALLERS);
if (!languages.every((language) => language in INSTALLERS)) {
  console.error(`usage: deno task clients [${Object.keys(INSTALLERS).join("] [")}]`);
  Deno.exit(2);
}
let passed = 0;
let failed = 0;
{
  await using server = await serverWithApp("tests/apps/features");
  for (const language of languages) {
    console.log(`== ${language}`);
    const directory = await Deno.makeTempDir({ prefix: `concave-client-${language}-` });
    try {
      const [program, ...args] = await INSTALLERS[language]!(directory);
      const report = await exercise(server, program!, args);
      console.log(report.trimEnd());
      passed += report.match(/^ok /gm)?.length ?? 0;
      failed += report.match(/^FAILED /gm)?.length ?? 0;
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 && passed > 0 ? 0 : 1);

/** Runs a client program, kills and restarts the server when it asks, and returns its report. */
async function exercise(server: Server, program: string, args: string[]): Promise<string> {
  const process = new Deno.Command(program, {
    args: [...args, server.url, server.adminKey],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = new ChildOutput(process);
  const stdin = process.stdin.getWriter();
  let problem = "";
  try {
    await output.waitFor(/^restart$/m, ANSWER_TIMEOUT_MS);
    await server.kill();
    await server.restart();
    await stdin.write(new TextEncoder().encode("\n"));
    await output.waitFor(/^end$/m, ANSWER_TIMEOUT_MS);
  } catch (error) {
    problem = `FAILED ${program}: ${(error as Error).message.split("\n")[0]}\n`;
    try {
      process.kill("SIGKILL");
    } catch { /* it has ended by itself */ }
  }
  await process.status;
  await stdin.close().catch(() => {});
  await output.closed;
  return output.text + problem;
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args }).output();
  if (code !== 0) throw new Error(`${program} failed:\n${new TextDecoder().decode(stderr)}`);
}
