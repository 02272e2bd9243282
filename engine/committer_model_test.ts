import assert from "node:assert/strict";
import fc from "fast-check";
import {
  BY_K,
  contentOf,
  document,
  newDocument,
  newId,
  readOf,
  type Stand,
  TABLET,
  withStand,
} from "./testing/committer_stand.ts";
import { openReadOnly, SnapshotReader } from "./snapshot.ts";
import type { Timestamp } from "./timestamp.ts";
import type { DocumentWrite, FlatReadSet } from "./types.ts";
import { encodeKey, KEY_AFTER } from "./values/key.ts";

const SLOTS = 5;

/** One change of a slot: to a value of `k`, or to nothing. */
const change = fc.record({
  slot: fc.integer({ min: 0, max: SLOTS - 1 }),
  k: fc.option(fc.integer({ min: 0, max: 4 })),
});
const step = fc.record({
  /** How many commits ago the transaction took its snapshot. */
  age: fc.integer({ min: 0, max: 4 }),
  isolate: fc.option(fc.integer({ min: 1, max: 2 })),
  changes: fc.uniqueArray(change, { minLength: 1, maxLength: 3, selector: ({ slot }) => slot }),
  /** A range of `k` that it read besides what it writes. */
  range: fc.option(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 5 }))),
  /** Whether the group ends here. */
  pause: fc.boolean(),
});

/** The obvious implementation: whole states, and every commit compared with every read. */
interface ModelCommit {
  readonly ts: Timestamp;
  readonly isolate: number | null;
  readonly touched: readonly { readonly id: string; readonly ks: readonly number[] }[];
  /** The value of each slot afterwards. */
  readonly state: readonly (number | null)[];
}

class Model {
  readonly commits: ModelCommit[];
  /** The id that each slot's document has, or had. A slot that was emptied gets a new one. */
  readonly ids: string[] = Array.from({ length: SLOTS }, () => newId());

  constructor(start: Timestamp) {
    const state = new Array<null>(SLOTS).fill(null);
    this.commits = [{ ts: start, isolate: null, touched: [], state }];
  }

  get latest(): ModelCommit {
    return this.commits.at(-1)!;
  }

  conflicts(
    begin: Timestamp,
    isolate: number | null,
    ids: readonly string[],
    range: readonly [number, number] | null,
  ): boolean {
    return this.commits.some((commit) =>
      commit.ts > begin && (isolate === null || commit.isolate !== isolate) &&
      commit.touched.some(({ id, ks }) =>
        ids.includes(id) ||
        (range !== null && ks.some((k) => range[0] <= k && k < range[1]))
      )
    );
  }
}

async function play({ committer, db, path }: Stand, steps: readonly StepValue[]): Promise<void> {
  const model = new Model(committer.latest);
  const known = new Map<Timestamp, readonly (string | null)[]>();
  const pending: Promise<void>[] = [];
  let seq = 0;
  for (const { age, isolate, changes, range, pause } of steps) {
    const begin = model.commits.at(Math.max(-1 - age, -model.commits.length))!.ts;
    const { state } = model.latest;
    const writes: DocumentWrite[] = [];
    const readSet: (number | string)[] = [];
    const touched: { id: string; ks: number[] }[] = [];
    const after = [...state];
    for (const { slot, k } of changes) {
      const old = state[slot]!;
      if (old === null && k === null) continue;
      const id = model.ids[slot]!;
      readSet.push(...readOf(id));
      if (k === null) writes.push({ tablet: TABLET, id, json: null, isNew: false });
      else if (old === null) writes.push(newDocument(TABLET, id, { k }));
      else writes.push(document(TABLET, id, { k }));
      after[slot] = k;
      if (k !== old) touched.push({ id, ks: [old, k].filter((value) => value !== null) });
    }
    if (writes.length === 0) continue;
    if (range !== null) readSet.push(BY_K, encodeKey([range[0]]), encodeKey([range[1]]));
    const ids = writes.map(({ id }) => id);
    const expected = model.conflicts(begin, isolate, ids, range) ? "conflict" : "committed";
    const promise = committer.commit({
      begin,
      readSet: readSet as FlatReadSet,
      writes,
      source: null,
      ...(isolate === null ? {} : { chain: { isolate, seq: ++seq } }),
    });
    pending.push(promise.then((result) => assert.equal(result.kind, expected)));
    if (expected === "committed" && touched.length > 0) {
      model.commits.push({ ts: committer.latest, isolate, touched, state: after });
      known.set(committer.latest, after.map((k, slot) => k === null ? null : model.ids[slot]!));
      // A document that was deleted never comes back under its id.
      for (const [slot, k] of after.entries()) {
        if (k === null && state[slot] !== null) model.ids[slot] = newId();
      }
    }
    if (pause) await Promise.all(pending.splice(0));
  }
  await Promise.all(pending);

  const { documents, entries } = contentOf(db);
  const { state } = model.latest;
  const expected = state.flatMap((k, slot) => k === null ? [] : [{ id: model.ids[slot]!, k }]);
  assert.deepEqual([...documents.keys()], expected.map(({ id }) => id).sort());
  for (const { id, k } of expected) assert.equal(JSON.parse(documents.get(id)!).k, k);
  for (const index of entries) assert.equal(index.length, expected.length);
  assert.deepEqual(
    entries[2]!.map((entry) => entry.split(" → ")[1]),
    expected.toSorted((a, b) => a.k - b.k || (a.id < b.id ? -1 : 1)).map(({ id }) => id),
  );
  checkHistory(path, model, known);
}

type StepValue = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Every state that ever was can be read at its timestamp, through the undo log. */
function checkHistory(
  path: string,
  model: Model,
  known: ReadonlyMap<Timestamp, readonly (string | null)[]>,
): void {
  const db = openReadOnly(path);
  try {
    const reader = new SnapshotReader(db);
    for (const { ts, state } of model.commits) {
      const ids = known.get(ts);
      if (ids === undefined) continue;
      const snapshot = reader.open(ts);
      try {
        const rows = snapshot.scan(BY_K, { start: "", end: KEY_AFTER }, "asc", 100);
        const seen = new Map(rows.map((row) => [row.id, JSON.parse(row.json).k]));
        const there = ids.flatMap((id, slot) => id === null ? [] : [[id, state[slot]] as const]);
        assert.deepEqual(seen, new Map(there.toSorted(([a], [b]) => order(seen, a, b))));
      } finally {
        snapshot.close();
      }
    }
  } finally {
    db.close();
  }
}

function order(seen: ReadonlyMap<string, unknown>, a: string, b: string): number {
  const ids = [...seen.keys()];
  return ids.indexOf(a) - ids.indexOf(b);
}

Deno.test("the committer agrees with a model that compares everything with everything", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      (steps) => withStand((stand) => play(stand, steps)),
    ),
    { numRuns: 60 },
  );
});
