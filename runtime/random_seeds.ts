// Seeds for the random numbers of functions, drawn from the system in bulk.

const SEED_BYTES = 16;
const POOL_BYTES = 4096;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const pool = new Uint8Array(POOL_BYTES);
let position = POOL_BYTES;

/** 16 random bytes in hexadecimal. */
export function randomSeed(): string {
  if (position === POOL_BYTES) {
    crypto.getRandomValues(pool);
    position = 0;
  }
  let seed = "";
  for (const end = position + SEED_BYTES; position < end; position++) seed += HEX[pool[position]!];
  return seed;
}
