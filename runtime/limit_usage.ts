// How near the limits functions have come. Each isolate keeps its own highest marks and reports those
// that rose; the host keeps the highest of all since its start, for the operator.

import type { LimitName } from "./limits.ts";

export type HighestUse = { readonly [Name in LimitName]?: number };

export class LimitUsage {
  readonly #highest = new Map<LimitName, number>();
  readonly #risen = new Set<LimitName>();

  note(name: LimitName, value: number): void {
    if (value <= (this.#highest.get(name) ?? 0)) return;
    this.#highest.set(name, value);
    this.#risen.add(name);
  }

  noteAll(uses: HighestUse): void {
    for (const name of Object.keys(uses) as LimitName[]) this.note(name, uses[name]!);
  }

  /** Null: nothing of the kind has happened yet. */
  highest(name: LimitName): number | null {
    return this.#highest.get(name) ?? null;
  }

  /** The marks that rose since the last call, or null. */
  takeRisen(): HighestUse | null {
    if (this.#risen.size === 0) return null;
    const risen: { [Name in LimitName]?: number } = {};
    for (const name of this.#risen) risen[name] = this.#highest.get(name)!;
    this.#risen.clear();
    return risen;
  }
}
