// `deno task history --seconds N [--seed S]`: concurrent clients, killed isolates and cut connections;
// then the search for an order in which everything could have happened.

import { parseArgs } from "node:util";
import { runHistory } from "./run_history.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, seed: { type: "string" } },
});
const seed = values.seed === undefined
  ? crypto.getRandomValues(new Uint32Array(1))[0]!
  : Number(values.seed);
const seconds = Number(values.seconds);
if (!Number.isInteger(seed) || !(seconds > 0)) {
  console.error("usage: deno task history [--seconds N] [--seed S]");
  Deno.exit(2);
}
console.log(`seed ${seed}`);
const report = await runHistory({ seed, seconds });
for (const failure of report.failures) console.log(failure);
console.log(
  `${report.answered} transactions answered, ${report.unanswered} not, ${report.compared} results ` +
    `of live queries compared, ${report.killedIsolates} isolates killed, ${report.cuts} times ` +
    "connections cut",
);
const passed = report.answered + report.compared;
console.log(`${passed} passed, ${report.failures.length} failed`);
Deno.exit(report.failures.length === 0 ? 0 : 1);
