// Positions looked up in the text of a source map. The map of a large bundle, decoded, takes many times
// the memory of its text, more than a function's whole heap; so the mappings stay text, and a lookup
// decodes only a few lines of them (format: Source Map, revision 3, without sections).

/** Lines count from 1, columns from 0. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface OriginalPosition extends Position {
  /** As written in the source map. */
  readonly source: string;
}

/** A lookup decodes at most so many lines. */
const LINES_PER_CHECKPOINT = 64;
/** Numbers of a checkpoint: offset in the mappings, then source, line and column so far. */
const CHECKPOINT_LENGTH = 4;

const COMMA = 44;
const SEMICOLON = 59;
const NOT_A_DIGIT = 255;
const DIGIT_BITS = 5;
const CONTINUES = 1 << DIGIT_BITS;
const DIGITS = new Uint8Array(128).fill(NOT_A_DIGIT);
[..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].forEach((digit, value) => {
  DIGITS[digit.charCodeAt(0)] = value;
});

export class SourceMapText {
  readonly #mappings: string;
  readonly #sources: readonly (string | null)[];
  /** The state at the begin of every 64th line. */
  readonly #checkpoints: readonly number[];

  /** @throws Error for a text that is no source map. */
  constructor(text: string) {
    const { mappings, sources, sourceRoot } = JSON.parse(text);
    if (typeof mappings !== "string" || !Array.isArray(sources)) throw new Error("no source map");
    this.#mappings = mappings;
    const root = typeof sourceRoot === "string" && sourceRoot !== "" ? `${sourceRoot}/` : "";
    this.#sources = sources.map((source) => typeof source === "string" ? root + source : null);
    this.#checkpoints = checkpointsOf(mappings);
  }

  /** Where the last code at or before the position, in its line, comes from; null: from nowhere. */
  find({ line, column }: Position): OriginalPosition | null {
    const at = Math.floor((line - 1) / LINES_PER_CHECKPOINT) * CHECKPOINT_LENGTH;
    if (line < 1 || at >= this.#checkpoints.length) return null;
    const segments = new Segments(
      this.#mappings,
      this.#checkpoints.slice(at, at + CHECKPOINT_LENGTH),
    );
    for (let left = (line - 1) % LINES_PER_CHECKPOINT; left > 0; left--) {
      while (segments.next());
      if (!segments.nextLine()) return null;
    }
    let found: OriginalPosition | null = null;
    let foundColumn = -1;
    while (foundColumn < column && segments.next() && segments.generatedColumn <= column) {
      foundColumn = segments.generatedColumn;
      const source = segments.hasSource ? this.#sources[segments.source] : undefined;
      found = typeof source !== "string"
        ? null
        : { source, line: segments.line + 1, column: segments.column };
    }
    return found;
  }
}

function checkpointsOf(mappings: string): number[] {
  const segments = new Segments(mappings);
  const checkpoints: number[] = [];
  let line = 0;
  do {
    if (line++ % LINES_PER_CHECKPOINT === 0) checkpoints.push(...segments.checkpoint());
    while (segments.next());
  } while (segments.nextLine());
  return checkpoints;
}

/** Reads segments one after the other; the fields are those of the one read last. */
class Segments {
  generatedColumn = 0;
  /** Whether the segment says where it comes from. */
  hasSource = false;
  /** An index; line and column count from 0. */
  source: number;
  line: number;
  column: number;
  #offset: number;

  constructor(
    private readonly mappings: string,
    checkpoint: readonly number[] = [0, 0, 0, 0],
  ) {
    this.#offset = checkpoint[0]!;
    this.source = checkpoint[1]!;
    this.line = checkpoint[2]!;
    this.column = checkpoint[3]!;
  }

  checkpoint(): number[] {
    return [this.#offset, this.source, this.line, this.column];
  }

  /** Reads the next segment of this line; false at the line's end. */
  next(): boolean {
    while (this.mappings.charCodeAt(this.#offset) === COMMA) this.#offset++;
    if (this.#atSegmentEnd()) return false;
    this.generatedColumn += this.#number();
    this.hasSource = !this.#atSegmentEnd();
    if (this.hasSource) {
      this.source += this.#number();
      this.line += this.#number();
      this.column += this.#number();
      // The name, which nobody asks for.
      if (!this.#atSegmentEnd()) this.#number();
    }
    return true;
  }

  /** At a line's end, goes to the next one; false after the last. */
  nextLine(): boolean {
    if (this.#offset >= this.mappings.length) return false;
    this.#offset++;
    this.generatedColumn = 0;
    return true;
  }

  #atSegmentEnd(): boolean {
    const code = this.mappings.charCodeAt(this.#offset);
    return code === COMMA || code === SEMICOLON || this.#offset >= this.mappings.length;
  }

  /** A number in base 64: five bits a digit, the lowest first; the lowest bit of all is the sign. */
  #number(): number {
    let value = 0;
    for (let shift = 0;; shift += DIGIT_BITS) {
      const digit = DIGITS[this.mappings.charCodeAt(this.#offset++)] ?? NOT_A_DIGIT;
      if (digit === NOT_A_DIGIT) throw new Error(`no source map: offset ${this.#offset - 1}`);
      value |= (digit & (CONTINUES - 1)) << shift;
      if (digit < CONTINUES) return (value & 1) === 1 ? -(value >>> 1) : value >>> 1;
    }
  }
}
