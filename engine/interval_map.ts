// Which of many read sets contain a key? An interval tree for each index: a treap ordered by interval,
// every node knowing the greatest end below it, so that a look-up costs O(log n) for each hit and
// nothing for intervals that do not contain the key. Equal intervals share a node.

import type { FlatReadSet, IndexId, IndexKey } from "./types.ts";

interface Node<T> {
  readonly start: IndexKey;
  readonly end: IndexKey;
  readonly items: Set<T>;
  /** Heap order of the treap; random, so that the tree is balanced whatever the order of arrival. */
  readonly priority: number;
  /** The greatest end in this subtree. */
  endMax: IndexKey;
  left: Node<T> | null;
  right: Node<T> | null;
}

/** Items by the intervals of index keys that they read. */
export class IntervalMap<T> {
  readonly #roots = new Map<IndexId, Node<T>>();
  readonly #readSets = new Map<T, FlatReadSet>();
  #random = 0x9e3779b9;

  /** Number of items. */
  get size(): number {
    return this.#readSets.size;
  }

  has(item: T): boolean {
    return this.#readSets.has(item);
  }

  /** Registers an item under all intervals of a read set, in place of its earlier ones. */
  add(readSet: FlatReadSet, item: T): void {
    this.remove(item);
    this.#readSets.set(item, readSet);
    for (let i = 0; i + 2 < readSet.length; i += 3) {
      const index = readSet[i] as IndexId;
      const start = readSet[i + 1] as IndexKey;
      const end = readSet[i + 2] as IndexKey;
      if (start >= end) continue;
      const root = this.#roots.get(index) ?? null;
      const node = find(root, start, end);
      if (node !== null) node.items.add(item);
      else this.#roots.set(index, insert(root, this.#newNode(start, end, item)));
    }
  }

  /** Forgets an item; nothing happens if it is not here. */
  remove(item: T): void {
    const readSet = this.#readSets.get(item);
    if (readSet === undefined) return;
    this.#readSets.delete(item);
    for (let i = 0; i + 2 < readSet.length; i += 3) {
      const index = readSet[i] as IndexId;
      const start = readSet[i + 1] as IndexKey;
      const end = readSet[i + 2] as IndexKey;
      const root = this.#roots.get(index) ?? null;
      const node = find(root, start, end);
      // A read set may name an interval twice: the first removal has emptied it.
      if (root === null || node === null) continue;
      node.items.delete(item);
      if (node.items.size > 0) continue;
      const rest = removeNode(root, start, end);
      if (rest === null) this.#roots.delete(index);
      else this.#roots.set(index, rest);
    }
  }

  /** The items with an interval that contains the key. An item may come more than once. */
  stab(index: IndexId, key: IndexKey): T[] {
    const found: T[] = [];
    const root = this.#roots.get(index);
    if (root !== undefined) collect(root, key, found);
    return found;
  }

  #newNode(start: IndexKey, end: IndexKey, item: T): Node<T> {
    // xorshift32: cheap, and the same run gives the same tree.
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return {
      start,
      end,
      items: new Set([item]),
      priority: x,
      endMax: end,
      left: null,
      right: null,
    };
  }
}

function before(start: IndexKey, end: IndexKey, node: { start: IndexKey; end: IndexKey }): boolean {
  return start < node.start || (start === node.start && end < node.end);
}

function find<T>(root: Node<T> | null, start: IndexKey, end: IndexKey): Node<T> | null {
  let node = root;
  while (node !== null) {
    if (node.start === start && node.end === end) return node;
    node = before(start, end, node) ? node.left : node.right;
  }
  return null;
}

function collect<T>(root: Node<T>, key: IndexKey, found: T[]): void {
  let node: Node<T> | null = root;
  // Descends to the right in the loop and to the left by recursion: the depth stays logarithmic.
  while (node !== null && node.endMax > key) {
    if (node.left !== null) collect(node.left, key, found);
    if (node.start > key) return;
    if (node.end > key) { for (const item of node.items) found.push(item); }
    node = node.right;
  }
}

function updateEndMax<T>(node: Node<T>): void {
  let endMax = node.end;
  if (node.left !== null && node.left.endMax > endMax) endMax = node.left.endMax;
  if (node.right !== null && node.right.endMax > endMax) endMax = node.right.endMax;
  node.endMax = endMax;
}

/** Puts a node with a new interval below `root`; returns the new root. */
function insert<T>(root: Node<T> | null, added: Node<T>): Node<T> {
  if (root === null) return added;
  if (added.priority > root.priority) {
    const [left, right] = split(root, added);
    added.left = left;
    added.right = right;
    updateEndMax(added);
    return added;
  }
  if (before(added.start, added.end, root)) root.left = insert(root.left, added);
  else root.right = insert(root.right, added);
  if (added.end > root.endMax) root.endMax = added.end;
  return root;
}

/** Cuts a tree into the nodes before and after `at`. */
function split<T>(root: Node<T> | null, at: Node<T>): [Node<T> | null, Node<T> | null] {
  if (root === null) return [null, null];
  if (before(at.start, at.end, root)) {
    const [left, right] = split(root.left, at);
    root.left = right;
    updateEndMax(root);
    return [left, root];
  }
  const [left, right] = split(root.right, at);
  root.right = left;
  updateEndMax(root);
  return [root, right];
}

function removeNode<T>(root: Node<T>, start: IndexKey, end: IndexKey): Node<T> | null {
  if (root.start === start && root.end === end) return join(root.left, root.right);
  if (before(start, end, root)) root.left = root.left && removeNode(root.left, start, end);
  else root.right = root.right && removeNode(root.right, start, end);
  updateEndMax(root);
  return root;
}

/** Joins two trees of which all nodes of the first come before those of the second. */
function join<T>(left: Node<T> | null, right: Node<T> | null): Node<T> | null {
  if (left === null) return right;
  if (right === null) return left;
  if (left.priority > right.priority) {
    left.right = join(left.right, right);
    updateEndMax(left);
    return left;
  }
  right.left = join(left, right.left);
  updateEndMax(right);
  return right;
}
