// `deno task fuzz --seconds N [--seed S]`: random programs against the database and a naive model of it.
// What fails is shrunk, printed and kept in `tests/fuzz/regressions/`.

import { parseArgs } from "node:util";
import { fuzz, randomSeed, runOne } from "./fuzz.ts";
import { keepRegression, readRegressions } from "./regressions.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, seed: { type: "string" } },
});
const seed = values.seed === undefined ? randomSeed() : Number(values.seed);
const seconds = Number(values.seconds);
if (!Number.isInteger(seed) || !(seconds > 0)) {
  console.error("usage: deno task fuzz [--seconds N] [--seed S]");
  Deno.exit(2);
}
console.log(`seed ${seed}`);

let passed = 0;
let failed = 0;
for (const { name, program } of await readRegressions()) {
  try {
    await runOne(program);
    passed++;
  } catch (error) {
    failed++;
    console.log(`${name} fails again: ${error instanceof Error ? error.stack : error}`);
  }
}
const report = await fuzz({
  seed,
  programsMax: Infinity,
  endMs: Date.now() + seconds * 1000,
  shrinks: true,
});
for (const failure of report.failures) {
  const path = await keepRegression(failure);
  console.log(`seed ${failure.seed} fails:`, failure.error);
  console.log(`the program is kept in ${path}`);
}
console.log(`${passed + report.passed} passed, ${failed + report.failures.length} failed`);
Deno.exit(failed + report.failures.length === 0 ? 0 : 1);
