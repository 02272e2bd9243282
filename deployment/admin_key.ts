// Admin keys: `{instance name}|{opaque}`, where the opaque part is a MAC of the name under the
// instance secret. Keys are stateless: any number of them stay valid until the secret changes
// (spec http-api 2.2, services 11).

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { InstanceSecret } from "./instance_secret.ts";

const KEY_VERSION = "01";

export class AdminKeys {
  readonly #key: Uint8Array;

  constructor(secret: InstanceSecret, readonly instanceName: string) {
    this.#key = secret.derive("admin key");
  }

  /** The instance's admin key; the same text every time. */
  issue(): string {
    return `${this.instanceName}|${KEY_VERSION}${this.#mac()}`;
  }

  /** Whether `key` is an admin key of this instance. Takes the same time for every wrong key. */
  accepts(key: string): boolean {
    const parts = splitAdminKey(key);
    if (parts === null) return false;
    const expected = Buffer.from(KEY_VERSION + this.#mac());
    const given = Buffer.from(parts.opaque);
    const sameOpaque = given.length === expected.length && timingSafeEqual(given, expected);
    return sameOpaque && (parts.name === null || parts.name === this.instanceName);
  }

  #mac(): string {
    return createHmac("sha256", this.#key).update(`admin ${this.instanceName}`).digest("hex");
  }
}

/**
 * Takes a key apart: `prod:name|x` and `dev:name|x` lose the type, `preview:…|x` and `project:…|x`
 * lose everything up to the bar and carry no instance name (null).
 */
function splitAdminKey(key: string): { name: string | null; opaque: string } | null {
  const bar = key.indexOf("|");
  if (bar < 0) return null;
  const prefix = key.slice(0, bar);
  const opaque = key.slice(bar + 1);
  const colon = prefix.indexOf(":");
  if (colon < 0) return { name: prefix, opaque };
  const type = prefix.slice(0, colon);
  if (type === "preview" || type === "project") {
    return splitAdminKey(opaque) ?? { name: null, opaque };
  }
  return { name: prefix.slice(colon + 1), opaque };
}
