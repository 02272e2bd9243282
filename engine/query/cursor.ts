// Cursors of paginated queries (spec values-and-queries 5): opaque to clients, unforgeable, and the
// same string for the same position, so that a re-run of an unchanged page gives an equal result.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  timingSafeEqual,
} from "node:crypto";
import type { IndexKey } from "../types.ts";
import { decodeBase64, encodeBase64 } from "../values/base64.ts";

/** Where a page ends: after the row with that key, or null at the end of the range. */
export type CursorPosition = IndexKey | null;

export interface Cursor {
  readonly position: CursorPosition;
  /** Of the query that the cursor belongs to, see {@link queryFingerprint}. */
  readonly fingerprint: string;
}

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const FINGERPRINT_LENGTH = 24;
const CIPHER = "aes-256-ctr";
const END = "E";
const AFTER = "A";

/**
 * Deterministic authenticated encryption: the tag over the plain text is the initial counter of the
 * encryption, so equal texts give equal cursors and any change is noticed.
 */
export class CursorCipher {
  readonly #macKey: Uint8Array;
  readonly #encryptionKey: Uint8Array;

  /** @param key 32 random bytes, the same over restarts. */
  constructor(key: Uint8Array) {
    const derive = (purpose: string) =>
      new Uint8Array(hkdfSync("sha256", key, new Uint8Array(), purpose, KEY_BYTES));
    this.#macKey = derive("cursor authentication");
    this.#encryptionKey = derive("cursor encryption");
  }

  encode({ position, fingerprint }: Cursor): string {
    const text = fingerprint + (position === null ? END : AFTER + position);
    const plain = new TextEncoder().encode(text);
    const tag = this.#tag(plain);
    const cipher = createCipheriv(CIPHER, this.#encryptionKey, tag);
    const sealed = new Uint8Array([...tag, ...cipher.update(plain), ...cipher.final()]);
    return encodeBase64(sealed).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  /** Null when the text is no cursor of this deployment. */
  decode(text: string): Cursor | null {
    const padding = "=".repeat((4 - text.length % 4) % 4);
    const sealed = decodeBase64(text.replaceAll("-", "+").replaceAll("_", "/") + padding);
    if (sealed === null || sealed.length < TAG_BYTES) return null;
    const tag = sealed.subarray(0, TAG_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#encryptionKey, tag);
    const plain = new Uint8Array([
      ...decipher.update(sealed.subarray(TAG_BYTES)),
      ...decipher.final(),
    ]);
    if (!timingSafeEqual(tag, this.#tag(plain))) return null;
    const content = new TextDecoder().decode(plain);
    const fingerprint = content.slice(0, FINGERPRINT_LENGTH);
    const kind = content.charAt(FINGERPRINT_LENGTH);
    return { fingerprint, position: kind === END ? null : content.slice(FINGERPRINT_LENGTH + 1) };
  }

  #tag(plain: Uint8Array): Uint8Array {
    return createHmac("sha256", this.#macKey).update(plain).digest().subarray(0, TAG_BYTES);
  }
}

/**
 * Identifies a query for its cursors.
 * @param query canonical JSON text of the query
 * @param fields the fields of the index it scans
 */
export function queryFingerprint(query: string, fields: readonly string[]): string {
  const hash = createHash("sha256").update(JSON.stringify([query, fields])).digest("base64");
  return hash.slice(0, FINGERPRINT_LENGTH);
}
