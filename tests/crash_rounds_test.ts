// The short form of `deno task crash`.
import assert from "node:assert/strict";
import { crashRounds } from "./crash/crash_rounds.ts";
import { serviceRounds } from "./crash/service_rounds.ts";

const RUNS = [
  { name: "during commits, backfills, pushes and checkpoints", run: crashRounds, rounds: 6 },
  { name: "while scheduled functions run and files come and go", run: serviceRounds, rounds: 3 },
];

for (const { name, run, rounds } of RUNS) {
  Deno.test(`${rounds} kills ${name}`, async () => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    console.log(`seed ${seed}`);
    const { passed, failures } = await run(seed, rounds, (line) => console.log(line));
    assert.deepEqual(failures, []);
    assert.equal(passed, rounds);
  });
}
