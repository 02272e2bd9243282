import assert from "node:assert/strict";
import { Checkpointer } from "./checkpointer.ts";
import { newDocument, newId, TABLET, transaction, withStand } from "./testing/committer_stand.ts";
import { walPath } from "./database_file.ts";

const PAGE_BYTES = 4096;

Deno.test("under constant writing the log stays bounded, and nothing is lost", async () => {
  await withStand(async ({ committer, db, path }) => {
    const bounds = { passPagesMin: 20, holdPagesMin: 100 };
    const checkpointer = new Checkpointer(committer, path, bounds);
    committer.onGroup(() => checkpointer.consider());
    const note = "x".repeat(3000);
    let written = 0;
    const write = async (count: number) => {
      for (let i = 0; i < count; i++) {
        await committer.commit(
          transaction(committer, [newDocument(TABLET, newId(), { k: i, note })]),
        );
        written++;
      }
    };
    // The first pass starts the thread, which takes its time on a busy machine.
    await write(30);
    await checkpointer.settled();
    await Promise.all([write(300), write(300), write(300)]);
    await checkpointer.close();
    const size = Deno.statSync(walPath(path)).size;
    // Without the bound it would be more than eight pages a commit. Writing goes on during a pass.
    assert.ok(size < 2000 * PAGE_BYTES, `the log has ${size} bytes`);
    const { n } = db.prepare("SELECT count(*) AS n FROM documents WHERE tablet = ?")
      .get(TABLET) as { n: number };
    assert.equal(n, written);
  });
});

Deno.test("a transaction being open is no obstacle to considering a checkpoint", async () => {
  await withStand(async ({ committer, path }) => {
    const checkpointer = new Checkpointer(committer, path);
    const promise = committer.commit(
      transaction(committer, [newDocument(TABLET, newId(), { k: 1 })]),
    );
    checkpointer.consider();
    await promise;
    await checkpointer.close();
  });
});
