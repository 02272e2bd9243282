// Live queries of the fuzzer. Their read sets must say exactly when an answer may have changed, to the
// committer and to the interval map that subscriptions are found by.

import { IntervalMap } from "../../engine/interval_map.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { FlatReadSet } from "../../engine/types.ts";
import type { Traced } from "./call.ts";
import { checkCalls, Mismatch } from "./compare.ts";
import { ModelTransaction } from "./model/transaction.ts";
import type { Op } from "./program.ts";
import { Subject } from "./subject.ts";
import type { World } from "./world.ts";

interface Watch {
  readonly ops: readonly Op[];
  readonly calls: readonly Traced[];
  readonly model: ModelTransaction;
  readonly readSet: FlatReadSet;
  readonly ts: Timestamp;
  /** The first commit that touched the read set, by the interval map. */
  touchedAt: Timestamp | null;
}

export class Watches {
  #watches: Watch[] = [];
  readonly #map = new IntervalMap<Watch>();

  constructor(readonly world: World) {
    world.engine.onCommit(({ ts, keys }) => {
      for (const [index, list] of keys) {
        for (const key of list) {
          for (const watch of this.#map.stab(index, key)) {
            if (ts > watch.ts) watch.touchedAt ??= ts;
          }
        }
      }
    });
  }

  add(ops: readonly Op[]): void {
    const { world } = this;
    let calls: Traced[] = [];
    let model: ModelTransaction | null = null;
    const { ts, readSet } = world.engine.read((tx) => {
      calls = new Subject(tx, world).run(ops);
      model = world.checkExecution(calls, world.versionAt(tx.begin).state, `watch at ${tx.begin}`);
    });
    const watch = { ops, calls, model: model!, readSet, ts, touchedAt: null };
    this.#watches.push(watch);
    this.#map.add(readSet, watch);
  }

  /** When everything is durable: compares what the read sets say with what happened. */
  check(): void {
    const watches = this.#watches;
    this.#watches = [];
    for (const watch of watches) {
      if (this.#isFresh(watch)) {
        this.#watches.push(watch);
      } else {
        this.#map.remove(watch);
        this.add(watch.ops);
      }
    }
  }

  #isFresh(watch: Watch): boolean {
    const { world } = this;
    const { committer, catalog } = world.engine;
    const found = committer.firstChange(watch.readSet, watch.ts);
    // The clock has jumped: the commits since then are forgotten.
    if (found === "unknown") return false;
    const expected = world.firstTouch(watch.model, watch.ts);
    const isExplained = catalog.version > watch.ts
      ? expected === null || (found !== null && found <= expected)
      : found === expected;
    if (!isExplained) {
      throw new Mismatch(`a watch since ${watch.ts} changed at ${expected}, not at ${found}`);
    }
    // Commits of the database's own may be on their way to the listeners.
    if (watch.touchedAt !== found && (found ?? Infinity) <= committer.durable) {
      throw new Mismatch(`the interval map says ${watch.touchedAt}, the commit log ${found}`);
    }
    if (found !== null) return false;
    const { state } = world.latest;
    checkCalls(watch.calls, new ModelTransaction(state, state, world.model), "an untouched watch");
    return true;
  }
}
