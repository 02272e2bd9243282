// A program that prints another of this server's programs as one JavaScript module without types, for
// runtimes that read no TypeScript. Arguments: esbuild's WebAssembly, the program.

import { dirname, resolve } from "node:path";
import { startEsbuild } from "./esbuild.ts";

const [wasmPath, entry] = Deno.args as [string, string];
const esbuild = await startEsbuild(wasmPath);
const { outputFiles } = await esbuild.build({
  entryPoints: [entry],
  bundle: true,
  write: false,
  format: "esm",
  platform: "node",
  target: "node20",
  plugins: [{
    name: "files",
    setup(build) {
      build.onResolve({ filter: /^[./]/ }, ({ path, importer }) => ({
        path: resolve(dirname(importer), path),
        namespace: "file",
      }));
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => ({
        contents: await Deno.readTextFile(path),
        loader: "ts",
      }));
    },
  }],
});
await Deno.stdout.write(outputFiles[0]!.contents);
// esbuild keeps its own loop alive.
Deno.exit(0);
