import assert from "node:assert/strict";
import { BackfillChunk, ChunkSource } from "./backfill_chunk.ts";
import type { IndexInfo } from "./catalog.ts";
import { newDocument, newId, TABLET, transaction, withStand } from "./testing/committer_stand.ts";

/** The committer of these tests does not know it, so it does not maintain it. */
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
const DOCUMENTS = 1000;
const BOUNDS = { documents: 300, keyCharacters: 1_000_000 };

Deno.test("chunks are filled and written in steps, and go on behind the last one", async () => {
  await withStand(async ({ committer, db }) => {
    const ids = Array.from({ length: DOCUMENTS }, () => newId()).sort();
    const writes = ids.map((id, k) => newDocument(TABLET, id, { k: DOCUMENTS - k }));
    await committer.commit(transaction(committer, writes));
    const entries = () => {
      const row = db.prepare("SELECT count(*) AS n FROM entries WHERE idx = ?").get(NEW_INDEX.id);
      return (row as { n: number }).n;
    };
    const source = new ChunkSource(db);
    const collected = (bounds = BOUNDS) => {
      const chunk = new BackfillChunk(NEW_INDEX, source, bounds);
      while (!chunk.isCollected) chunk.collect();
      return chunk;
    };
    const write = async (chunk: BackfillChunk) => {
      let steps = 0;
      for (; !chunk.isWritten; steps++) await committer.maintain((writer) => chunk.write(writer));
      return steps;
    };
    const first = collected();
    assert.ok(!first.isLast);
    assert.ok(await write(first) > 1);
    const done = entries();
    assert.ok(done >= BOUNDS.documents && done < DOCUMENTS);

    // A chunk that was interrupted is collected anew from where the last one ended.
    const interrupted = collected();
    await committer.maintain((writer) => interrupted.write(writer));
    const second = collected();
    const changed = ids[done]!;
    await committer.commit(
      transaction(committer, [{ ...newDocument(TABLET, changed, { k: -1 }), isNew: false }]),
    );
    const deleted = ids[done + 1]!;
    await committer.commit(
      transaction(committer, [{ tablet: TABLET, id: deleted, json: null, isNew: false }]),
    );
    await write(second);
    // The committer adds entries only where a change gives a document another key.
    const entryOfChanged = db.prepare(
      "SELECT count(*) AS n FROM entries e JOIN documents d ON d.doc = e.doc " +
        "WHERE e.idx = ? AND d.id = ?",
    ).get(NEW_INDEX.id, changed) as { n: number };
    assert.equal(entryOfChanged.n, 1);
    const rows = db.prepare(
      "SELECT count(*) AS n FROM entries e LEFT JOIN documents d ON d.doc = e.doc " +
        "WHERE e.idx = ? AND d.doc IS NULL",
    ).get(NEW_INDEX.id) as { n: number };
    assert.ok(rows.n <= 1, "at most what the interrupted chunk had written before the deletion");

    const rest = collected({ documents: DOCUMENTS, keyCharacters: 1_000_000 });
    assert.ok(rest.isLast);
    await write(rest);
    assert.ok(entries() >= DOCUMENTS - 2);
  });
});

Deno.test("long keys make a chunk short, and a lost trace makes the walk start over", async () => {
  await withStand(async ({ committer, db }) => {
    const ids = Array.from({ length: 400 }, () => newId()).sort();
    const writes = ids.map((id, k) => newDocument(TABLET, id, { k }));
    await committer.commit(transaction(committer, writes));
    const source = new ChunkSource(db);
    const chunk = new BackfillChunk(NEW_INDEX, source, { documents: 400, keyCharacters: 1 });
    chunk.collect();
    assert.ok(chunk.isCollected && !chunk.isLast);
    await committer.maintain((writer) => chunk.write(writer));
    assert.ok(chunk.isWritten);
    const start = source.start(NEW_INDEX);
    assert.notEqual(start, "");
    const last = ids.findLast((id) => start.includes(id))!;
    await committer.commit(
      transaction(committer, [{ tablet: TABLET, id: last, json: null, isNew: false }]),
    );
    assert.equal(source.start(NEW_INDEX), "");
  });
});
