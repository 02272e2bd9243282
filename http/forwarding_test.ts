import assert from "node:assert/strict";
import { TrustedProxies } from "../deployment/trusted_proxies.ts";
import { readForwarding } from "./forwarding.ts";

function read(headers: Record<string, string>, peer: string | null, list?: string) {
  return Object.values(readForwarding(new Headers(headers), peer, new TrustedProxies(list)));
}

const HEADERS = {
  "x-forwarded-proto": "https, http",
  "x-forwarded-host": "app.example:8443",
  "x-forwarded-for": "203.0.113.9, 10.0.0.1",
};

Deno.test("only trusted peers speak for others", () => {
  const told = ["https", "app.example:8443", "203.0.113.9"];
  const nothing = [null, null, null];
  for (const peer of ["127.0.0.1", "10.1.2.3", "::1", "::ffff:192.168.0.9"]) {
    assert.deepEqual(read(HEADERS, peer), told, peer);
  }
  for (const peer of ["8.8.8.8", "2001:db8::1", "not an address", null]) {
    assert.deepEqual(read(HEADERS, peer), nothing, String(peer));
  }
  assert.deepEqual(read(HEADERS, "8.8.8.8", "all"), told);
  assert.deepEqual(read(HEADERS, "127.0.0.1", "none"), nothing);
  assert.deepEqual(read(HEADERS, "8.8.8.8", "8.8.0.0/16, 1.2.3.4"), told);
  assert.deepEqual(read(HEADERS, "1.2.3.5", "8.8.0.0/16, 1.2.3.4"), nothing);
});

Deno.test("the standard header is read, and only what can be part of a URL", () => {
  const forwarded = 'for=192.0.2.43;proto=HTTPS;host="a.b", for=198.51.100.17';
  assert.deepEqual(read({ forwarded }, "::1"), ["https", "a.b", "192.0.2.43"]);
  assert.deepEqual(read({ "x-forwarded-proto": "javascript" }, "::1"), [null, null, null]);
  assert.deepEqual(read({ "x-forwarded-host": "a b/c?d" }, "::1"), [null, null, null]);
});

Deno.test("the client is an address, as proxies write them", () => {
  const client = (headers: Record<string, string>) => read(headers, "::1")[2];
  for (const address of ["203.0.113.9", "203.0.113.9:4711", "[2001:db8::1]:4711", "2001:db8::1"]) {
    const plain = address.includes("db8") ? "2001:db8::1" : "203.0.113.9";
    assert.equal(client({ forwarded: `for="${address}"` }), plain);
    assert.equal(client({ "x-forwarded-for": `${address}, 10.0.0.1` }), plain);
  }
  for (const hidden of ["unknown", "_secret", "203.0.113", "[]", "<b>"]) {
    assert.equal(client({ forwarded: `for=${hidden}` }), null);
    assert.equal(client({ "x-forwarded-for": hidden }), null);
  }
});

Deno.test("a list with something else in it is refused", () => {
  for (const list of ["1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/x", "everybody"]) {
    assert.throws(() => new TrustedProxies(list), RangeError, list);
  }
});
