import assert from "node:assert/strict";
import { errorOf, LIBRARY, Stand, valueOf } from "./testing/stand.ts";

const CODE = `${LIBRARY}
const work = (n) => { let sum = 0; for (let i = 0; i < n; i++) sum += Math.sqrt(i); return sum > 0; };
exports.some = query(() => work(3e7));
exports.much = query(() => { for (let i = 0; i < 400; i++) work(1e7); });
`;

Deno.test("time in which the process stands still is not the function's", async () => {
  const functions = { some: { udfType: "Query" }, much: { udfType: "Query" } } as const;
  const stand = await Stand.open({ "m.js": { code: CODE, functions } });
  try {
    const isolate = await stand.isolate("transactions", { userTimeMs: 1000 });
    const running = isolate.run("query", "m:some");
    // Early in its work, or before: the machine then has no processor for it.
    await new Promise((resolve) => setTimeout(resolve, 10));
    Deno.kill(isolate.pid, "SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    Deno.kill(isolate.pid, "SIGCONT");
    const result = await running;
    assert.equal(valueOf(result), true);
    assert.deepEqual(result.logLines, []);
    assert.ok(result.stats.executionMs < 1500, `${result.stats.executionMs} ms`);
    assert.equal(
      errorOf(await isolate.run("query", "m:much")),
      "Function execution timed out (maximum duration: 1s)\n",
    );
  } finally {
    await stand.close();
  }
});
