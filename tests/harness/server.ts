// A Concave server as a child process, started the way a person starts it: `main.ts start` on free
// ports with a data directory of its own. Used by the end-to-end tests, the benchmark and the demo.
import { fileURLToPath } from "node:url";
import { ChildOutput } from "./child_output.ts";

export const REPOSITORY = fromRepository("");
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const PORT_TAKEN = /port \d+ of 127\.0\.0\.1 is in use by another program/;
const START_TRIES_MAX = 3;

/** The absolute path of a file of this repository. */
export function fromRepository(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

export interface ServerOptions {
  /** Default: a new temporary directory. */
  readonly dataDir?: string;
  /** Whether disposing of the server removes the directory. Default: if it is a temporary one. */
  readonly removeDataDir?: boolean;
  readonly port?: number;
  readonly sitePort?: number;
  /** Changes to the limits on functions. */
  readonly limits?: Readonly<Record<string, number>>;
  /** More flags for `main.ts start`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program that takes the command line of `main.ts`; path from the repository's root. */
  readonly program?: string;
}

/** Runs `main.ts` with these arguments to its end. */
export async function runMain(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = await mainCommand(args, env).output();
  const text = new TextDecoder();
  return {
    code: output.code,
    stdout: text.decode(output.stdout),
    stderr: text.decode(output.stderr),
  };
}

/** `main.ts` as a child process that was started and not waited for. */
export function spawnMain(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  program?: string,
): { process: Deno.ChildProcess; output: ChildOutput } {
  const process = mainCommand(args, env, program).spawn();
  return { process, output: new ChildOutput(process) };
}

export class Server implements AsyncDisposable {
  readonly url: string;
  readonly siteUrl: string;
  #child: { process: Deno.ChildProcess; output: ChildOutput } | null = null;

  private constructor(
    readonly dataDir: string,
    readonly port: number,
    readonly sitePort: number,
    readonly adminKey: string,
    readonly options: ServerOptions,
  ) {
    this.url = `http://127.0.0.1:${port}`;
    this.siteUrl = `http://127.0.0.1:${sitePort}`;
  }

  /** Starts a server and waits until it says that it accepts requests. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const dataDir = options.dataDir ?? await Deno.makeTempDir({ prefix: "concave-data-" });
    for (let tries = 1;; tries++) {
      const port = options.port ?? freePort();
      const sitePort = options.sitePort ?? freePort();
      try {
        const child = await startChild(dataDir, port, sitePort, options);
        const server = new Server(dataDir, port, sitePort, await readAdminKey(dataDir), options);
        server.#child = child;
        return server;
      } catch (error) {
        // A test in another worker may have found the same port free.
        const isTaken = options.port === undefined && PORT_TAKEN.test((error as Error).message);
        if (!isTaken || tries === START_TRIES_MAX) throw error;
      }
    }
  }

  /** The process id of the host process. */
  get pid(): number {
    return this.#running.process.pid;
  }

  /** Everything that the server printed since its last start. */
  get output(): string {
    return this.#running.output.text;
  }

  /** Waits until the server prints something that matches. */
  async waitForOutput(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpMatchArray> {
    return await this.#running.output.waitFor(pattern, timeoutMs);
  }

  /** Resident memory of the host process. */
  async residentBytes(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.pid}/status`);
    return Number(status.match(/^VmRSS:\s+(\d+) kB$/m)![1]) * 1024;
  }

  /** SIGKILL: the process ends without a chance to write anything. */
  async kill(): Promise<void> {
    const child = this.#running;
    this.#child = null;
    child.process.kill("SIGKILL");
    await child.process.status;
    await child.output.closed;
  }

  /** SIGTERM by default; waits for the end and returns the exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const child = this.#running;
    this.#child = null;
    child.process.kill(signal);
    const timer = setTimeout(() => child.process.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const status = await child.process.status;
    clearTimeout(timer);
    await child.output.closed;
    return status.code;
  }

  /** Starts again on the same ports and data directory. */
  async restart(): Promise<void> {
    if (this.#child !== null) await this.stop();
    this.#child = await startChild(this.dataDir, this.port, this.sitePort, this.options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== null) await this.kill();
    if (this.options.removeDataDir ?? this.options.dataDir === undefined) {
      await Deno.remove(this.dataDir, { recursive: true });
    }
  }

  get #running() {
    if (this.#child === null) throw new Error("the server is not running");
    return this.#child;
  }
}

/** The admin key of the deployment in a data directory. */
export async function readAdminKey(dataDir: string): Promise<string> {
  const result = await runMain(["admin-key", "--data-dir", dataDir]);
  if (result.code !== 0) throw new Error(`main.ts admin-key failed: ${result.stderr}`);
  return result.stdout.trim();
}

const PORT_FIRST = 20_000;
const PORT_COUNT = 12_000;

/** Handed out already; nobody may listen there yet. */
const portsGiven = new Set<number>();

/**
 * A TCP port that is free now. It lies below the range that the kernel gives to outgoing
 * connections, so no client of a parallel test can take it before the server listens.
 */
export function freePort(): number {
  for (;;) {
    const port = PORT_FIRST + Math.floor(Math.random() * PORT_COUNT);
    if (portsGiven.has(port)) continue;
    portsGiven.add(port);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

async function startChild(
  dataDir: string,
  port: number,
  sitePort: number,
  options: ServerOptions,
) {
  const args = ["start", "--data-dir", dataDir, "--port", `${port}`, "--site-port", `${sitePort}`];
  if (options.limits !== undefined) {
    const file = `${dataDir}/limits.json`;
    await Deno.writeTextFile(file, JSON.stringify(options.limits));
    args.push("--limits", file);
  }
  const child = spawnMain([...args, ...(options.flags ?? [])], options.env, options.program);
  try {
    await child.output.waitFor(/Concave is ready/, READY_TIMEOUT_MS);
  } catch (error) {
    try {
      child.process.kill("SIGKILL");
    } catch { /* it has ended by itself */ }
    await child.process.status;
    throw error;
  }
  return child;
}

function mainCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  program = "main.ts",
): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fromRepository(program), ...args],
    cwd: REPOSITORY,
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}
