// The process that `crash_test.ts` kills: commits pairs of documents as fast as it can, and prints the
// number of each commit once it is acknowledged.

import { Engine } from "../engine.ts";

const PIPELINED = 8;

const engine = await Engine.open({ path: Deno.args[0]!, cursorKey: new Uint8Array(32) });
const encoder = new TextEncoder();
// Numbers of earlier rounds are not used again.
let next = engine.committer.latest;

async function commitForEver(): Promise<never> {
  while (true) {
    const n = next++;
    await engine.transact((tx) => {
      const database = tx.database("");
      database.insert("pairs", { n, half: "a" });
      database.insert("pairs", { n, half: "b" });
    });
    Deno.stdout.writeSync(encoder.encode(`${n}\n`));
  }
}

await Promise.all(Array.from({ length: PIPELINED }, commitForEver));
