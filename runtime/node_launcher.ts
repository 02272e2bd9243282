// Starts Node processes for versions of the app, each with directories of its own.

import { join } from "node:path";
import { NodeDirectories, type SourceFile } from "./node_directories.ts";
import { NodePackages, type PackageVersion } from "./node_packages.ts";
import { NodeProcess, type NodeProcessEvents, type NodeSyscallDispatcher } from "./node_process.ts";
import type { RuntimeLimits } from "./limits.ts";
import type { OutboundPolicy } from "./outbound_policy.ts";

export interface NodeLauncherOptions {
  /** For modules, packages and temporary files; absolute. Belongs to the server alone. */
  readonly directory: string;
  readonly limits: RuntimeLimits;
  readonly outbound: OutboundPolicy;
  readonly dispatch: NodeSyscallDispatcher;
}

export interface NodeLaunch {
  readonly sources: readonly SourceFile[];
  readonly packages: readonly PackageVersion[];
  readonly environment: Readonly<Record<string, string>>;
}

export class NodeLauncher {
  readonly #options: NodeLauncherOptions;
  readonly #packages: NodePackages;
  readonly #running: string;
  #lastProcess = 0;

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
    const { directory, ...shared } = this.#options;
    const packages = await this.#packages.directoryOf(app.packages);
    const root = join(this.#running, String(++this.#lastProcess));
    const directories = await NodeDirectories.create(root, app.sources, packages);
    const { environment } = app;
    return new NodeProcess({ ...shared, directories, marker: directory, environment, events });
  }
}
