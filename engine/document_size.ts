// Size of a stored document by the platform's measure, taken from its text: reads are charged for
// their bytes, and parsing every document for that would cost more than reading it.

const NUMBER_BYTES = 9;
const WORD_BYTES = 1;
const DELIMITED_BYTES = 2;
const NAME_BYTES = 1;
/** `{"$bytes":"` and `"}`. */
const BYTES_FRAME_LENGTH = 13;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * What `sizeOf` gives for the parsed value.
 * @param json canonical text of the internal encoding: sorted keys, no white space
 */
export function documentSize(json: string): number {
  const { length } = json;
  let size = 0;
  let at = 0;
  while (at < length) {
    switch (json.charCodeAt(at)) {
      case OPEN_BRACE:
        if (json.startsWith('"$', at + 1)) {
          const end = json.indexOf("}", at) + 1;
          size += scalarSize(json, at, end);
          at = end;
        } else {
          size += DELIMITED_BYTES;
          at++;
        }
        break;
      case OPEN_BRACKET:
        size += DELIMITED_BYTES;
        at++;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
      case COMMA:
      case COLON:
        at++;
        break;
      case QUOTE: {
        at++;
        for (let unit = json.charCodeAt(at); unit !== QUOTE; unit = json.charCodeAt(at)) {
          if (unit === BACKSLASH) {
            // Canonical text escapes nothing beyond ASCII: one byte.
            at += json.charAt(at + 1) === "u" ? 6 : 2;
            size++;
          } else {
            at++;
            size += utf8Bytes(unit);
          }
        }
        at++;
        size += json.charCodeAt(at) === COLON ? NAME_BYTES : DELIMITED_BYTES;
        break;
      }
      default: {
        const first = json.charAt(at);
        size += first === "t" || first === "f" || first === "n" ? WORD_BYTES : NUMBER_BYTES;
        at = endOfToken(json, at);
      }
    }
  }
  return size;
}

/** Bytes of a code unit in UTF-8; each half of a surrogate pair has two of the four. */
function utf8Bytes(unit: number): number {
  if (unit < 0x80) return 1;
  return unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
}

/** Size of `{"$integer":…}` and the like, which spans from `at` to `end`. */
function scalarSize(json: string, at: number, end: number): number {
  if (!json.startsWith('{"$bytes"', at)) return NUMBER_BYTES;
  const base64Length = end - at - BYTES_FRAME_LENGTH;
  const padding = json.endsWith("==", end - 2) ? 2 : json.endsWith("=", end - 2) ? 1 : 0;
  return DELIMITED_BYTES + base64Length / 4 * 3 - padding;
}

/** End of a number or a word. */
function endOfToken(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length) {
    const unit = json.charCodeAt(at);
    if (unit === COMMA || unit === CLOSE_BRACE || unit === CLOSE_BRACKET) break;
    at++;
  }
  return at;
}
