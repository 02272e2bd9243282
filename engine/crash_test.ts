import assert from "node:assert/strict";
import { Engine } from "./engine.ts";

const ROUNDS = 3;
const CHILD = new URL("./testing/crash_child.ts", import.meta.url).pathname;

/** Runs the child until it has acknowledged some commits, kills it, and returns what it said. */
async function runAndKill(path: string, acknowledged: number): Promise<number[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CHILD, path],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    if (text.split("\n").length > acknowledged) child.kill("SIGKILL");
  }
  await child.status;
  // What follows the last line break is cut off.
  return text.split("\n").slice(0, -1).map(Number);
}

Deno.test("what was acknowledged before kill -9 is there, each commit as a whole", async () => {
  const directory = await Deno.makeTempDir({ prefix: "concave-crash-" });
  const path = `${directory}/db.sqlite`;
  const acknowledged: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    acknowledged.push(...await runAndKill(path, 200 + 150 * round));
    // The lock of the killed process is gone, too.
    const engine = await Engine.open({ path, cursorKey: new Uint8Array(32) });
    const rows = engine.read((tx) => {
      const stream = tx.database("").startQuery({
        source: { type: "FullTableScan", tableName: "pairs", order: "asc" },
        operators: [],
      });
      const found: { n: number; half: string }[] = [];
      for (let json = stream.next(); json !== null; json = stream.next()) {
        found.push(JSON.parse(json));
      }
      return found;
    }).value;
    const halves = new Map<number, string>();
    for (const { n, half } of rows) halves.set(n, (halves.get(n) ?? "") + half);
    for (const n of acknowledged) assert.equal(halves.get(n), "ab", `commit ${n} is not there`);
    for (const [n, both] of halves) assert.equal(both, "ab", `commit ${n} is there in part`);
    await engine.close();
  }
  await Deno.remove(directory, { recursive: true });
});
