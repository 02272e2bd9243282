// `deno task crash [--services] --rounds N [--seed S]`: kills the server at random points, and looks at
// what is left: of commits, backfills, pushes and checkpoints, or of scheduled functions and files.

import { parseArgs } from "node:util";
import { crashRounds } from "./crash_rounds.ts";
import { serviceRounds } from "./service_rounds.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100" },
    seed: { type: "string" },
    services: { type: "boolean", default: false },
  },
});
const seed = values.seed === undefined
  ? crypto.getRandomValues(new Uint32Array(1))[0]!
  : Number(values.seed);
const rounds = Number(values.rounds);
if (!Number.isInteger(seed) || !Number.isInteger(rounds) || rounds < 1) {
  console.error("usage: deno task crash [--services] [--rounds N] [--seed S]");
  Deno.exit(2);
}
console.log(`seed ${seed}`);
const run = values.services ? serviceRounds : crashRounds;
const { passed, failures } = await run(seed, rounds, (line) => console.log(line));
for (const failure of failures) console.log(failure);
console.log(`${passed} passed, ${failures.length} failed`);
Deno.exit(failures.length === 0 ? 0 : 1);
