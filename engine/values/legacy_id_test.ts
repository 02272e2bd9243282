import assert from "node:assert/strict";
import { decodeLegacyId } from "./legacy_id.ts";

function hex(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : bytes.toHex();
}

Deno.test("the base64 form is the internal id", () => {
  assert.equal(hex(decodeLegacyId("AAECAwQFBgcICQoLDA0ODw")), "000102030405060708090a0b0c0d0e0f");
  assert.equal(hex(decodeLegacyId("__79_Pv6-fj39vX08_Lx8A")), "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0");
});

Deno.test("the base62 form holds a hash of most of its bytes", () => {
  // 17 zero bytes: sha256 of 15 of them, then the last two.
  assert.equal(hex(decodeLegacyId("0".repeat(23))), "5322fecfc92a5e3248a297a3df3e0000");
  const one = hex(decodeLegacyId("0".repeat(22) + "1"))!;
  assert.equal(one.slice(-4), "0001");
});

Deno.test("other texts are no ids", () => {
  for (
    const text of [
      "",
      "nonsense",
      "AAECAwQFBgcICQoLDA0OD", // 15 bytes and a half
      "AAECAwQFBgcICQoLDA0ODx", // unused bits are set
      "AAECAwQFBgcICQoLDA0O+w", // not the alphabet of URLs
      "AAECAwQFBgcICQoLDA0OéQ",
      "z".repeat(23), // more than 17 bytes
      "0".repeat(24),
      "0".repeat(22) + "-",
    ]
  ) assert.equal(decodeLegacyId(text), null, text);
});
