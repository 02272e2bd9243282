// `deno task hostile [FILTER]`: all attempts of pushed code to break out, to take the server down or to see
// what belongs to others. With a filter only those whose name contains it.

import { HostileStand, placesFor } from "./run_attempts.ts";

const [filter = ""] = Deno.args;
let passed = 0;
let failed = 0;
{
  await using stand = await HostileStand.open();
  const names = (await stand.names()).filter((name) => name.includes(filter));
  const count = names.reduce((sum, name) => sum + placesFor(name).length, 0);
  console.log(`${names.length} attacks, ${count} attempts`);
  for (const name of names) {
    const problems: string[] = [];
    for (const place of placesFor(name)) {
      const { problem } = await stand.attempt(name, place);
      if (problem === null) passed++;
      else {
        failed++;
        problems.push(`  ${place}: ${problem}`);
      }
    }
    console.log([`${problems.length === 0 ? "ok" : "FAILED"} ${name}`, ...problems].join("\n"));
  }
}
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
