// What the attacks have in common: reaching for what should not be there.
export type Attacks = Record<string, () => unknown>;

// deno-lint-ignore no-explicit-any -- what an attacker hopes to find has no type
export function reach(name: string): any {
  return (globalThis as Record<string, unknown>)[name];
}

/** A dynamic import that the bundler leaves alone. */
// deno-lint-ignore no-explicit-any -- see above
export function dynamicImport(specifier: string): Promise<any> {
  return import(specifier);
}
