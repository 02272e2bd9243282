import assert from "node:assert/strict";
import { NO_OUTBOUND_POLICY, outboundVariables, parseOutboundPolicy } from "./outbound_policy.ts";

Deno.test("a list of hosts, addresses and networks is taken as it is", () => {
  const entries = [
    "db.internal",
    "localhost:5432",
    "10.1.2.3",
    "10.1.0.0/16",
    "[fd00::1]",
    "[::1]:80",
  ];
  assert.deepEqual(parseOutboundPolicy(entries.join(", ")), { denied: entries, ipv4Only: false });
  assert.deepEqual(parseOutboundPolicy(""), { denied: [], ipv4Only: false });
});

Deno.test("private stands for the networks that are not public", () => {
  const { denied, ipv4Only } = parseOutboundPolicy("private,example.com");
  for (const entry of ["127.0.0.0/8", "169.254.0.0/16", "10.0.0.0/8", "example.com"]) {
    assert.ok(denied.includes(entry), entry);
  }
  assert.equal(ipv4Only, true);
});

for (
  const entry of ["10.0.0.0/33", "300.1.1.1", "::1", "fd00::/8", "a b", "http://x", "[x]", "-a=b/"]
) {
  Deno.test(`${entry} is refused`, () => {
    assert.throws(() => parseOutboundPolicy(entry), /is no host, address or IPv4 network/);
  });
}

Deno.test("a proxy is passed on, unless it would connect to what is denied", () => {
  const values: Record<string, string> = { HTTPS_PROXY: "http://proxy:3128", SECRET: "x" };
  const valueOf = (name: string) => values[name];
  assert.deepEqual(outboundVariables(NO_OUTBOUND_POLICY, valueOf), {
    HTTPS_PROXY: "http://proxy:3128",
  });
  assert.deepEqual(outboundVariables(parseOutboundPolicy("private"), valueOf), {});
});
