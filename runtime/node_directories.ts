// The files of one Node process: the app's modules, its packages, and a directory for what it writes.

import { dirname, join } from "node:path";

export interface SourceFile {
  /** `dir/file.js`, checked at push. */
  readonly path: string;
  readonly source: string;
}

export class NodeDirectories {
  readonly app: string;
  readonly temporary: string;
  /** All that the process may read. */
  readonly readable: readonly string[];
  readonly #root: string;

  private constructor(root: string, packages: string | null) {
    this.#root = root;
    this.app = join(root, "app");
    this.temporary = join(root, "tmp");
    this.readable = [root, ...packages === null ? [] : [packages]];
  }

  /**
   * @param root a directory that does not exist yet
   * @param packages the directory with the app's `node_modules`; null if it has none
   */
  static async create(
    root: string,
    modules: Iterable<SourceFile>,
    packages: string | null,
  ): Promise<NodeDirectories> {
    const directories = new NodeDirectories(root, packages);
    const { app, temporary } = directories;
    await Deno.mkdir(app, { recursive: true, mode: 0o700 });
    await Deno.mkdir(temporary, { mode: 0o700 });
    // Deno takes every file for an ES module, Node only with this.
    await Deno.writeTextFile(join(root, "package.json"), '{"type":"module"}');
    for (const { path, source } of modules) {
      const file = join(app, path);
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.writeTextFile(file, source);
    }
    if (packages !== null) {
      await Deno.symlink(join(packages, "node_modules"), join(app, "node_modules"));
    }
    return directories;
  }

  async remove(): Promise<void> {
    await Deno.remove(this.#root, { recursive: true }).catch(() => {
      // The next start of the server removes what is left.
    });
  }
}
