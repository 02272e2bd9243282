// esbuild in this process, from its WebAssembly. It needs to read that file and nothing else.

import * as esbuild from "esbuild-wasm/lib/browser.js";

const started = ("default" in esbuild ? esbuild.default : esbuild) as typeof esbuild;

export async function startEsbuild(wasmPath: string): Promise<typeof esbuild> {
  await started.initialize({
    wasmModule: await WebAssembly.compile(Deno.readFileSync(wasmPath)),
    worker: false,
  });
  return started;
}
