// Random bytes in hexadecimal, drawn from the system in bulk: a call of its own costs more than the
// bytes.

const POOL_BYTES = 4096;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const pool = new Uint8Array(POOL_BYTES);
let position = POOL_BYTES;

/** `count` random bytes, at most as many as the pool has. */
export function randomHex(count: number): string {
  if (position + count > POOL_BYTES) {
    crypto.getRandomValues(pool);
    position = 0;
  }
  let text = "";
  for (const end = position + count; position < end; position++) text += HEX[pool[position]!];
  return text;
}
