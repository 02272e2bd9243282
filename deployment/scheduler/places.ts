// The places of what may run at once: how many there are, are taken, and ever were taken together.

export class Places {
  #count: number;
  #taken = 0;
  #highest = 0;
  readonly #onChange: () => void;

  /** @param onChange the number of places is another one now */
  constructor(count: number, onChange: () => void) {
    this.#count = count;
    this.#onChange = onChange;
  }

  get count(): number {
    return this.#count;
  }

  set count(value: number) {
    this.#count = value;
    this.#onChange();
  }

  /** The most that ever were taken at once. */
  get highest(): number {
    return this.#highest;
  }

  get areFull(): boolean {
    return this.#taken >= this.#count;
  }

  take(): void {
    this.#taken++;
    this.#highest = Math.max(this.#highest, this.#taken);
  }

  leave(): void {
    this.#taken--;
  }
}
