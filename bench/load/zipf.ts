// Draws account numbers: all alike, or by Zipf's law, where number k has weight 1 / (k + 1)^α.

/** Returns a function that draws from 0 to `count - 1`. α = 0 draws evenly. */
export function zipf(count: number, alpha: number): () => number {
  if (alpha === 0) return () => Math.floor(Math.random() * count);
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let k = 0; k < count; k++) {
    sum += 1 / (k + 1) ** alpha;
    cumulative[k] = sum;
  }
  return () => {
    const point = Math.random() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! < point) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
