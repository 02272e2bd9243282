// `deno task crash --rounds N [--seed S]`: kills the server at random points, and looks at what is left.

import { parseArgs } from "node:util";
import { crashRounds } from "./crash_rounds.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "100" }, seed: { type: "string" } },
});
const seed = values.seed === undefined
  ? crypto.getRandomValues(new Uint32Array(1))[0]!
  : Number(values.seed);
const rounds = Number(values.rounds);
if (!Number.isInteger(seed) || !Number.isInteger(rounds) || rounds < 1) {
  console.error("usage: deno task crash [--rounds N] [--seed S]");
  Deno.exit(2);
}
console.log(`seed ${seed}`);
const { passed, failures } = await crashRounds(seed, rounds, (line) => console.log(line));
for (const failure of failures) console.log(failure);
console.log(`${passed} passed, ${failures.length} failed`);
Deno.exit(failures.length === 0 ? 0 : 1);
