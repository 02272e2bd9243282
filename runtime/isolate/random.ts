// The random numbers of one execution: a ChaCha stream from a seed, so that a run can be repeated and
// still nobody can compute the next token from the last ones.

const BLOCK_WORDS = 16;
const ROUNDS = 12;
const KEY_BYTES = 32;
const UINT32_RANGE = 2 ** 32;
const FRACTION_LOW_RANGE = 2 ** 21;
const FRACTION_RANGE = 2 ** 53;
/** "expand 32-byte k" */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

export class RandomStream {
  /** Most runs draw no random numbers: nothing is set up before the first one. */
  readonly #seed: () => Uint8Array;
  #key: Uint32Array | null = null;
  #block = NO_WORDS;
  #counter = 0;
  /** Next unused word of the block. */
  #position = BLOCK_WORDS;

  /** @param seed gives at most 32 bytes. */
  constructor(seed: () => Uint8Array) {
    this.#seed = seed;
  }

  /** An integer in [0, 2³²). */
  nextUint32(): number {
    if (this.#position === BLOCK_WORDS) this.#refill();
    return this.#block[this.#position++]!;
  }

  /** A number in [0, 1) with 53 random bits, like `Math.random()`. */
  nextFraction(): number {
    const high = this.nextUint32();
    const low = this.nextUint32() >>> 11;
    return (high * FRACTION_LOW_RANGE + low) / FRACTION_RANGE;
  }

  fill(bytes: Uint8Array): void {
    let word = 0;
    for (let i = 0; i < bytes.length; i++) {
      if (i % 4 === 0) word = this.nextUint32();
      bytes[i] = word & 0xff;
      word >>>= 8;
    }
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count);
    this.fill(bytes);
    return bytes;
  }

  #refill(): void {
    const key = this.#key ??= this.#start();
    const block = this.#block;
    for (let i = 0; i < 4; i++) block[i] = CONSTANTS[i]!;
    block.set(key, 4);
    block[12] = this.#counter;
    block[13] = Math.floor(this.#counter / UINT32_RANGE);
    block[14] = 0;
    block[15] = 0;
    for (let round = 0; round < ROUNDS; round += 2) {
      quarterRound(block, 0, 4, 8, 12);
      quarterRound(block, 1, 5, 9, 13);
      quarterRound(block, 2, 6, 10, 14);
      quarterRound(block, 3, 7, 11, 15);
      quarterRound(block, 0, 5, 10, 15);
      quarterRound(block, 1, 6, 11, 12);
      quarterRound(block, 2, 7, 8, 13);
      quarterRound(block, 3, 4, 9, 14);
    }
    for (let i = 0; i < 4; i++) block[i] = block[i]! + CONSTANTS[i]!;
    for (let i = 0; i < 8; i++) block[4 + i] = block[4 + i]! + key[i]!;
    block[12] = block[12]! + this.#counter;
    this.#counter++;
    this.#position = 0;
  }

  #start(): Uint32Array {
    this.#block = new Uint32Array(BLOCK_WORDS);
    const bytes = new Uint8Array(KEY_BYTES);
    bytes.set(this.#seed().subarray(0, KEY_BYTES));
    return new Uint32Array(bytes.buffer);
  }
}

const NO_WORDS = new Uint32Array(0);

function quarterRound(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  let va = x[a]!, vb = x[b]!, vc = x[c]!, vd = x[d]!;
  va = (va + vb) | 0;
  vd ^= va;
  vd = (vd << 16) | (vd >>> 16);
  vc = (vc + vd) | 0;
  vb ^= vc;
  vb = (vb << 12) | (vb >>> 20);
  va = (va + vb) | 0;
  vd ^= va;
  vd = (vd << 8) | (vd >>> 24);
  vc = (vc + vd) | 0;
  vb ^= vc;
  vb = (vb << 7) | (vb >>> 25);
  x[a] = va;
  x[b] = vb;
  x[c] = vc;
  x[d] = vd;
}

/** Seed bytes from hexadecimal text. */
export function seedFromHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length >>> 1);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  }
  return bytes;
}

/** A RFC 4122 version 4 UUID from the stream. */
export function randomUuid(random: RandomStream): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  let hex = "";
  for (const byte of bytes) hex += (byte + 0x100).toString(16).slice(1);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${
    hex.slice(20)
  }`;
}
