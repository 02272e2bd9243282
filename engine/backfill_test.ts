import assert from "node:assert/strict";
import { addBatch, BATCH_DOCUMENTS } from "./backfill.ts";
import type { IndexInfo } from "./catalog.ts";
import { newDocument, newId, TABLET, transaction, withStand } from "./testing/committer_stand.ts";

const NEW_INDEX: IndexInfo = {
  id: 2 ** 34,
  tablet: TABLET,
  name: "by_k_new",
  fields: ["k", "_creationTime"],
  paths: [["k"], ["_creationTime"]],
  kind: "database",
  state: "backfilling",
  staged: false,
};
const DOCUMENTS = BATCH_DOCUMENTS * 2 + 10;

Deno.test("a backfill goes on behind the last document, and over again if that is gone", async () => {
  await withStand(async ({ committer, db }) => {
    const ids = Array.from({ length: DOCUMENTS }, () => newId()).sort();
    const writes = ids.map((id, k) => newDocument(TABLET, id, { k }));
    await committer.commit(transaction(committer, writes));
    const batch = () => committer.maintain((writer) => addBatch(writer, NEW_INDEX));
    const entries = () => {
      const row = db.prepare("SELECT count(*) AS n FROM entries WHERE idx = ?").get(NEW_INDEX.id);
      return (row as { n: number }).n;
    };
    assert.equal(await batch(), false);
    assert.equal(entries(), BATCH_DOCUMENTS);
    const last = ids[BATCH_DOCUMENTS - 1]!;
    await committer.commit(
      transaction(committer, [{ tablet: TABLET, id: last, json: null, isNew: false }]),
    );
    // The committer of this test does not know the index, so the entry of the deleted one stays.
    assert.equal(await batch(), false);
    assert.equal(entries(), BATCH_DOCUMENTS + 1);
    assert.equal(await batch(), false);
    assert.equal(await batch(), true);
    assert.equal(entries(), DOCUMENTS);
  });
});
