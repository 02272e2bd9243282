// New databases, quickly: made once, then copied.

import { Engine } from "../../engine/engine.ts";
import { SimulatedDisk } from "./simulated_disk.ts";

/** The time at which every program begins. */
export const START_MS = 1_700_000_000_000;

let template: Promise<Uint8Array> | null = null;

/** Writes a database that has nothing in it to the path, and returns the path. */
export async function freshDatabase(path: string): Promise<string> {
  template ??= makeTemplate();
  await Deno.writeFile(path, await template);
  return path;
}

async function makeTemplate(): Promise<Uint8Array> {
  const directory = await Deno.makeTempDir({ prefix: "concave-fuzz-" });
  const path = `${directory}/db.sqlite`;
  const engine = await Engine.open({
    path,
    cursorKey: new Uint8Array(32),
    clock: () => START_MS - 3_600_000,
    disk: new SimulatedDisk(),
  });
  await engine.close();
  const bytes = await Deno.readFile(path);
  await Deno.remove(directory, { recursive: true });
  return bytes;
}

/** A directory for many small databases, in memory where there is such a thing. */
export async function scratchDirectory(): Promise<string> {
  const memory = "/dev/shm";
  const dir = await Deno.stat(memory).then((info) => info.isDirectory ? memory : undefined)
    .catch(() => undefined);
  return await Deno.makeTempDir({ dir, prefix: "concave-fuzz-" });
}
