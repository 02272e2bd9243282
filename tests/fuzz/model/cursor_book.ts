// What the opaque cursors that the engine gave out stand for. The same position of the same query must
// always have the same cursor, and no two positions share one.

import { encodeValue } from "../../../engine/values/json.ts";
import { canonical } from "./state.ts";
import type { Key } from "./query.ts";
import { ModelError } from "./values.ts";

export type Position = Key | "end";

export interface KnownCursor {
  readonly text: string;
  readonly fingerprint: string;
  readonly position: Position;
}

export class CursorBook {
  readonly #byText = new Map<string, KnownCursor>();
  readonly #textByDescription = new Map<string, string>();
  readonly #pending = new Map<string, Omit<KnownCursor, "text">>();

  get all(): readonly KnownCursor[] {
    return [...this.#byText.values()];
  }

  find(text: string): KnownCursor {
    const known = this.#byText.get(text);
    if (known === undefined) throw new ModelError("InvalidCursor");
    return known;
  }

  /** A text for a position that the model came to, to be compared with {@link meaningOf} a cursor. */
  describe(fingerprint: string, position: Position): string {
    const description = fingerprint + " at " + (position === "end" ? "end" : canonical(
      position.map((value) => value === undefined ? { $undefined: null } : encodeValue(value)),
    ));
    this.#pending.set(description, { fingerprint, position });
    return description;
  }

  /**
   * The description that a cursor of the engine belongs to: the one it had before, or else the
   * expected one, which it gets.
   */
  meaningOf(text: string, expected: string): string {
    const before = this.#byText.get(text);
    if (before !== undefined) return this.describe(before.fingerprint, before.position);
    const other = this.#textByDescription.get(expected);
    if (other !== undefined) return `another cursor than before for ${expected}`;
    const meaning = this.#pending.get(expected);
    if (meaning === undefined) return `no position: ${expected}`;
    this.#byText.set(text, { text, ...meaning });
    this.#textByDescription.set(expected, text);
    return expected;
  }
}
