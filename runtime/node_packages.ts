// Packages that an app's Node actions import but that its bundle does not contain: installed from the
// npm registry at push, once for each set, by a Deno process of their own. Their install scripts do
// not run.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { type PlatformError, userError } from "../engine/errors.ts";
import { directoryBytes } from "./directory_size.ts";

export interface PackageVersion {
  readonly name: string;
  /** Exact. */
  readonly version: string;
}

/** Of one set, unpacked (spec function-runtime 9). */
const SET_BYTES_MAX = 240_000_000;
/** Sets that are kept for pushes to come. */
const SETS_MAX = 8;
const PACKAGES_MAX = 1_000;
const INSTALL_MS_MAX = 300_000;
/** Characters of the installer's words that the developer is shown. */
const DETAIL_CHARACTERS_MAX = 2_000;
const NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/i;
const VERSION = /^\d+\.\d+\.\d+(?:-[0-9a-z.-]+)?(?:\+[0-9a-z.-]+)?$/i;

export class NodePackages {
  readonly #directory: string;
  readonly #installing = new Map<string, Promise<string>>();
  #lastAttempt = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * The directory whose `node_modules` holds the packages and what they need; null for no packages.
   * @throws PlatformError `InvalidExternalModules`
   */
  async directoryOf(packages: readonly PackageVersion[]): Promise<string | null> {
    if (packages.length === 0) return null;
    checkPackages(packages);
    const key = keyOf(packages);
    let installation = this.#installing.get(key);
    if (installation === undefined) {
      installation = this.#install(key, packages)
        .finally(() => this.#installing.delete(key));
      this.#installing.set(key, installation);
    }
    return await installation;
  }

  async #install(key: string, packages: readonly PackageVersion[]): Promise<string> {
    const directory = join(this.#directory, key);
    if (await exists(directory)) {
      await Deno.utime(directory, new Date(), new Date());
      return directory;
    }
    const partial = `${directory}.${Deno.pid}-${++this.#lastAttempt}`;
    await Deno.mkdir(partial, { recursive: true });
    try {
      const dependencies = Object.fromEntries(
        packages.map(({ name, version }) => [name, version]),
      );
      const manifest = JSON.stringify({ private: true, dependencies });
      await Deno.writeTextFile(join(partial, "package.json"), manifest);
      await runInstaller(partial);
      if (await directoryBytes(partial, SET_BYTES_MAX) > SET_BYTES_MAX) {
        throw installError(
          `The external packages take more than ${SET_BYTES_MAX} bytes (maximum size unzipped).`,
        );
      }
      await Deno.rename(partial, directory);
    } catch (error) {
      await Deno.remove(partial, { recursive: true });
      throw error;
    }
    await this.#removeOldSets();
    return directory;
  }

  async #removeOldSets(): Promise<void> {
    const sets: { path: string; usedMs: number }[] = [];
    for await (const { name } of Deno.readDir(this.#directory)) {
      const path = join(this.#directory, name);
      sets.push({ path, usedMs: (await Deno.stat(path)).mtime?.getTime() ?? 0 });
    }
    sets.sort((a, b) => b.usedMs - a.usedMs);
    for (const { path } of sets.slice(SETS_MAX)) await Deno.remove(path, { recursive: true });
  }
}

/** Names what is installed, for its directory and to tell versions of an app apart. */
function keyOf(packages: readonly PackageVersion[]): string {
  const specifiers = packages.map(({ name, version }) => `${name}@${version}`).sort();
  return createHash("sha256").update(specifiers.join("\n")).digest("hex");
}

/** A version that is no exact one could name a file of the host. */
function checkPackages(packages: readonly PackageVersion[]): void {
  if (packages.length > PACKAGES_MAX) {
    throw installError(`Too many external packages (maximum ${PACKAGES_MAX}).`);
  }
  for (const { name, version } of packages) {
    if (!NAME.test(name)) throw installError(`Invalid package name: ${name}`);
    if (!VERSION.test(version)) throw installError(`Invalid version of ${name}: ${version}`);
  }
}

async function runInstaller(directory: string): Promise<void> {
  const signal = AbortSignal.timeout(INSTALL_MS_MAX);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet", "--node-modules-dir=auto"],
    cwd: directory,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", RUST_BACKTRACE: "0" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal,
  }).output();
  if (success) return;
  const detail = signal.aborted
    ? "Installing the external packages took too long."
    : new TextDecoder().decode(stderr).trim().slice(0, DETAIL_CHARACTERS_MAX);
  throw installError(detail);
}

function installError(detail: string): PlatformError {
  return userError(
    "InvalidExternalModules",
    `Loading the pushed modules encountered the following error:\n${detail}`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
