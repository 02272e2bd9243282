// Faults put into the database on purpose, by the test alone: each must be noticed by the fuzzer, or
// the fuzzer is blind there.

import { CommitLog } from "../../engine/commit_log.ts";
import { Durability } from "../../engine/durability.ts";
import { Overlay } from "../../engine/overlay.ts";
import { SnapshotReader } from "../../engine/snapshot.ts";
import { Transaction } from "../../engine/transaction.ts";
import type { IndexId, Interval, Order, Snapshot } from "../../engine/types.ts";
import { UndoLog } from "../../engine/undo_log.ts";
import { KEY_AFTER } from "../../engine/values/key.ts";
import { type Compare, compareInOrder } from "./model/values.ts";

export interface Canary {
  readonly name: string;
  /** Puts the fault in; returns how to take it out again. */
  readonly put: () => () => void;
  /** For a fault of the model's own. */
  readonly compare?: Compare;
}

/** Replaces a method of a class. */
function replace<T extends object, K extends keyof T>(prototype: T, name: K, method: T[K]) {
  return () => {
    const original = prototype[name];
    prototype[name] = method;
    return () => {
      prototype[name] = original;
    };
  };
}

/** Takes `<=` for `<` at the upper end of a range. */
class Exclusive implements Snapshot {
  constructor(readonly inner: Snapshot) {}

  get ts() {
    return this.inner.ts;
  }

  get catalog() {
    return this.inner.catalog;
  }

  get(tablet: number, id: string) {
    return this.inner.get(tablet, id);
  }

  scan(index: IndexId, { start, end }: Interval, order: Order, limit: number) {
    const isBound = end.length > 1 && end.endsWith(KEY_AFTER) &&
      !start.startsWith(end.slice(0, -1));
    return this.inner.scan(index, { start, end: isBound ? end.slice(0, -1) : end }, order, limit);
  }

  close() {
    this.inner.close();
  }
}

const openSnapshot = SnapshotReader.prototype.open;

export const CANARIES: readonly Canary[] = [
  {
    name: "a bound that should be included is not",
    put: replace(SnapshotReader.prototype, "open", function (this: SnapshotReader, at) {
      return new Exclusive(openSnapshot.call(this, at));
    }),
  },
  {
    name: "strings are compared by code units",
    put: () => () => {},
    compare: (a, b) =>
      typeof a === "string" && typeof b === "string"
        ? (a < b ? -1 : a > b ? 1 : 0)
        : compareInOrder(a, b),
  },
  {
    name: "zero and minus zero are equal",
    put: () => () => {},
    compare: (a, b) => a === 0 && b === 0 ? 0 : compareInOrder(a, b),
  },
  {
    name: "the committer does not validate",
    put: replace(CommitLog.prototype, "findConflict", () => null),
  },
  {
    name: "scans of indexes are not recorded",
    put: replace(Transaction.prototype, "recordInterval", () => {}),
  },
  {
    name: "commits are acknowledged before they are durable",
    put: replace(Durability.prototype, "flush", () => Promise.resolve()),
  },
  {
    name: "failed nested mutations are not rolled back",
    put: replace(Transaction.prototype, "rollbackNested", Transaction.prototype.commitNested),
  },
  {
    name: "older timestamps show the present",
    put: replace(UndoLog.prototype, "overlayAt", () => new Overlay()),
  },
];
