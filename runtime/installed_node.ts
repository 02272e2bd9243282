// An installed `node` that runs Node actions instead of Deno (`--node`): which one it is, what its
// permission model is called, and the program that it runs, made from the same sources as Deno's.

import { createRequire } from "node:module";
import { OWN_PACKAGES } from "./isolate_process.ts";
import type { NodeSandbox } from "./node_command.ts";

const ESBUILD_WASM = createRequire(import.meta.url).resolve("esbuild-wasm/esbuild.wasm");
const BUNDLER = new URL("./preparation/bundle_program.ts", import.meta.url).pathname;
const NODE_PROGRAM = new URL("./node/main.ts", import.meta.url).pathname;
const SOURCES = new URL(".", import.meta.url).pathname;

const OLDEST_MAJOR = 20;
/** Prints what {@link findInstalledNode} wants to know; other runtimes say that they are Node, too. */
const PROBE =
  "JSON.stringify([process.release.name, process.versions.node, process.execPath, 'Bun' in globalThis || 'Deno' in globalThis])";

export interface InstalledNode {
  readonly executable: string;
  readonly major: number;
  readonly minor: number;
}

/**
 * @param path of the executable, or its name in `PATH`
 * @throws Error when it is no Node, or one that is too old
 */
export async function findInstalledNode(path: string): Promise<InstalledNode> {
  const [, version, executable] = probeAnswer(await probe(path)) ?? [];
  if (version === undefined || executable === undefined) throw new Error(`${path} is not Node.js`);
  const [major, minor] = version.split(".").map(Number) as [number, number];
  if (major >= OLDEST_MAJOR) return { executable, major, minor };
  throw new Error(`${path} is Node.js ${version}; ${OLDEST_MAJOR} or newer is needed`);
}

async function probe(path: string): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(path, { args: ["-p", PROBE], stdin: "null" })
      .output();
    return new TextDecoder().decode(stdout);
  } catch {
    throw new Error(`${path} cannot be run`);
  }
}

/** Null: it was not Node that answered. */
function probeAnswer(text: string): [name: string, version: string, executable: string] | null {
  try {
    const [name, version, executable, isAnother] = JSON.parse(text);
    return name === "node" && isAnother === false ? [name, version, executable] : null;
  } catch {
    return null;
  }
}

/**
 * What Node's permission model lets the process do. It knows files, child processes, worker threads
 * and add-ons; connections only since version 25, and all or none.
 */
export function installedNodeArguments(
  { major, minor }: InstalledNode,
  { readable, writable, heapMebibytes, nativeAddons }: NodeSandbox,
): string[] {
  const isStable = major > 23 || major === 23 && minor >= 5 || major === 22 && minor >= 13;
  const knowsAddons = major > 21 || major === 21 && minor >= 6 || major === 20 && minor >= 12;
  return [
    isStable ? "--permission" : "--experimental-permission",
    ...readable.map((path) => `--allow-fs-read=${path}`),
    ...writable.map((path) => `--allow-fs-write=${path}`),
    ...(nativeAddons && knowsAddons ? ["--allow-addons"] : []),
    ...(major >= 25 ? ["--allow-net"] : []),
    // Its SQLite opens files without asking the permission model; where it is stable it can be turned off.
    ...(isStable ? ["--no-experimental-sqlite"] : []),
    "--no-warnings",
    `--max-old-space-size=${heapMebibytes}`,
  ];
}

/**
 * Writes the program that runs actions as one JavaScript file.
 * @throws Error when esbuild fails
 */
export async function writeInstalledNodeProgram(file: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", ...OWN_PACKAGES],
      `--allow-read=${ESBUILD_WASM},${SOURCES}`,
      ...[BUNDLER, ESBUILD_WASM, NODE_PROGRAM],
    ],
    stdin: "null",
  }).output();
  if (!success) throw new Error(`the program for Node: ${new TextDecoder().decode(stderr)}`);
  await Deno.writeFile(file, stdout);
}
