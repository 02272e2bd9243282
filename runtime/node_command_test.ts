import assert from "node:assert/strict";
import { nodeCommand } from "./node_command.ts";
import type { OutboundPolicy } from "./outbound_policy.ts";

/** Where a Node process under the policy gets: by fetch, net, http, Deno's own socket, and UDP. */
async function reached(
  outbound: OutboundPolicy,
  port: number,
  hosts: readonly string[],
): Promise<Record<string, string[]>> {
  const program = new URL("./testdata/connections.ts", import.meta.url).pathname;
  const { executable, args, env } = nodeCommand(null, {
    program,
    marker: "connections",
    workingDirectory: "/",
    readable: [program],
    writable: ["/dev/null"],
    nativeAddons: null,
    heapMebibytes: 128,
    outbound,
  });
  const { code, stdout, stderr } = await new Deno.Command(executable, {
    args: [...args],
    env: { ...env, TARGETS: JSON.stringify({ port, hosts }) },
    clearEnv: true,
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A server at all addresses of the machine, whether it has IPv6 or not. */
function listen(handler: (request: Request) => Response): Deno.HttpServer<Deno.NetAddr> {
  const options = { port: 0, onListen: () => {} };
  try {
    return Deno.serve({ ...options, hostname: "::" }, handler);
  } catch {
    return Deno.serve({ ...options, hostname: "0.0.0.0" }, handler);
  }
}

Deno.test("a Node process that is kept from private addresses reaches the others, over IPv4 only", async () => {
  const asked: string[] = [];
  await using server = listen((request) => {
    asked.push(new URL(request.url).hostname);
    return new Response("here");
  });
  const { port } = server.addr;
  // As `private`, but with public addresses on this machine.
  const policy = { denied: ["127.0.0.2", "10.0.0.0/8"], ipv4Only: true };
  const denied = ["127.0.0.2", "::1", "::ffff:127.0.0.2", "2130706434", "10.1.2.3", "fd00::1"];
  const outcomes = await reached(policy, port, ["127.0.0.1", "localhost", ...denied]);
  for (const open of ["127.0.0.1", "localhost"]) {
    assert.deepEqual(outcomes[open], Array(5).fill("reached"), open);
  }
  for (const host of denied) {
    assert.ok(!outcomes[host]!.includes("reached"), `${host}: ${outcomes[host]}`);
  }
  assert.deepEqual([...new Set(asked)].sort(), ["127.0.0.1", "localhost"]);
});
