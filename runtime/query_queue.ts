// The queries that wait for an isolate, in a fair order. Short and long ones wait in lanes of their own,
// which take turns; in a lane the clients take turns, and among a client's calls its functions do, one
// call each. So neither one client's flood nor the long queries of many hold a small query up, and
// nobody's long query waits without end.

import { CallQueue, type PendingCall, type WaitingLine } from "./call_queue.ts";

/** What {@link Turns} takes turns among. */
interface TurnTaker extends WaitingLine {
  push(call: PendingCall): void;
  excuse(milliseconds: number, nowMs: number): void;
  removeLate(isTooLate: (call: PendingCall) => boolean): PendingCall[];
}

/** Calls grouped by a name; the groups take turns, one call each. */
class Turns<Group extends TurnTaker> implements TurnTaker {
  /** Whose turn is next first; none is empty. */
  readonly #groups = new Map<string, Group>();
  readonly #nameOf: (call: PendingCall) => string;
  readonly #newGroup: () => Group;
  #length = 0;

  constructor(nameOf: (call: PendingCall) => string, newGroup: () => Group) {
    this.#nameOf = nameOf;
    this.#newGroup = newGroup;
  }

  get length(): number {
    return this.#length;
  }

  get first(): PendingCall | undefined {
    return this.#length === 0 ? undefined : this.#groups.values().next().value!.first;
  }

  /** How many calls of a group wait. */
  waitingOf(name: string): number {
    return this.#groups.get(name)?.length ?? 0;
  }

  push(call: PendingCall): void {
    const name = this.#nameOf(call);
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, group = this.#newGroup());
    group.push(call);
    this.#length++;
  }

  /** Takes the first call, and its group's turn with it. */
  shift(): PendingCall | undefined {
    if (this.#length === 0) return undefined;
    const [name, group] = this.#groups.entries().next().value!;
    const call = group.shift();
    this.#groups.delete(name);
    if (group.length > 0) this.#groups.set(name, group);
    this.#length--;
    return call;
  }

  /** Does not count the last so many milliseconds as waiting. */
  excuse(milliseconds: number, nowMs: number): void {
    for (const group of this.#groups.values()) group.excuse(milliseconds, nowMs);
  }

  /** Takes away the oldest calls of every group while they are too late. */
  removeLate(isTooLate: (call: PendingCall) => boolean): PendingCall[] {
    const late: PendingCall[] = [];
    for (const [name, group] of this.#groups) {
      late.push(...group.removeLate(isTooLate));
      if (group.length === 0) this.#groups.delete(name);
    }
    this.#length -= late.length;
    return late;
  }
}

function newLane() {
  const byFunction = () => new Turns(({ source }) => source, () => new CallQueue());
  return new Turns(({ client }) => client, byFunction);
}

export class QueryQueue {
  readonly #isShort: (call: PendingCall) => boolean;
  readonly #waitingMax: number;
  /** Calls that had been handed out already; they go before all others. */
  readonly #returned = new CallQueue();
  readonly #short = newLane();
  readonly #long = newLane();
  #isLongNext = false;

  /**
   * @param isShort as far as is known now; asked again before a call runs.
   * @param waitingMax calls that may wait
   */
  constructor(isShort: (call: PendingCall) => boolean, waitingMax: number) {
    this.#isShort = isShort;
    this.#waitingMax = waitingMax;
  }

  get length(): number {
    return this.#returned.length + this.#short.length + this.#long.length;
  }

  /**
   * Adds a call; false if its client has as many waiting as there are places left. So a client that
   * floods the queue fills half of it, two fill two thirds, and there is always room for the others.
   */
  push(call: PendingCall): boolean {
    const own = this.#short.waitingOf(call.client) + this.#long.waitingOf(call.client);
    if (own >= this.#waitingMax - this.length) return false;
    (this.#isShort(call) ? this.#short : this.#long).push(call);
    return true;
  }

  /** Puts calls, oldest first, before all others. */
  putBack(calls: readonly PendingCall[]): void {
    this.#returned.putBack(calls);
  }

  /** What may be taken from, the preferred line first. */
  get lines(): readonly WaitingLine[] {
    this.#sort();
    return this.#isLongNext
      ? [this.#returned, this.#long, this.#short]
      : [this.#returned, this.#short, this.#long];
  }

  /** The same, for an isolate that takes short calls only. */
  get shortLines(): readonly WaitingLine[] {
    this.#sort();
    const { first } = this.#returned;
    const isShort = first !== undefined && !first.isSolo && this.#isShort(first);
    return isShort ? [this.#returned, this.#short] : [this.#short];
  }

  /** Calls were taken from a line of {@link lines}: it is the other lane's turn. */
  taken(line: WaitingLine): void {
    if (line === this.#short) this.#isLongNext = true;
    else if (line === this.#long) this.#isLongNext = false;
  }

  /** Does not count the last so many milliseconds as waiting. */
  excuse(milliseconds: number, nowMs: number): void {
    for (const line of this.#all) line.excuse(milliseconds, nowMs);
  }

  /** Takes away the calls that have waited too long. */
  removeLate(isTooLate: (call: PendingCall) => boolean): PendingCall[] {
    return this.#all.flatMap((line) => line.removeLate(isTooLate));
  }

  /** Empties the queue. */
  drain(): PendingCall[] {
    return this.removeLate(() => true);
  }

  get #all(): readonly TurnTaker[] {
    return [this.#returned, this.#short, this.#long];
  }

  /** Calls of functions that turned out to be long while they waited change the lane. */
  #sort(): void {
    for (let first = this.#short.first; first !== undefined; first = this.#short.first) {
      if (this.#isShort(first)) return;
      this.#long.push(this.#short.shift()!);
    }
  }
}
