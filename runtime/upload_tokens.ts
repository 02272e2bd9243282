// Tokens of upload URLs: who may store a file, in which component, since when. They are signed with a
// key of the instance and can be used any number of times until they expire.

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { PlatformError } from "../engine/errors.ts";
import type { ComponentId } from "../engine/types.ts";

const VALID_MS = 60 * 60 * 1000;
/** Clocks of a moved database may differ a little. */
const CLOCK_SKEW_MS = 60 * 1000;
/** Longer texts are no tokens. */
const TOKEN_LENGTH_MAX = 1024;

export class UploadTokens {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  issue(component: ComponentId, nowMs: number): string {
    const claims = JSON.stringify([component, Math.floor(nowMs)]);
    const payload = Buffer.from(claims).toString("base64url");
    return `${payload}.${this.#sign(payload).toString("base64url")}`;
  }

  /**
   * The component in which the holder may store a file.
   * @throws PlatformError 401 `StorageTokenInvalid`, `StorageTokenExpired`
   */
  verify(token: string, nowMs: number): ComponentId {
    const [payload = "", signature = "", ...rest] = token.split(".");
    const given = Buffer.from(signature, "base64url");
    const isForged = token.length > TOKEN_LENGTH_MAX || rest.length > 0 ||
      // Base64 has several spellings of the same bytes; only ours counts.
      given.toString("base64url") !== signature || !sameBytes(given, this.#sign(payload));
    if (isForged) {
      throw refused("StorageTokenInvalid", "Couldn't decode the StoreFileAuthorization token");
    }
    const [component, issuedMs] = JSON.parse(Buffer.from(payload, "base64url").toString());
    if (nowMs - issuedMs > VALID_MS || issuedMs - nowMs > CLOCK_SKEW_MS) {
      throw refused("StorageTokenExpired", "Store File Authorization expired");
    }
    return component;
  }

  #sign(payload: string): Buffer {
    return createHmac("sha256", this.#key).update(payload).digest();
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function refused(code: string, message: string): PlatformError {
  return new PlatformError("unauthenticated", code, message);
}
