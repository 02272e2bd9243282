// The isolate's chain: writes of mutations that it has executed and the committer has not yet
// accepted, laid over the snapshot for the next mutation. So mutations on the same documents need
// not wait for each other's commits (ARCHITECTURE.md, "Isolates").

import { overlaid, Overlay } from "../../engine/overlay.ts";
import type { DocumentWrite, Snapshot } from "../../engine/types.ts";

interface Member {
  readonly seq: number;
  readonly writes: readonly DocumentWrite[];
}

export class Chain {
  #members: Member[] = [];
  #lastSeq = 0;

  /** Takes the position of the next mutation. */
  next(): number {
    return ++this.#lastSeq;
  }

  /** Later mutations see these writes. */
  add(seq: number, writes: readonly DocumentWrite[]): void {
    if (writes.length > 0) this.#members.push({ seq, writes });
  }

  /** A member after `upTo` was refused: those after `upTo` never happened. */
  reset(upTo: number): void {
    this.#members = this.#members.filter((member) => member.seq <= upTo);
  }

  /**
   * The snapshot with the members that it does not contain.
   * @param included greatest position whose commit the snapshot contains.
   */
  over(snapshot: Snapshot, included: number): Snapshot {
    this.#members = this.#members.filter((member) => member.seq > included);
    if (this.#members.length === 0) return snapshot;
    const overlay = new Overlay();
    for (const { writes } of this.#members) {
      for (const { tablet, id, json, isNew } of writes) {
        overlay.put(tablet, id, json, snapshot.ts, isNew);
      }
    }
    return overlaid(snapshot, overlay);
  }

  get length(): number {
    return this.#members.length;
  }
}
