// Starts Node processes for versions of the app, each with directories of its own.

import { join } from "node:path";
import { type InstalledNode, writeInstalledNodeProgram } from "./installed_node.ts";
import { nodeCommand } from "./node_command.ts";
import { NodeDirectories, type SourceFile } from "./node_directories.ts";
import { NodePackages, type PackageVersion } from "./node_packages.ts";
import { NodeProcess, type NodeProcessEvents, type NodeSyscallDispatcher } from "./node_process.ts";
import type { LimitUsage } from "./limit_usage.ts";
import type { RuntimeLimits } from "./limits.ts";
import type { OutboundPolicy } from "./outbound_policy.ts";

export interface NodeLauncherOptions {
  /** For modules, packages and temporary files; absolute. Belongs to the server alone. */
  readonly directory: string;
  readonly limits: RuntimeLimits;
  /** Hears of the highest uses. */
  readonly usage: LimitUsage;
  readonly outbound: OutboundPolicy;
  /** Runs the processes; null: Deno does. */
  readonly installedNode: InstalledNode | null;
  /** Whether packages may load native add-ons. */
  readonly nativeAddons: boolean;
  readonly dispatch: NodeSyscallDispatcher;
}

export interface NodeLaunch {
  readonly sources: readonly SourceFile[];
  readonly packages: readonly PackageVersion[];
  readonly environment: Readonly<Record<string, string>>;
}

const DENO_PROGRAM = new URL("./node/main.ts", import.meta.url).pathname;

/**
 * The argument by which the processes of one server are known.
 * @param directory of the launcher
 */
export function nodeProcessMark(directory: string): string {
  return `concave-node:${directory}`;
}

export class NodeLauncher {
  readonly #options: NodeLauncherOptions;
  readonly #packages: NodePackages;
  readonly #running: string;
  #lastProcess = 0;
  #program: Promise<string> | null = null;

  private constructor(options: NodeLauncherOptions) {
    this.#options = options;
    this.#packages = new NodePackages(join(options.directory, "packages"));
    this.#running = join(options.directory, "running");
  }

  /** What an earlier server left behind is removed; its processes must have ended. */
  static async open(options: NodeLauncherOptions): Promise<NodeLauncher> {
    const launcher = new NodeLauncher(options);
    await Deno.remove(launcher.#running, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    return launcher;
  }

  /** @throws PlatformError `InvalidExternalModules` */
  async launch(app: NodeLaunch, events: NodeProcessEvents): Promise<NodeProcess> {
    const { directory, limits, outbound, installedNode, nativeAddons } = this.#options;
    const { usage, dispatch } = this.#options;
    const packages = await this.#packages.directoryOf(app.packages);
    const root = join(this.#running, String(++this.#lastProcess));
    const directories = await NodeDirectories.create(root, app.sources, packages);
    const program = await this.#programFile();
    const command = nodeCommand(installedNode, {
      program,
      marker: nodeProcessMark(directory),
      workingDirectory: directories.temporary,
      readable: installedNode === null ? directories.readable : [...directories.readable, program],
      writable: [directories.temporary],
      nativeAddons: nativeAddons ? packages : null,
      heapMebibytes: limits.nodeHeapMebibytes,
      outbound,
    });
    const { environment } = app;
    return new NodeProcess({
      directories,
      command,
      nativeAddons,
      environment,
      limits,
      usage,
      dispatch,
      events,
    });
  }

  /** An installed Node reads no TypeScript: it gets the program as one file, made when first needed. */
  #programFile(): Promise<string> {
    if (this.#options.installedNode === null) return Promise.resolve(DENO_PROGRAM);
    return this.#program ??= this.#writeProgram().catch((error) => {
      this.#program = null;
      throw error;
    });
  }

  async #writeProgram(): Promise<string> {
    const file = join(this.#running, "program.mjs");
    await Deno.mkdir(this.#running, { recursive: true });
    await writeInstalledNodeProgram(file);
    return file;
  }
}
