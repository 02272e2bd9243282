// The bounded run of the fuzzer (`deno task fuzz` goes on for longer), what it found before, and the
// proof that it would find faults.
import assert from "node:assert/strict";
import { CANARIES } from "./fuzz/canaries.ts";
import { fuzz, runOne } from "./fuzz/fuzz.ts";
import { readRegressions } from "./fuzz/regressions.ts";

const PROGRAMS = 2000;
const SECONDS_MAX = 30;
/** The same programs each time: a change that fails here is at fault. `deno task fuzz` tries others. */
const SEED = 20_261_122;
/** Each fault shows in a fraction of so many. */
const CANARY_PROGRAMS = 1000;
const CANARY_SEED = 1;

for (const { name, failure, program } of await readRegressions()) {
  Deno.test(`${name} does not happen again (${failure.split("\n")[0]!.slice(0, 100)})`, async () => {
    await runOne(program);
  });
}

Deno.test("random programs do what the model does", async () => {
  const endMs = Date.now() + SECONDS_MAX * 1000;
  const { passed, failures } = await fuzz({
    seed: SEED,
    programsMax: PROGRAMS,
    endMs,
    shrinks: true,
  });
  console.log(`${passed} programs passed`);
  for (const failure of failures) {
    assert.fail(`seed ${failure.seed}, ${JSON.stringify(failure.program)}:\n${failure.error}`);
  }
});

for (const { name, put, compare } of CANARIES) {
  Deno.test(`the fuzzer notices that ${name}`, async () => {
    const takeOut = put();
    // What the fault breaks inside the engine is reported there, too.
    const { error } = console;
    console.error = () => {};
    try {
      const { failures, passed } = await fuzz({
        seed: CANARY_SEED,
        programsMax: CANARY_PROGRAMS,
        endMs: Infinity,
        shrinks: false,
        compare,
      });
      assert.equal(failures.length, 1, `${passed} programs noticed nothing`);
      assert.equal((failures[0]!.error as Error).name, "Mismatch");
    } finally {
      console.error = error;
      takeOut();
    }
  });
}
