// The instance secret: 32 random bytes in a file of the data directory that only the owner may read
// and that no isolate has permission to open. Every key of the server is derived from it, so that
// replacing the file invalidates admin keys, cursors and tokens at once.

import { Buffer } from "node:buffer";
import { hkdfSync, randomBytes } from "node:crypto";

const SECRET_BYTES = 32;
const SECRET_FILE = "instance_secret";
const SECRET_FILE_MODE = 0o600;

/** What a derived key is for; a key of one purpose says nothing about the others. */
export type KeyPurpose = "admin key" | "cursor" | "storage token" | "token signing";

export class InstanceSecret {
  readonly #secret: Uint8Array;

  /** @throws Error when `secret` is not 32 bytes long. */
  constructor(secret: Uint8Array) {
    if (secret.length !== SECRET_BYTES) {
      throw new Error(`the instance secret must be ${SECRET_BYTES} bytes, not ${secret.length}`);
    }
    this.#secret = secret;
  }

  /** A 32-byte key for one purpose (HKDF-SHA256). */
  derive(purpose: KeyPurpose): Uint8Array {
    return new Uint8Array(
      hkdfSync("sha256", this.#secret, new Uint8Array(), `concave ${purpose}`, SECRET_BYTES),
    );
  }

  /**
   * Reads the secret of a data directory, null if there is none yet.
   * @throws Error when the file is not 64 hex digits.
   */
  static read(dataDir: string): InstanceSecret | null {
    const path = `${dataDir}/${SECRET_FILE}`;
    let text: string;
    try {
      text = Deno.readTextFileSync(path).trim();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
    if (!/^[0-9a-f]{64}$/i.test(text)) throw new Error(`${path} does not hold 64 hex digits`);
    return new InstanceSecret(Buffer.from(text, "hex"));
  }

  /** Reads the secret of a data directory, making one on first use. */
  static readOrCreate(dataDir: string): InstanceSecret {
    const existing = InstanceSecret.read(dataDir);
    if (existing !== null) return existing;
    const secret = randomBytes(SECRET_BYTES);
    // Written under another name first: a crash in between leaves no half-written secret.
    const path = `${dataDir}/${SECRET_FILE}`;
    const temporary = `${path}.new`;
    Deno.writeTextFileSync(temporary, secret.toString("hex") + "\n", { mode: SECRET_FILE_MODE });
    Deno.renameSync(temporary, path);
    return new InstanceSecret(secret);
  }
}
