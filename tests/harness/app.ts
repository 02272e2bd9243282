// A Convex app in a temporary directory, and the official `convex` CLI run in it as a child process.
import { ChildOutput } from "./child_output.ts";
import { fromRepository, type Server } from "./server.ts";

export const CONVEX_VERSION = "1.48.0";
/** The first push of many large packages takes a while where little processor is to be had. */
const CLI_TIMEOUT_MS = 300_000;

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Which program runs the CLI: Node with the installed package, or `deno run npm:convex`. */
  readonly runner?: "node" | "deno";
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

export class App implements AsyncDisposable {
  private constructor(readonly dir: string) {}

  /**
   * Copies an app directory of this repository, e.g. `examples/chat`. An app with a lock file of
   * its own gets its packages installed; others see those of the repository.
   */
  static async copy(source: string): Promise<App> {
    const directory = fromRepository(source);
    if (!await exists(`${directory}/deno.lock`)) {
      const app = await App.create({});
      await copyDirectory(directory, app.dir);
      return app;
    }
    const app = new App(await Deno.makeTempDir({ prefix: "concave-app-" }));
    await copyDirectory(directory, app.dir);
    await app.#install("--frozen");
    return app;
  }

  /** Copies an app directory and installs these packages instead of its own, whatever they depend on. */
  static async copyWith(
    source: string,
    dependencies: Readonly<Record<string, string>>,
  ): Promise<App> {
    const app = new App(await Deno.makeTempDir({ prefix: "concave-app-" }));
    await copyDirectory(fromRepository(source), app.dir);
    const manifest = { name: "app", private: true, type: "module", dependencies };
    await app.write("package.json", JSON.stringify(manifest));
    await app.#install("--no-lock");
    return app;
  }

  /** Makes an app from file contents by path, e.g. `{ "convex/messages.ts": "…" }`. */
  static async create(files: Readonly<Record<string, string>>): Promise<App> {
    const app = new App(await Deno.makeTempDir({ prefix: "concave-app-" }));
    const manifest = {
      name: "app",
      private: true,
      type: "module",
      dependencies: { convex: CONVEX_VERSION },
    };
    await app.write("package.json", JSON.stringify(manifest, null, 2));
    await Deno.symlink(fromRepository("node_modules"), `${app.dir}/node_modules`);
    for (const [path, content] of Object.entries(files)) await app.write(path, content);
    return app;
  }

  async write(path: string, content: string): Promise<void> {
    const file = `${this.dir}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(file, content);
  }

  async read(path: string): Promise<string> {
    return await Deno.readTextFile(`${this.dir}/${path}`);
  }

  async remove(path: string): Promise<void> {
    await Deno.remove(`${this.dir}/${path}`, { recursive: true });
  }

  /** Runs `convex …args` against a server to its end. */
  async cli(server: Server, args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const child = this.#spawn(server, args, options);
    const writer = child.stdin.getWriter();
    if (options.stdin !== undefined) await writer.write(new TextEncoder().encode(options.stdin));
    await writer.close().catch(() => {});
    const timer = setTimeout(() => child.kill("SIGKILL"), CLI_TIMEOUT_MS);
    const output = await child.output();
    clearTimeout(timer);
    const text = new TextDecoder();
    return {
      code: output.code,
      stdout: text.decode(output.stdout),
      stderr: text.decode(output.stderr),
    };
  }

  /** Starts a `convex` command that goes on, such as `dev` or `logs`. */
  cliStart(server: Server, args: readonly string[], options: CliOptions = {}): RunningCli {
    return new RunningCli(this.#spawn(server, args, options));
  }

  /**
   * Pushes the app with `convex dev --once`.
   * @throws Error with what the CLI printed when the push fails
   */
  async push(server: Server, options: CliOptions = {}): Promise<void> {
    const result = await this.cli(server, PUSH_ARGS, options);
    if (result.code !== 0) {
      throw new Error(`convex dev --once failed (${result.code}):\n${result.stderr}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }

  async #install(lock: "--frozen" | "--no-lock"): Promise<void> {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["install", "--quiet", lock],
      cwd: this.dir,
    }).output();
    if (code !== 0) throw new Error(`deno install failed:\n${new TextDecoder().decode(stderr)}`);
  }

  #spawn(server: Server, args: readonly string[], options: CliOptions): Deno.ChildProcess {
    const [program, before] = options.runner === "deno"
      ? [Deno.execPath(), ["run", "-A", `npm:convex@${CONVEX_VERSION}`]]
      : nodeCommand(this.dir);
    return new Deno.Command(program, {
      args: [...before, ...args],
      cwd: this.dir,
      env: { ...cliEnvironment(server), ...options.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }
}

export const PUSH_ARGS = ["dev", "--once", "--typecheck", "disable", "--tail-logs", "disable"];

/** A `convex` command that is still running. */
export class RunningCli implements AsyncDisposable {
  readonly output: ChildOutput;

  constructor(readonly process: Deno.ChildProcess) {
    this.output = new ChildOutput(process);
  }

  async waitForOutput(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpMatchArray> {
    return await this.output.waitFor(pattern, timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch { /* it has ended by itself */ }
    await this.process.status;
    await this.process.stdin.close().catch(() => {});
    await this.output.closed;
  }
}

/** What the CLI needs to find the server, and to stay off the internet. */
export function cliEnvironment(server: Server): Record<string, string> {
  return {
    CONVEX_SELF_HOSTED_URL: server.url,
    CONVEX_SELF_HOSTED_ADMIN_KEY: server.adminKey,
    CONVEX_VERSION_API_ORIGIN: "http://127.0.0.1:9",
    CI: "1",
    NO_COLOR: "1",
    DENO_NO_UPDATE_CHECK: "1",
  };
}

/** Node where it is installed; else Deno runs the same file of the app's package. */
function nodeCommand(appDir: string): [string, string[]] {
  const main = `${appDir}/node_modules/convex/bin/main.js`;
  return nodeIsInstalled() ? ["node", [main]] : [Deno.execPath(), ["run", "-A", main]];
}

let nodeInstalled: boolean | undefined;

function nodeIsInstalled(): boolean {
  if (nodeInstalled === undefined) {
    try {
      nodeInstalled = new Deno.Command("node", { args: ["--version"] }).outputSync().success;
    } catch {
      nodeInstalled = false;
    }
  }
  return nodeInstalled;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function copyDirectory(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    if (entry.name === "node_modules" || entry.name === ".env.local") continue;
    const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
    if (entry.isDirectory) await copyDirectory(source, target);
    else await Deno.copyFile(source, target);
  }
}
