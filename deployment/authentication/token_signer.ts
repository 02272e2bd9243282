// Tokens that mutations sign in the name of the deployment (`ctx.auth.signJwt`, spec function-runtime
// 1.4). The key is derived from the instance secret and stays in this process; anyone can check the
// tokens with the public key, which the API serves.

import { Buffer } from "node:buffer";
import { createECDH, createPrivateKey, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, type JWK, type JWTPayload, SignJWT } from "jose";
import { componentPath } from "../../engine/components.ts";
import { userError } from "../../engine/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { ComponentId } from "../../engine/types.ts";
import { isJsonObject, type Json, type JsonObject } from "../../engine/values/value.ts";
import { SIGN_JWT } from "../../runtime/frames.ts";
import type { TransactionSyscalls } from "../../runtime/transaction_syscalls.ts";

/** Path of the public keys on the API port, as the npm package documents it. */
export const KEY_SET_PATH = "/.well-known/jwks.json";

const ALGORITHM = "ES256";
const CURVE = "prime256v1";
const COORDINATE_BYTES = 32;
const LIFETIME_SECONDS_MAX = 3600;
/** Tokens travel in headers. */
const CLAIMS_BYTES_MAX = 16 * 1024;
const RESERVED_CLAIMS: ReadonlySet<string> = new Set(["iss", "iat", "exp", "nbf"]);
const RESERVED_PREFIX = /^(?:convex|cvx)/i;

export class TokenSigner {
  readonly #key: KeyObject;
  readonly #publicKey: JWK;
  #keyId: Promise<string> | null = null;

  /** @param secret 32 bytes */
  constructor(secret: Uint8Array) {
    const scalar = Buffer.from(secret);
    // Below the order of the curve, whatever the secret.
    scalar[0]! &= 0x7f;
    const pair = createECDH(CURVE);
    pair.setPrivateKey(scalar);
    const point = pair.getPublicKey();
    const coordinates = { x: base64url(point, 1), y: base64url(point, 1 + COORDINATE_BYTES) };
    const jwk = { kty: "EC", crv: "P-256", ...coordinates };
    this.#publicKey = jwk;
    this.#key = createPrivateKey({ key: { ...jwk, d: base64url(scalar, 0) }, format: "jwk" });
  }

  /** What verifiers need, as a JWK set. */
  async keySet(): Promise<{ keys: JWK[] }> {
    const kid = await this.#kid();
    return { keys: [{ ...this.#publicKey, kid, alg: ALGORITHM, use: "sig" }] };
  }

  /** @throws PlatformError `InvalidArgument` */
  async sign(
    request: { readonly issuer: string; readonly claims: Json; readonly expiresInSeconds: Json },
    nowMs: number,
  ): Promise<string> {
    const claims = checkClaims(request.claims);
    const lifetime = checkLifetime(request.expiresInSeconds);
    const issuedAt = Math.floor(nowMs / 1000);
    return await new SignJWT(claims as JWTPayload)
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT", kid: await this.#kid() })
      .setIssuer(request.issuer)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + lifetime)
      .sign(this.#key);
  }

  #kid(): Promise<string> {
    return this.#keyId ??= calculateJwkThumbprint(this.#publicKey);
  }
}

/** @param cloudUrl the deployment's public origin: whose tokens they are */
export function registerTokenSigning(
  syscalls: TransactionSyscalls,
  signer: TokenSigner,
  engine: Engine,
  cloudUrl: (tx: Transaction) => string,
): void {
  syscalls.register(SIGN_JWT, async ({ args }) => {
    const { claims = {}, expiresInSeconds = null, component } = args;
    const issuer = engine.read((tx) => {
      const path = componentPath(tx, component as ComponentId);
      return cloudUrl(tx) + (path === "" ? "" : `/components/${path}`);
    }).value;
    const token = await signer.sign({ issuer, claims, expiresInSeconds }, engine.clock());
    return { value: JSON.stringify(token) };
  });
}

function checkClaims(claims: Json): JsonObject {
  if (!isJsonObject(claims)) throw invalid("claims", "must be an object");
  for (const name of Object.keys(claims)) {
    if (RESERVED_CLAIMS.has(name) || RESERVED_PREFIX.test(name)) {
      throw invalid("claims", `the claim ${JSON.stringify(name)} is reserved`);
    }
  }
  if (Buffer.byteLength(JSON.stringify(claims)) > CLAIMS_BYTES_MAX) {
    throw invalid("claims", `must not be longer than ${CLAIMS_BYTES_MAX} bytes of JSON`);
  }
  return claims;
}

function checkLifetime(seconds: Json): number {
  const isValid = typeof seconds === "number" && Number.isInteger(seconds) && seconds >= 1 &&
    seconds <= LIFETIME_SECONDS_MAX;
  if (isValid) return seconds;
  throw invalid(
    "expiresInSeconds",
    `must be a whole number of seconds from 1 to ${LIFETIME_SECONDS_MAX}`,
  );
}

function invalid(argument: string, why: string): Error {
  return userError(
    "InvalidArgument",
    `Invalid argument \`${argument}\` for \`auth.signJwt\`: ${why}`,
  );
}

function base64url(bytes: Uint8Array, start: number): string {
  return Buffer.from(bytes.subarray(start, start + COORDINATE_BYTES)).toString("base64url");
}
