import assert from "node:assert/strict";
import { AdminKeys } from "./admin_key.ts";
import { InstanceSecret } from "./instance_secret.ts";

const secret = new InstanceSecret(new Uint8Array(32).fill(7));
const keys = new AdminKeys(secret, "my-instance");

Deno.test("an issued key is accepted, also with a deployment type before it", () => {
  const key = keys.issue();
  assert.match(key, /^my-instance\|01[0-9a-f]{64}$/);
  assert.ok(keys.accepts(key));
  assert.ok(keys.accepts(`prod:${key}`));
  assert.ok(keys.accepts(`dev:${key}`));
  assert.ok(keys.accepts(`preview:team:project|${key}`));
});

Deno.test("keys of another instance, another secret or no key at all are refused", () => {
  const otherName = new AdminKeys(secret, "other").issue();
  const otherSecret = new AdminKeys(new InstanceSecret(new Uint8Array(32)), "my-instance").issue();
  const truncated = keys.issue().slice(0, -1);
  const renamed = `other|${keys.issue().split("|")[1]}`;
  for (const key of [otherName, otherSecret, truncated, renamed, "", "|", "my-instance|", "é|é"]) {
    assert.equal(keys.accepts(key), false, key);
  }
});

Deno.test("derived keys differ by purpose", () => {
  assert.notDeepEqual(secret.derive("admin key"), secret.derive("cursor"));
});
