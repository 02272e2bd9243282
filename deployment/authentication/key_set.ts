// JSON Web Key Sets: which keys of a provider may have signed a token.

import { compactVerify, type JWK } from "jose";
import type { ProviderDocument } from "./provider_documents.ts";

export type SigningAlgorithm = "RS256" | "ES256" | "EdDSA";

/** The kind of key that each algorithm needs. */
const KEY_KINDS: Readonly<Record<SigningAlgorithm, { kty: string; crv?: string }>> = {
  RS256: { kty: "RSA" },
  ES256: { kty: "EC", crv: "P-256" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
};

/** Parameters of public keys; private ones that a provider shows by mistake are not taken over. */
const PUBLIC_PARAMETERS = ["kty", "crv", "n", "e", "x", "y"] as const;

/** A token without a key id is tried with so many keys. */
const TRIED_KEYS_MAX = 16;

interface VerificationKey {
  readonly kid: unknown;
  readonly alg: unknown;
  readonly use: unknown;
  /** One object for each key: jose imports it once. */
  readonly jwk: JWK;
}

export class KeySet {
  private constructor(private readonly keys: readonly VerificationKey[]) {}

  /**
   * The key set in a document, parsed once.
   * @throws Error when it holds no key set
   */
  static of(document: ProviderDocument): KeySet {
    if (document.derived instanceof KeySet) return document.derived;
    const keySet = KeySet.#parse(document.body);
    document.derived = keySet;
    return keySet;
  }

  static #parse(text: string): KeySet {
    const json: unknown = JSON.parse(text);
    if (!isRecord(json) || !Array.isArray(json.keys) || !json.keys.every(isRecord)) {
      throw new Error("not a JSON Web Key Set");
    }
    return new KeySet(json.keys.map(({ kid, alg, use, ...key }: Record<string, unknown>) => ({
      kid,
      alg,
      use,
      jwk: Object.fromEntries(
        PUBLIC_PARAMETERS.filter((name) => name in key).map((name) => [name, key[name]]),
      ) as JWK,
    })));
  }

  /** The keys that may have signed with this algorithm; `kid` undefined: any. */
  candidates(algorithm: SigningAlgorithm, kid: string | undefined): JWK[] {
    const { kty, crv } = KEY_KINDS[algorithm];
    return this.keys
      .filter((key) => kid === undefined || key.kid === kid)
      .filter((key) => key.use === undefined || key.use === "sig")
      .filter((key) => key.alg === undefined || key.alg === algorithm)
      .filter(({ jwk }) => jwk.kty === kty && (crv === undefined || jwk.crv === crv))
      .slice(0, TRIED_KEYS_MAX)
      .map(({ jwk }) => jwk);
  }
}

/** Whether one of the keys signed the token. */
export async function isSignedByOneOf(
  keys: readonly JWK[],
  token: string,
  algorithm: SigningAlgorithm,
): Promise<boolean> {
  for (const key of keys) {
    try {
      await compactVerify(token, key, { algorithms: [algorithm] });
      return true;
    } catch {
      // Another signer, or a key that is no key.
    }
  }
  return false;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
