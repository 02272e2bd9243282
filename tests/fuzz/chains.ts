// Isolates of the fuzzer: each runs mutations on top of its own unconfirmed ones.

import type { Timestamp } from "../../engine/timestamp.ts";
import type { FinishedTransaction } from "../../engine/types.ts";
import { Chain } from "../../runtime/isolate/chain.ts";
import type { Traced } from "./call.ts";
import { Mismatch } from "./compare.ts";
import { applied, type Difference, difference, type ModelState } from "./model/state.ts";
import type { ModelTransaction } from "./model/transaction.ts";
import type { Op } from "./program.ts";
import { Subject } from "./subject.ts";
import type { World } from "./world.ts";

interface Member {
  readonly seq: number;
  readonly calls: readonly Traced[];
  readonly begin: ModelState;
  readonly model: ModelTransaction | null;
  readonly changes: Difference;
  readonly finished: Omit<FinishedTransaction, "source">;
}

interface Isolate {
  readonly chain: Chain;
  /** Executed and not offered to the committer. */
  queue: Member[];
  /** All members that a snapshot may not contain yet. */
  members: Member[];
  accepted: number;
}

const NO_CHANGES: Difference = { tables: new Map(), documents: new Map() };

export class Chains {
  readonly #isolates = new Map<number, Isolate>();

  constructor(readonly world: World) {}

  run(number: number, ops: readonly Op[]): void {
    const { world } = this;
    const isolate = this.#isolate(number);
    const view = world.reader.begin();
    try {
      const included = view.chainSeq(number);
      // It waits until the timestamp is known that an earlier mutation has written.
      if (!isolate.chain.isResolved(included)) return;
      isolate.members = isolate.members.filter(({ seq }) => seq > included);
      const begin = isolate.members.reduce(
        (state, { changes }) => applied(state, changes),
        world.versionAt(view.ts).state,
      );
      const tx = world.transaction(isolate.chain.over(view.latest, included));
      const calls = new Subject(tx, world).run(ops);
      const finished = tx.finish();
      // With tables that another commit has created since, the chain lies on what does not fit: it
      // will be refused, and what it saw until then does not matter.
      const { version } = world.engine.catalog;
      const isDoomed = isolate.members.some((member) =>
        member.model === null || version > member.finished.begin
      );
      const model = isDoomed
        ? null
        : world.checkExecution(calls, begin, `chain of ${number} on ${view.ts}`);
      const seq = isolate.chain.next();
      isolate.chain.add(seq, finished.writes);
      const changes = model === null ? NO_CHANGES : difference(begin, model.state);
      const member = { seq, calls, begin, model, changes, finished };
      isolate.queue.push(member);
      isolate.members.push(member);
    } finally {
      view.close();
    }
  }

  /** Offers the next members to the committer. */
  async commit(
    number: number,
    count: number,
    expect: (done: Promise<unknown>) => void,
  ): Promise<void> {
    const isolate = this.#isolate(number);
    for (let i = 0; i < count; i++) {
      const member = isolate.queue.shift();
      if (member === undefined) return;
      if (await this.#commitOne(number, isolate, member, expect)) continue;
      isolate.queue = [];
      isolate.members = isolate.members.filter(({ seq }) => seq <= isolate.accepted);
      isolate.chain.reset(isolate.accepted);
      return;
    }
  }

  /** False if it was refused. */
  async #commitOne(
    number: number,
    isolate: Isolate,
    { seq, calls, begin, model, finished }: Member,
    expect: (done: Promise<unknown>) => void,
  ): Promise<boolean> {
    const { world } = this;
    const touchedAt = model === null ? null : world.firstTouch(model, finished.begin, number);
    const hasChangedCatalog = world.engine.catalog.version > finished.begin;
    let accepted: Timestamp | null = null;
    const result = world.engine.committer.commit(
      { ...finished, source: "chain", chain: { isolate: number, seq } },
      (ts) => accepted = ts,
    );
    if (accepted !== null) {
      if (touchedAt !== null) {
        throw new Mismatch(`a conflict at ${touchedAt} was missed in a chain`);
      }
      isolate.accepted = seq;
      world.accept(calls, begin, accepted, number);
      expect(result);
      return true;
    }
    const refused = await result;
    if (refused.kind === "committed") throw new Mismatch("committed without a place in the order");
    const isUnexplained = model !== null && !hasChangedCatalog &&
      (refused.conflict.id !== null || !world.isForgotten(finished.begin));
    if (touchedAt === null && isUnexplained) {
      throw new Mismatch(`a conflict without a reason: ${JSON.stringify(refused.conflict)}`);
    }
    return false;
  }

  #isolate(number: number): Isolate {
    let isolate = this.#isolates.get(number);
    if (isolate === undefined) {
      isolate = { chain: new Chain(), queue: [], members: [], accepted: 0 };
      this.#isolates.set(number, isolate);
    }
    return isolate;
  }
}
