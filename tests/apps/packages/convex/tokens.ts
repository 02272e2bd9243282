// jose: symmetric signatures need no random numbers, so they work in queries; key pairs do.
import { decodeJwt, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { actionGeneric as action, queryGeneric as query } from "convex/server";

const SECRET = new TextEncoder().encode("a secret of at least 32 characters");

export const hmacToken = query({
  args: {},
  handler: async () => {
    const token = await new SignJWT({ role: "admin" }).setProtectedHeader({ alg: "HS256" })
      .setIssuer("concave").setIssuedAt().setExpirationTime("2h").sign(SECRET);
    const { payload } = await jwtVerify(token, SECRET, { issuer: "concave" });
    return { role: payload.role, lifetime: payload.exp! - payload.iat! };
  },
});

export const keyPairToken = action({
  args: {},
  handler: async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const token = await new SignJWT({}).setProtectedHeader({ alg: "ES256" }).setSubject("me")
      .sign(privateKey);
    const { payload } = await jwtVerify(token, publicKey);
    return {
      sub: payload.sub,
      again: decodeJwt(token).sub,
      curve: (await exportJWK(publicKey)).crv,
    };
  },
});
