import assert from "node:assert/strict";
import fc from "fast-check";
import { UploadTokens } from "./upload_tokens.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = 1_700_000_000_000;
const tokens = new UploadTokens(new Uint8Array(32).fill(1));

Deno.test("a token is good for an hour, for its component only", () => {
  for (const component of ["", "some component"]) {
    const token = tokens.issue(component, NOW_MS);
    assert.equal(tokens.verify(token, NOW_MS), component);
    assert.equal(tokens.verify(token, NOW_MS + HOUR_MS), component);
    const expired = { code: "StorageTokenExpired" };
    assert.throws(() => tokens.verify(token, NOW_MS + HOUR_MS + 1), expired);
    assert.throws(() => tokens.verify(token, NOW_MS - HOUR_MS), expired);
  }
});

Deno.test("nothing but what was issued is accepted", () => {
  const token = tokens.issue("", NOW_MS);
  const refused = { code: "StorageTokenInvalid" };
  const others = new UploadTokens(new Uint8Array(32).fill(2));
  assert.throws(() => others.verify(token, NOW_MS), refused);
  fc.assert(fc.property(fc.nat(token.length - 1), fc.base64String(), (position, text) => {
    const changed = token.slice(0, position) + text + token.slice(position + 1);
    if (changed === token) return;
    assert.throws(() => tokens.verify(changed, NOW_MS), refused);
  }));
});
