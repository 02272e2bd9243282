// The program that turns ES modules into CommonJS texts, in a process of its own: esbuild's memory
// is gone when it ends. It may read esbuild's files and nothing else. Frames as in `frames.ts`:
// requests on stdin, one answer each on stdout; ends when stdin does.

import { Buffer } from "node:buffer";
import type { TransformFailure } from "esbuild-wasm/lib/browser.js";
import { instrumentModule } from "../instrumentation/instrument.ts";
import { FrameDecoder, FrameEncoder } from "../frames.ts";
import { startEsbuild } from "./esbuild.ts";
import type { PreparationAnswer, PreparationRequest } from "./protocol.ts";

async function prepare(request: PreparationRequest): Promise<PreparationAnswer> {
  const { id, path, source } = request;
  try {
    const instrumented = instrumentModule(source);
    const { code, map } = await transform(withMap(instrumented.code, instrumented.map), {
      format: "cjs",
      target: "esnext",
      loader: "js",
      sourcemap: "external",
      sourcesContent: false,
      sourcefile: path,
      logLevel: "silent",
    });
    return { id, ok: true, code, codeMap: map, reuseObstacle: instrumented.obstacle };
  } catch (error) {
    const [first] = (error as TransformFailure).errors ?? [];
    if (first === undefined) throw error;
    const { location, text } = first;
    return { id, ok: false, text, line: location?.line ?? 1, column: location?.column ?? 0 };
  }
}

/** esbuild composes its own map with one that the source carries. */
function withMap(source: string, map: string): string {
  const base64 = Buffer.from(map).toString("base64");
  return `${source}\n//# sourceMappingURL=data:application/json;base64,${base64}`;
}

async function send(answer: PreparationAnswer): Promise<void> {
  const encoder = new FrameEncoder();
  encoder.add(answer);
  const bytes = encoder.take();
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

const { transform } = await startEsbuild(Deno.args[0]!);
const decoder = new FrameDecoder<PreparationRequest>();
for await (const chunk of Deno.stdin.readable) {
  for (const request of decoder.push(chunk)) await send(await prepare(request));
}
// esbuild keeps its own loop alive.
Deno.exit(0);
