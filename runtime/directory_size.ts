// How much a directory holds.

import { join } from "node:path";

/** What an entry takes by itself, so that many empty ones are not for free. */
const ENTRY_BYTES = 4096;

/**
 * Bytes of all files below and of the entries themselves; links are not followed. Stops counting when
 * there are more than `bytesMax`; what vanishes meanwhile does not count.
 */
export async function directoryBytes(directory: string, bytesMax: number): Promise<number> {
  let bytes = 0;
  const waiting = [directory];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    try {
      for await (const entry of Deno.readDir(next)) {
        const path = join(next, entry.name);
        bytes += ENTRY_BYTES;
        if (entry.isDirectory) waiting.push(path);
        else if (entry.isFile) bytes += (await Deno.lstat(path)).size;
        if (bytes > bytesMax) return bytes;
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return bytes;
}
