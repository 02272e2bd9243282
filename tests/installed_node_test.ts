// `"use node"` actions under an installed Node: the same tests as under Deno, and what its permission
// model does not keep from them.
import assert from "node:assert/strict";
import { runMain } from "./harness/server.ts";
import { testNodeActions } from "./node/actions_suite.ts";
import { testNodeAttacks } from "./node/hostile_suite.ts";

const FLAGS = ["--node", "node"];

testNodeActions(FLAGS);
// It knows neither sockets nor who runs the process.
testNodeAttacks(FLAGS, ["udpServer", "user"]);

Deno.test("what is no Node, and what cannot be kept under one, stops the start", async () => {
  const startWith = async (...flags: string[]) => {
    const { code, stderr } = await runMain(["start", "--port", "0", "--site-port", "0", ...flags]);
    assert.equal(code, 2);
    return stderr.trim();
  };
  assert.match(await startWith("--node", "/bin/cat"), /--node: \/bin\/cat is not Node\.js$/);
  assert.match(await startWith("--node", Deno.execPath()), /--node: .*deno is not Node\.js$/);
  assert.match(
    await startWith("--node", "/no/such/node"),
    /--node: \/no\/such\/node cannot be run$/,
  );
  assert.match(
    await startWith("--node", "node", "--deny-net", "private"),
    /--deny-net does not go with --node, which cannot keep connections back$/,
  );
});
