// `deno task versions [version…]`: CLI and clients of many versions of npm's `convex`, as apps have them
// that are older or newer than this repository. Fetches them with npm, so it is none of the tests.

import { App, cliEnvironment } from "../harness/app.ts";
import { fromRepository, Server } from "../harness/server.ts";

/** The first that knows self-hosted servers, changes of the push, and the newest that was looked at. */
const VERSIONS = ["1.19.5", "1.21.0", "1.24.8", "1.27.5", "1.29.3", "1.36.1", "1.44.0", "1.49.0"];
const APP = "tests/apps/older_cli";
const CLIENT = "tests/versions/client.ts";
/** What people do with the CLI, in this order; the text is in what it prints. */
const COMMANDS: readonly [args: string[], prints: RegExp][] = [
  [["dev", "--once", "--typecheck", "disable"], /functions ready/],
  [["run", "notes:clear"], /^/],
  [["run", "notes:add", '{"body":"by the CLI"}'], /"[0-9a-z]{31,}"/],
  [["data", "notes"], /by the CLI/],
  [["env", "set", "COLOR", "blue"], /Successfully set/],
  [["env", "get", "COLOR"], /blue/],
  [["function-spec"], /notes\.js:add/],
  [["deploy", "--typecheck", "disable"], /Deployed|deployed/],
];

const versions = Deno.args.length > 0 ? Deno.args : VERSIONS;
if (!versions.every((version) => /^\d+\.\d+\.\d+$/.test(version))) {
  console.error("usage: deno task versions [VERSION…], e.g. 1.27.5 (by default: several)");
  Deno.exit(2);
}
let passed = 0;
let failed = 0;
{
  await using server = await Server.start();
  for (const version of versions) {
    await using app = await App.copyWith(APP, { convex: version });
    await app.write("client.ts", await Deno.readTextFile(fromRepository(CLIENT)));
    for (const [args, prints] of COMMANDS) {
      const { success, printed } = await run(server, app, [
        "node_modules/convex/bin/main.js",
        ...args,
      ]);
      report(version, args.join(" "), success && prints.test(printed), printed);
    }
    const { success, printed } = await run(server, app, ["client.ts", server.url]);
    report(version, "clients", success, printed);
  }
}
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 && passed > 0 ? 0 : 1);

function report(version: string, what: string, isOk: boolean, printed: string): void {
  if (isOk) passed++;
  else failed++;
  console.log(`${isOk ? "ok" : "FAILED"} ${version} ${what}`);
  if (!isOk) console.log(printed.trimEnd().replace(/^/gm, "  "));
}

/** A program in the app's directory, by Deno: each version of the CLI wants other versions of Node. */
async function run(
  server: Server,
  app: App,
  program: string[],
): Promise<{ success: boolean; printed: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...program],
    cwd: app.dir,
    env: cliEnvironment(server),
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { success, printed: text.decode(stdout) + text.decode(stderr) };
}
