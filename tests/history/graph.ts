// A directed graph, and cycles in it.

/** Why one node comes before another. */
export type EdgeKind = "ww" | "wr" | "rw" | "time";

export class Graph {
  readonly #edges = new Map<number, Map<number, EdgeKind>>();

  /** Adds an edge; the first kind of an edge stays. A node does not depend on itself. */
  add(from: number, to: number, kind: EdgeKind): void {
    if (from === to) return;
    let targets = this.#edges.get(from);
    if (targets === undefined) this.#edges.set(from, targets = new Map());
    if (!targets.has(to)) targets.set(to, kind);
  }

  kind(from: number, to: number): EdgeKind | undefined {
    return this.#edges.get(from)?.get(to);
  }

  get nodes(): Iterable<number> {
    return this.#edges.keys();
  }

  targets(from: number): Iterable<number> {
    return this.#edges.get(from)?.keys() ?? [];
  }
}

/** A short cycle, as the nodes on it in order; null if there is none. */
export function findCycle(graph: Graph): number[] | null {
  const component = firstComponent(graph);
  if (component === null) return null;
  const inside = new Set(component);
  let shortest: number[] | null = null;
  for (const start of component) {
    const cycle = shortestPathBack(graph, start, inside);
    if (cycle !== null && (shortest === null || cycle.length < shortest.length)) shortest = cycle;
    if (shortest?.length === 2) break;
  }
  return shortest;
}

/** Nodes that all reach each other, more than one; found by Tarjan's algorithm, without recursion. */
function firstComponent(graph: Graph): number[] | null {
  const indexes = new Map<number, number>();
  const lowest = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const enter = (node: number) => {
    indexes.set(node, indexes.size);
    lowest.set(node, indexes.get(node)!);
    stack.push(node);
    onStack.add(node);
    return { node, targets: graph.targets(node)[Symbol.iterator]() };
  };
  const lower = (node: number, to: number) => lowest.set(node, Math.min(lowest.get(node)!, to));
  for (const root of graph.nodes) {
    if (indexes.has(root)) continue;
    const path = [enter(root)];
    while (path.length > 0) {
      const { node, targets } = path.at(-1)!;
      const { value: target, done } = targets.next();
      if (!done) {
        if (!indexes.has(target)) path.push(enter(target));
        else if (onStack.has(target)) lower(node, indexes.get(target)!);
        continue;
      }
      path.pop();
      if (path.length > 0) lower(path.at(-1)!.node, lowest.get(node)!);
      if (lowest.get(node) !== indexes.get(node)) continue;
      const component = stack.splice(stack.lastIndexOf(node));
      for (const member of component) onStack.delete(member);
      if (component.length > 1) return component;
    }
  }
  return null;
}

/** Breadth first from the node until an edge leads back to it. */
function shortestPathBack(
  graph: Graph,
  start: number,
  inside: ReadonlySet<number>,
): number[] | null {
  const parents = new Map<number, number>();
  let layer = [start];
  while (layer.length > 0) {
    const next: number[] = [];
    for (const node of layer) {
      for (const target of graph.targets(node)) {
        if (target === start) {
          const path = [node];
          while (path[0] !== start) path.unshift(parents.get(path[0]!)!);
          return path;
        }
        if (!inside.has(target) || parents.has(target)) continue;
        parents.set(target, node);
        next.push(target);
      }
    }
    layer = next;
  }
  return null;
}
