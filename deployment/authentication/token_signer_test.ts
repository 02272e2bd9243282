import assert from "node:assert/strict";
import { createLocalJWKSet, jwtVerify } from "jose";
import { TokenSigner } from "./token_signer.ts";

const NOW_MS = 1_700_000_000_500;

Deno.test("a signer with the same secret, as after a restart, has the same key", async () => {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const request = {
    issuer: "https://a.example/components/x",
    claims: { n: 1 },
    expiresInSeconds: 9,
  };
  const token = await new TokenSigner(secret).sign(request, NOW_MS);
  const verify = async (signer: TokenSigner) =>
    await jwtVerify(token, createLocalJWKSet(await signer.keySet()), {
      currentDate: new Date(NOW_MS),
    });
  const { payload } = await verify(new TokenSigner(secret));
  const iat = 1_700_000_000;
  assert.deepEqual(payload, { n: 1, iss: "https://a.example/components/x", iat, exp: iat + 9 });
  await assert.rejects(verify(new TokenSigner(crypto.getRandomValues(new Uint8Array(32)))));
});

Deno.test("every secret makes a key, the greatest too", async () => {
  const signer = new TokenSigner(new Uint8Array(32).fill(255));
  const { keys } = await signer.keySet();
  assert.equal(keys[0]!.crv, "P-256");
  assert.equal(keys[0]!.d, undefined, "no private part is shown");
});
