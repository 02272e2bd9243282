// Loaded when it is needed.
export function lazy(what: string): string {
  return `lazily: ${what}`;
}
