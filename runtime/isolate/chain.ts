// The isolate's chain: writes of mutations that it has executed and the committer has not yet
// accepted, laid over the snapshot for the next mutation. So mutations on the same documents need
// not wait for each other's commits (ARCHITECTURE.md, "Isolates").

import { COMMIT_TS_TOKEN } from "../../engine/commit_ts_token.ts";
import { overlaid, Overlay } from "../../engine/overlay.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { DocumentWrite, Snapshot } from "../../engine/types.ts";

interface Member {
  readonly seq: number;
  readonly writes: readonly DocumentWrite[];
}

export class Chain {
  #members: Member[] = [];
  #lastSeq = 0;
  /** Positions of members whose writes the commit will change: they hold its timestamp. */
  #unresolved: number[] = [];
  /** The members over the snapshot that was last asked for; later members are put on top. */
  #view: { readonly base: Snapshot; readonly overlay: Overlay; readonly view: Snapshot } | null =
    null;

  /** Takes the position of the next mutation. */
  next(): number {
    return ++this.#lastSeq;
  }

  /** Later mutations see these writes. */
  add(seq: number, writes: readonly DocumentWrite[]): void {
    if (writes.length === 0) return;
    this.#members.push({ seq, writes });
    if (writes.some(({ json }) => json?.includes(COMMIT_TS_TOKEN))) this.#unresolved.push(seq);
    if (this.#view !== null) putAll(this.#view.overlay, writes, this.#view.base.ts);
  }

  /** A member after `upTo` was refused: those after `upTo` never happened. */
  reset(upTo: number): void {
    this.#members = this.#members.filter((member) => member.seq <= upTo);
    this.#unresolved = this.#unresolved.filter((seq) => seq <= upTo);
    this.#view = null;
  }

  /**
   * Whether it is known what the members write that a snapshot does not contain; else the next
   * mutation has to wait for their commits.
   */
  isResolved(included: number): boolean {
    if (this.#unresolved.length === 0) return true;
    this.#unresolved = this.#unresolved.filter((seq) => seq > included);
    return this.#unresolved.length === 0;
  }

  /**
   * The snapshot with the members that it does not contain.
   * @param included greatest position whose commit the snapshot contains.
   */
  over(snapshot: Snapshot, included: number): Snapshot {
    if (this.#view?.base === snapshot) return this.#view.view;
    this.#members = this.#members.filter((member) => member.seq > included);
    this.#view = null;
    if (this.#members.length === 0) return snapshot;
    const overlay = new Overlay();
    for (const { writes } of this.#members) putAll(overlay, writes, snapshot.ts);
    this.#view = { base: snapshot, overlay, view: overlaid(snapshot, overlay) };
    return this.#view.view;
  }

  /** Forgets the snapshot, which is about to be closed. */
  release(): void {
    this.#view = null;
  }
}

function putAll(overlay: Overlay, writes: readonly DocumentWrite[], ts: Timestamp): void {
  for (const { tablet, id, json, isNew } of writes) overlay.put(tablet, id, json, ts, isNew);
}
