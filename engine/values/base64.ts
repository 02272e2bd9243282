// Base64 of the value encodings: standard alphabet, always padded, no white space (spec 1).

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const INVALID = 255;
const DIGITS = new Uint8Array(128).fill(INVALID);
for (let digit = 0; digit < 64; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit;

/** Base64 text of the bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  const whole = bytes.length - bytes.length % 3;
  for (let i = 0; i < whole; i += 3) {
    const group = bytes[i]! << 16 | bytes[i + 1]! << 8 | bytes[i + 2]!;
    text += ALPHABET[group >> 18]! + ALPHABET[group >> 12 & 63]! + ALPHABET[group >> 6 & 63]! +
      ALPHABET[group & 63]!;
  }
  if (bytes.length - whole === 1) {
    const group = bytes[whole]!;
    text += ALPHABET[group >> 2]! + ALPHABET[group << 4 & 63]! + "==";
  } else if (bytes.length - whole === 2) {
    const group = bytes[whole]! << 8 | bytes[whole + 1]!;
    text += ALPHABET[group >> 10]! + ALPHABET[group >> 4 & 63]! + ALPHABET[group << 2 & 63]! + "=";
  }
  return text;
}

/** The bytes, or null when the text is not strict base64. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length % 4 !== 0) return null;
  let padding = 0;
  if (text.endsWith("==")) padding = 2;
  else if (text.endsWith("=")) padding = 1;
  const bytes = new Uint8Array(text.length / 4 * 3 - padding);
  const digits = text.length - padding;
  let pending = 0;
  let pendingBits = 0;
  let length = 0;
  for (let i = 0; i < digits; i++) {
    const code = text.charCodeAt(i);
    const digit = code < 128 ? DIGITS[code]! : INVALID;
    if (digit === INVALID) return null;
    pending = (pending << 6 | digit) & 0xffff;
    pendingBits += 6;
    if (pendingBits >= 8) {
      pendingBits -= 8;
      bytes[length++] = pending >> pendingBits;
    }
  }
  // The bits that no byte uses must be zero, so that every byte string has one encoding.
  return (pending & (1 << pendingBits) - 1) === 0 ? bytes : null;
}
