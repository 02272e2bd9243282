// The short form of `deno task history`, and the proof that it would find a broken committer.
import assert from "node:assert/strict";
import { runHistory } from "./history/run_history.ts";

const SECONDS = 12;

Deno.test("clients see one order of transactions, whatever is killed and cut", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  console.log(`seed ${seed}`);
  const report = await runHistory({ seed, seconds: SECONDS });
  assert.deepEqual(report.failures, []);
  assert.ok(report.answered > 100, `${report.answered} transactions`);
  assert.ok(report.compared > 10, `${report.compared} results compared`);
});

Deno.test("the history of a committer that does not validate is refused", async () => {
  const report = await runHistory({
    seed: 1,
    seconds: SECONDS,
    program: "tests/history/broken_server.ts",
  });
  assert.match(report.failures.join("\n"), /both replaced|others as|cannot be put in an order/);
});
