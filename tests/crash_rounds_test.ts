// The short form of `deno task crash`.
import assert from "node:assert/strict";
import { crashRounds } from "./crash/crash_rounds.ts";

const ROUNDS = 10;

Deno.test(`${ROUNDS} kills during commits, backfills, pushes and checkpoints`, async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  console.log(`seed ${seed}`);
  const { passed, failures } = await crashRounds(seed, ROUNDS, (line) => console.log(line));
  assert.deepEqual(failures, []);
  assert.equal(passed, ROUNDS);
});
