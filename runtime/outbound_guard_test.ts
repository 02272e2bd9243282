import assert from "node:assert/strict";
import { OutboundGuard } from "./outbound_guard.ts";
import { parseOutboundPolicy } from "./outbound_policy.ts";

function check(list: string, denied: string[], allowed: string[]): void {
  const guard = new OutboundGuard(parseOutboundPolicy(list));
  for (const host of denied) assert.equal(guard.denies(host, 80), true, `${list} denies ${host}`);
  for (const host of allowed) assert.equal(guard.denies(host, 80), false, `${list} allows ${host}`);
}

Deno.test("private denies all spellings of addresses that are not public", () => {
  check(
    "private",
    [
      ...[
        "127.0.0.1",
        "127.255.255.255",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
      ],
      ...["169.254.169.254", "0.0.0.0", "100.64.0.1", "255.255.255.255", "224.0.0.1"],
      ...["::1", "[::1]", "fc00::1", "fe80::1%eth0", "::ffff:127.0.0.1", "[::ffff:7f00:1]"],
      "2606:4700::1111",
    ],
    ["1.1.1.1", "172.32.0.1", "172.15.255.255", "11.0.0.0", "192.169.0.1", "example.com"],
  );
});

Deno.test("names, addresses, networks and ports are denied as they are listed", () => {
  check(
    "db.internal,10.1.0.0/16,127.0.0.2,[fd00::1],example.com:80,9.9.9.9:81",
    [
      ...["db.internal", "DB.internal.", "10.1.255.1", "127.0.0.2", "[::ffff:127.0.0.2]"],
      ...["[FD00:0::1]", "example.com"],
    ],
    ["internal", "10.2.0.1", "127.0.0.1", "fd00::2", "::1", "9.9.9.9", "www.example.com"],
  );
  check("0.0.0.0/0", ["1.2.3.4", "255.0.0.1"], ["::2"]);
  assert.equal(new OutboundGuard(parseOutboundPolicy("")).isActive, false);
  assert.equal(new OutboundGuard(parseOutboundPolicy("a.b")).isActive, true);
});
