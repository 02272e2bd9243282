// A module in a directory of its own, for the positions in stack traces.
export function deepThrow(depth: number): void {
  if (depth === 0) {
    throw new Error("from afar");
  }
  deepThrow(depth - 1);
}
