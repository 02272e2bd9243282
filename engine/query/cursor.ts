// Cursors of paginated queries: opaque, deterministic and unforgeable strings.

export declare class CursorCipher {
  /** @param key 32 random bytes, the same over restarts. */
  constructor(key: Uint8Array);
}
