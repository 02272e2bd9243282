// Is there an order of the transactions, executed one after the other, in which each saw what it saw,
// and in which none comes before another that had been answered when it was sent?
//
// Lists that only grow show the order of the appends to them, and registers do when each write tells
// what it replaced. From that follow the dependencies between transactions: who wrote what the other
// read (wr) or replaced (ww), and who read what the other replaced (rw). An order exists if, with the
// order of time, these have no cycle (Adya; the method is that of Elle).

import { findCycle, Graph } from "./graph.ts";
import type { Observation, RecordedTransaction } from "./history.ts";

/** The values that the writes of one list or register added, oldest first. */
type Versions = readonly number[];

/** A look at the database, not at an own write of the transaction. */
interface Read {
  readonly reader: number;
  readonly state: Observation;
  /** The value that the transaction wrote on top of it, if it did. */
  readonly written: number | null;
}

/** Sentences about what cannot have happened in any order; empty if the history is serializable. */
export function anomaliesOf(transactions: readonly RecordedTransaction[]): string[] {
  return new HistoryCheck(transactions).run();
}

class HistoryCheck {
  readonly #anomalies: string[] = [];
  /** Who appended or wrote a value. */
  readonly #writers = new Map<number, number>();
  readonly #graph = new Graph();

  constructor(readonly transactions: readonly RecordedTransaction[]) {}

  run(): string[] {
    this.transactions.forEach((transaction, i) => {
      for (const { type, value } of transaction.operations) {
        if (type === "append" || type === "write") this.#writers.set(value, i);
      }
      this.#checkInside(transaction);
    });
    this.#dependOnLists();
    this.#dependOnRegisters();
    this.#dependOnTime();
    const cycle = findCycle(this.#graph);
    if (cycle !== null) this.#anomalies.push(this.#describe(cycle));
    return this.#anomalies;
  }

  /** Each transaction must see its own writes, and nothing else may change while it runs. */
  #checkInside({ name, operations, observations }: RecordedTransaction): void {
    if (observations === null) return;
    const seen = new Map<string, Observation>();
    operations.forEach(({ type, key, value }, i) => {
      const place = placeOf(type, key);
      const observed = observations[i]!;
      const expected = seen.get(place);
      if (expected !== undefined && JSON.stringify(expected) !== JSON.stringify(observed)) {
        this.#anomalies.push(
          `${name} saw ${JSON.stringify(observed)} in ${place}, after ${JSON.stringify(expected)}`,
        );
      }
      if (type === "append") seen.set(place, [...observed as readonly number[], value]);
      else if (type === "write") seen.set(place, value);
      else seen.set(place, observed);
    });
  }

  #dependOnLists(): void {
    for (const [place, reads] of this.#readsOf("append", "list")) {
      const longest = reads.map(({ state }) => state as readonly number[])
        .reduce((a, b) => a.length >= b.length ? a : b, []);
      if (new Set(longest).size < longest.length) {
        this.#anomalies.push(`${place} has a value twice`);
      }
      this.#dependOnVersions(place, longest);
      for (const { reader, state } of reads) {
        const list = state as readonly number[];
        if (list.every((value, position) => longest[position] === value)) {
          this.#dependOnRead(reader, longest, list.length - 1);
        } else {
          this.#anomalies.push(
            `${this.#name(reader)} saw ${place} as ${JSON.stringify(list)}, others as ` +
              JSON.stringify(longest),
          );
        }
      }
    }
  }

  #dependOnRegisters(): void {
    for (const [place, reads] of this.#readsOf("write", "register")) {
      const replacedBy = new Map<number | null, number>();
      for (const { state, written } of reads) {
        if (written === null) continue;
        const other = replacedBy.get(state as number | null);
        if (other !== undefined) {
          this.#anomalies.push(
            `${this.#writerName(other)} and ${this.#writerName(written)} both replaced ${state} ` +
              `in ${place}`,
          );
        }
        replacedBy.set(state as number | null, written);
      }
      const versions: number[] = [];
      for (let next = replacedBy.get(null); next !== undefined; next = replacedBy.get(next)) {
        if (versions.includes(next)) break;
        versions.push(next);
      }
      this.#dependOnVersions(place, versions);
      for (const { reader, state } of reads) {
        const position = state === null ? -1 : versions.indexOf(state as number);
        if (state === null || position >= 0) this.#dependOnRead(reader, versions, position);
        // Behind a write without an answer the order is not known.
        else if (!this.#writers.has(state as number)) {
          this.#anomalies.push(`${this.#name(reader)} saw ${state} in ${place}: nobody wrote it`);
        }
      }
    }
  }

  #readsOf(write: "append" | "write", read: "list" | "register"): Map<string, Read[]> {
    const reads = new Map<string, Read[]>();
    this.transactions.forEach(({ operations, observations }, reader) => {
      if (observations === null) return;
      const own = new Set<string>();
      operations.forEach(({ type, key, value }, i) => {
        if (type !== write && type !== read) return;
        const place = placeOf(type, key);
        const isOwn = own.has(place);
        if (type === write) own.add(place);
        if (isOwn && type === read) return;
        const list = reads.get(place) ?? [];
        reads.set(place, list);
        const state = observations[i]!;
        list.push({ reader, state, written: type === write ? value : null });
        // What an append made of the list is as good as read.
        if (type === "append") {
          list.push({ reader, state: [...state as readonly number[], value], written: null });
        }
      });
    });
    return reads;
  }

  /** Writers of one place depend on each other in its order. */
  #dependOnVersions(place: string, versions: Versions): void {
    versions.forEach((value, position) => {
      const writer = this.#writers.get(value);
      if (writer === undefined) {
        this.#anomalies.push(`${place} holds ${value}: nobody wrote it`);
        return;
      }
      const previous = position === 0 ? undefined : this.#writers.get(versions[position - 1]!);
      if (previous !== undefined) this.#graph.add(previous, writer, "ww");
    });
  }

  /** @param position of the last version that the reader saw; -1: there was none */
  #dependOnRead(reader: number, versions: Versions, position: number): void {
    const writer = position < 0 ? undefined : this.#writers.get(versions[position]!);
    if (writer !== undefined) this.#graph.add(writer, reader, "wr");
    const next = versions[position + 1];
    const overwriter = next === undefined ? undefined : this.#writers.get(next);
    if (overwriter !== undefined) this.#graph.add(reader, overwriter, "rw");
  }

  /**
   * Who was answered before another was sent comes first. Edges from those answers are enough that
   * no other transaction lies behind.
   */
  #dependOnTime(): void {
    const events = this.transactions.flatMap(({ sentAt, answeredAt }, i) => [
      { at: sentAt, isAnswer: false, i },
      ...(answeredAt === Infinity ? [] : [{ at: answeredAt, isAnswer: true, i }]),
    ]).sort((a, b) => a.at - b.at);
    /** Answered transactions that do not precede another answered one. */
    let frontier: number[] = [];
    const before = new Map<number, ReadonlySet<number>>();
    for (const { isAnswer, i } of events) {
      if (isAnswer) {
        frontier = [...frontier.filter((other) => !before.get(i)!.has(other)), i];
      } else {
        before.set(i, new Set(frontier));
        for (const earlier of frontier) this.#graph.add(earlier, i, "time");
      }
    }
  }

  #name(transaction: number): string {
    return this.transactions[transaction]!.name;
  }

  #writerName(value: number): string {
    return this.#name(this.#writers.get(value)!);
  }

  #describe(cycle: readonly number[]): string {
    const steps = cycle.map((from, i) => {
      const to = cycle[(i + 1) % cycle.length]!;
      return `${this.#name(from)} ${this.#show(from)}\n  before (${this.#graph.kind(from, to)})`;
    });
    return `these cannot be put in an order:\n${steps.join("\n")} the first`;
  }

  #show(transaction: number): string {
    const { operations, observations } = this.transactions[transaction]!;
    return operations.map(({ type, key, value }, i) => {
      const observed = observations === null ? "?" : JSON.stringify(observations[i]);
      const written = type === "append" || type === "write" ? `, ${value}` : "";
      return `${type}(${key}${written}) = ${observed}`;
    }).join("; ");
  }
}

function placeOf(type: RecordedTransaction["operations"][number]["type"], key: number): string {
  return `${type === "append" || type === "list" ? "list" : "register"} ${key}`;
}
