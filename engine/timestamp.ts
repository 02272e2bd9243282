// Commit timestamps. Inside the server a timestamp is an integer number of microseconds since the
// epoch, strictly increasing with every commit; the platform's protocols show it in nanoseconds.

declare const timestampBrand: unique symbol;

/** Microseconds since the epoch; the logical time of a commit or of a snapshot. */
export type Timestamp = number & { readonly [timestampBrand]: true };

/** The timestamp before every commit. */
export const TIMESTAMP_ZERO = 0 as Timestamp;

const MICROS_PER_MILLI = 1000;
const NANOS_PER_MICRO = 1000n;

/** The next commit timestamp: after `previous`, and not before the wall clock. */
export function nextTimestamp(previous: Timestamp, nowMs: number): Timestamp {
  return Math.max(previous + 1, Math.floor(nowMs * MICROS_PER_MILLI)) as Timestamp;
}

/** Nanoseconds since the epoch, as the platform's protocols show it. */
export function toNanos(ts: Timestamp): bigint {
  return BigInt(ts) * NANOS_PER_MICRO;
}

/** The latest timestamp that is not after `nanos`. */
export function fromNanos(nanos: bigint): Timestamp {
  return Number(nanos / NANOS_PER_MICRO) as Timestamp;
}

/** Base64 of the 8 little-endian bytes of the nanoseconds (`TS` of the sync protocol, section 2). */
export function encodeTimestamp(ts: Timestamp): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, toNanos(ts), true);
  return btoa(String.fromCharCode(...bytes));
}

/**
 * Reads what {@link encodeTimestamp} wrote.
 * @throws RangeError when the text is not base64 of eight bytes.
 */
export function decodeTimestamp(text: string): Timestamp {
  let raw: string;
  try {
    raw = atob(text);
  } catch {
    throw new RangeError("u64 must be base64");
  }
  if (raw.length !== 8) throw new RangeError("u64 must be 8 bytes");
  const bytes = Uint8Array.from(raw, (c) => c.charCodeAt(0));
  return fromNanos(new DataView(bytes.buffer).getBigUint64(0, true));
}
