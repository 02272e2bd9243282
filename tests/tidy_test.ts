// The rules of the house that a compiler does not check: which room may import which, how long a
// file may be, that every file opens with a comment and is used, and that ARCHITECTURE.md is true.
import assert from "node:assert/strict";
import { fromRepository, REPOSITORY } from "./harness/server.ts";

const FILE_LINES_MAX = 600;

/** What each room may import besides itself and npm packages. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  engine: [],
  runtime: ["engine"],
  sync: ["engine", "runtime"],
  deployment: ["engine", "runtime", "sync"],
  http: ["engine", "runtime", "sync", "deployment"],
  "main.ts": ["engine", "runtime", "sync", "deployment", "http"],
  examples: ["tests"],
  tests: ["engine", "runtime", "sync", "deployment", "http", "main.ts", "examples", "bench"],
  bench: ["engine", "tests"],
};

/** Started by name, not by an import. */
const ENTRIES = [
  "main.ts",
  "runtime/isolate/main.ts",
  "bench/main.ts",
  "bench/bare_server.ts",
  "bench/plain_server.ts",
  "bench/load/http_load.ts",
  "bench/load/pipelined_load.ts",
  "bench/load/subscribers.ts",
  "examples/demo.ts",
  "tests/clients/main.ts",
  "tests/versions/main.ts",
  "tests/versions/client.ts",
  "tests/crash/main.ts",
  "tests/fuzz/main.ts",
  "tests/history/broken_server.ts",
  "tests/history/main.ts",
  "tests/hostile/main.ts",
  "examples/screenshot.ts",
];

/** Bundled by the CLI or by `deno bundle`, not imported by the program. */
const APP_DIRECTORIES = /^(examples\/[^/]+|tests\/apps\/[^/]+)\//;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Paths, from the repository's root, of the files that it imports or names by URL. */
  readonly references: readonly string[];
}

const SKIPPED = new Set(["node_modules", "_generated", "data", "docs"]);

/** Static and dynamic imports, and files started by URL (`new URL("./x.ts", import.meta.url)`). */
const REFERENCE =
  /(?:\bfrom\s*|\bimport\s*\(?\s*|new URL\(\s*)"(\.{1,2}\/[^"$]+)"|\bfromRepository\("([\w/.]+\.tsx?)"\)/g;

/** `room/…` and files of the root, in backticks or as the target of a link. */
const PATH_IN_TEXT = new RegExp(
  "[`(]((?:engine|runtime|sync|deployment|http|tests|bench|examples|docs|\\.ci)/[\\w./-]*|" +
    "[\\w-]+\\.(?:ts|md|json))[`)]",
  "g",
);

/** The version of the server, and the configuration of child processes. */
const CONFIGURATION = ["deno.json", "deno.lock"];

const files = await readSources();

Deno.test("rooms import only downwards", () => {
  const wrong: string[] = [];
  for (const file of files) {
    const room = roomOf(file.path);
    for (const target of file.references) {
      const targetRoom = roomOf(target);
      if (targetRoom === room || ROOMS[room]?.includes(targetRoom)) continue;
      if (CONFIGURATION.includes(target)) continue;
      if (/_test\.tsx?$/.test(file.path) && targetRoom === "tests") continue;
      wrong.push(`${file.path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("an isolate never loads the writing half of the engine", () => {
  const reachable = reachableFrom("runtime/isolate/main.ts");
  const wrong = [...reachable].filter((path) => path === "engine/committer.ts");
  assert.deepEqual(wrong, []);
});

Deno.test("every file belongs to a room", () => {
  assert.deepEqual(files.map((f) => f.path).filter((path) => !(roomOf(path) in ROOMS)), []);
});

Deno.test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
  const long = files
    .map((file) => ({ path: file.path, lines: file.text.split("\n").length }))
    .filter((file) => file.lines > FILE_LINES_MAX);
  assert.deepEqual(long, []);
});

Deno.test("every file opens with a comment that says what it is", () => {
  const bare = files
    .filter((file) => !/_test\.tsx?$/.test(file.path) && !/^(\/\/ |\/\*\*)/.test(file.text))
    .map((file) => file.path);
  assert.deepEqual(bare, []);
});

Deno.test("nothing is left to do", () => {
  const marker = new RegExp(
    ["TO" + "DO", "FIX" + "ME", "X" + "XX"].map((m) => `\\b${m}\\b`).join("|"),
  );
  const left = files.flatMap((file) =>
    file.text.split("\n").flatMap((line, i) => marker.test(line) ? [`${file.path}:${i + 1}`] : [])
  );
  assert.deepEqual(left, []);
});

Deno.test("every file is imported or is an entry", () => {
  const referenced = new Set(files.flatMap((file) => file.references));
  const dead = files.map((file) => file.path).filter((path) =>
    !referenced.has(path) && !ENTRIES.includes(path) && !/_test\.tsx?$/.test(path) &&
    !APP_DIRECTORIES.test(path)
  );
  assert.deepEqual(dead, []);
});

Deno.test("relative imports name the file with its extension", () => {
  const wrong = files.filter((file) => !APP_DIRECTORIES.test(file.path)).flatMap((file) =>
    file.references.filter((path) =>
      !/\.(ts|tsx|js|json|css|html)$/.test(path) && !CONFIGURATION.includes(path)
    ).map((path) => `${file.path} imports ${path}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("the paths that ARCHITECTURE.md and README.md name exist", async () => {
  const missing: string[] = [];
  for (const document of ["ARCHITECTURE.md", "README.md"]) {
    const text = await Deno.readTextFile(fromRepository(document));
    for (const [, path] of text.matchAll(PATH_IN_TEXT)) {
      if (!await exists(fromRepository(path!))) missing.push(`${document}: ${path}`);
    }
  }
  assert.deepEqual(missing, []);
});

function roomOf(path: string): string {
  return path.split("/")[0]!;
}

function reachableFrom(entry: string): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const queue = [entry];
  while (queue.length > 0) {
    const path = queue.pop()!;
    if (reached.has(path)) continue;
    reached.add(path);
    queue.push(...(byPath.get(path)?.references ?? []));
  }
  return reached;
}

async function* walk(directory: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(directory)) {
    if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue;
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* walk(path);
    else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}

async function readSources(): Promise<SourceFile[]> {
  const sources: SourceFile[] = [];
  const root = REPOSITORY.replace(/\/$/, "");
  for await (const file of walk(root)) {
    const text = await Deno.readTextFile(file);
    const path = file.slice(root.length + 1);
    const references = [...text.matchAll(REFERENCE)].map(([, relative, absolute]) =>
      absolute ?? new URL(relative!, `file:///${path}`).pathname.slice(1)
    );
    sources.push({ path, text, references });
  }
  return sources;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
