import assert from "node:assert/strict";
import { REAL_DISK } from "./disk.ts";
import type { PlatformError } from "./errors.ts";
import type { PublishedCommit } from "./types.ts";
import {
  BY_K,
  contentOf,
  createTable,
  document,
  newDocument,
  newId,
  openStand,
  readOf,
  TABLET,
  transaction,
  withStand,
} from "./testing/committer_stand.ts";

Deno.test("an accepted commit is written, acknowledged and published, in that order", async () => {
  await withStand(async ({ committer, db }) => {
    const published: PublishedCommit[] = [];
    committer.onCommit((commit) => published.push(commit));
    const id = newId();
    let accepted = 0;
    const promise = committer.commit(
      transaction(committer, [newDocument(TABLET, id, { k: 1 })], { source: "m.js:f" }),
      (ts) => accepted = ts,
    );
    assert.equal(accepted, committer.latest);
    assert.ok(committer.durable < committer.latest);
    assert.equal(published.length, 0);
    const result = await promise;
    assert.deepEqual(result, { kind: "committed", ts: accepted });
    assert.equal(committer.durable, accepted);
    assert.equal(published.length, 1);
    assert.equal(published[0]!.source, "m.js:f");
    assert.equal(published[0]!.keys.get(BY_K)!.length, 1);
    assert.equal(contentOf(db).documents.size, 1);
    await committer.whenDurable(accepted as typeof committer.latest);
  });
});

Deno.test("a conflict is told at once, with the document and who wrote it", async () => {
  await withStand(async ({ committer }) => {
    const id = newId();
    await committer.commit(transaction(committer, [newDocument(TABLET, id, { k: 1 })]));
    const begin = committer.latest;
    committer.commit(
      transaction(committer, [document(TABLET, id, { k: 2 })], { source: "a.js:x" }),
    );
    const ts = committer.latest;
    const result = await committer.commit({
      begin,
      readSet: readOf(id),
      writes: [document(TABLET, id, { k: 3 })],
      source: "b.js:y",
    });
    assert.deepEqual(result, {
      kind: "conflict",
      conflict: { ts, table: "things", id, source: "a.js:x" },
    });
    assert.ok(committer.durable < ts, "the conflict did not wait for the disk");
  });
});

Deno.test("members of a chain do not conflict with each other", async () => {
  await withStand(async ({ committer, db }) => {
    const id = newId();
    await committer.commit(transaction(committer, [newDocument(TABLET, id, { k: 0 })]));
    const begin = committer.latest;
    const member = (seq: number, isolate = 1) =>
      committer.commit({
        begin,
        readSet: readOf(id),
        writes: [document(TABLET, id, { k: seq })],
        source: null,
        chain: { isolate, seq },
      });
    const results = await Promise.all([member(1), member(2), member(7, 2), member(3)]);
    assert.deepEqual(results.map((r) => r.kind), [
      "committed",
      "committed",
      "conflict",
      "committed",
    ]);
    assert.match(contentOf(db).documents.get(id)!, /"k":3/);
    const chains = db.prepare("SELECT isolate, seq FROM chains").all();
    assert.deepEqual(chains.map((row) => ({ ...row })), [{ isolate: 1, seq: 3 }]);
  });
});

Deno.test("a session's request is recorded once and found again", async () => {
  await withStand(async ({ committer }) => {
    const session = { sessionId: "s", requestId: 4, result: "null", logLines: ["one"] };
    const write = newDocument(TABLET, newId(), { k: 1 });
    const first = await committer.commit(transaction(committer, [write], { session }));
    assert.ok(first.kind === "committed");
    assert.deepEqual(committer.sessionOutcome("s", 4), {
      ts: first.ts,
      result: "null",
      logLines: ["one"],
    });
    assert.equal(committer.sessionOutcome("s", 5), null);
    const again = newDocument(TABLET, newId(), { k: 1 });
    const second = await committer.commit(transaction(committer, [again], { session }));
    assert.equal(second.kind, "conflict");
    const silent = { ...session, requestId: 5 };
    const third = await committer.commit(transaction(committer, [], { session: silent }));
    assert.deepEqual(third, first);
    assert.equal(committer.sessionOutcome("s", 5)?.ts, first.ts);
  });
});

Deno.test("a write that changes nothing is no commit", async () => {
  await withStand(async ({ committer }) => {
    const id = newId();
    await committer.commit(transaction(committer, [newDocument(TABLET, id, { k: 1 })]));
    const before = committer.latest;
    const gone = newId();
    const result = await committer.commit(transaction(committer, [
      document(TABLET, id, { k: 1 }),
      { tablet: TABLET, id: gone, json: null, isNew: true },
    ]));
    assert.deepEqual(result, { kind: "committed", ts: before });
    assert.equal(committer.latest, before);
  });
});

Deno.test("a senseless write is refused alone and leaves nothing behind", async () => {
  await withStand(async ({ committer, db, fatal }) => {
    const good = newId();
    const results = await Promise.allSettled([
      committer.commit(transaction(committer, [newDocument(TABLET, good, { k: 1 })])),
      committer.commit(transaction(committer, [newDocument(TABLET + 7, newId(), { k: 1 })])),
      committer.commit(transaction(committer, [document(TABLET, newId(), { k: 1 })])),
    ]);
    assert.deepEqual(results.map((r) => r.status), ["fulfilled", "rejected", "rejected"]);
    assert.deepEqual([...contentOf(db).documents.keys()], [good]);
    assert.deepEqual(fatal, []);
  });
});

Deno.test("the commit's own timestamp takes the place of its token", async () => {
  await withStand(async ({ committer, db }) => {
    const id = newId();
    const json =
      `{"_creationTime":1,"_id":"${id}","at":{"$commitTs":null},"s":"{\\"$commitTs\\":null}"}`;
    await committer.commit(transaction(committer, [{ tablet: TABLET, id, json, isNew: true }]));
    const stored = JSON.parse(contentOf(db).documents.get(id)!);
    assert.equal(stored.s, '{"$commitTs":null}');
    const bytes = Uint8Array.from(atob(stored.at.$integer), (c) => c.charCodeAt(0));
    const nanos = new DataView(bytes.buffer).getBigInt64(0, true);
    assert.equal(nanos, BigInt(committer.latest) * 1000n);
  });
});

Deno.test("two new tables never share their ids", async () => {
  await withStand(async ({ committer }) => {
    const rival = newDocument(513, newId(513), {
      component: "",
      name: "others",
      number: 10_001,
      tablet: TABLET,
      state: "active",
    });
    const result = await committer.commit(transaction(committer, [rival]));
    assert.equal(result.kind, "conflict");
  });
});

Deno.test("timestamps never go back, whatever the clock does", async () => {
  const directory = await Deno.makeTempDir();
  let now = 2_000_000;
  const options = { clock: () => now };
  const first = openStand(`${directory}/db.sqlite`, options);
  await createTable(first.committer);
  const before = first.committer.latest;
  await first.close();
  now = 1_000_000;
  const second = openStand(`${directory}/db.sqlite`, options);
  assert.equal(second.committer.latest, before);
  const result = await second.committer.commit(
    transaction(second.committer, [newDocument(TABLET, newId(), { k: 1 })]),
  );
  assert.ok(result.kind === "committed" && result.ts === before + 1);
  await second.close();
  await Deno.remove(directory, { recursive: true });
});

Deno.test("nobody hears of a commit before the flush that covers it is done", async () => {
  const flushes: (() => void)[] = [];
  let isHeld = false;
  const disk = {
    ...REAL_DISK,
    openForSync: () => ({
      syncData: () => isHeld ? new Promise<void>((done) => flushes.push(done)) : Promise.resolve(),
      close() {},
    }),
  };
  const turns = () => new Promise((resolve) => setTimeout(resolve, 5));
  await withStand(async ({ committer, db }) => {
    isHeld = true;
    const heard: string[] = [];
    committer.onCommit(({ source }) => heard.push(`published ${source}`));
    const commit = (source: string) => {
      const write = newDocument(TABLET, newId(), { k: 1 });
      return committer.commit(transaction(committer, [write], { source }))
        .then(() => heard.push(`acknowledged ${source}`));
    };
    const all = [commit("a")];
    const ts = committer.latest;
    all.push(committer.whenDurable(ts).then(() => heard.push("durable")));
    await turns();
    all.push(commit("b"));
    await turns();
    assert.equal(contentOf(db).documents.size, 2);
    assert.deepEqual(heard, []);
    flushes.shift()!();
    await turns();
    assert.deepEqual(heard, ["published a", "acknowledged a", "durable"]);
    assert.equal(committer.durable, ts);
    flushes.shift()!();
    await Promise.all(all);
    assert.deepEqual(heard.slice(3), ["published b", "acknowledged b"]);
    isHeld = false;
  }, { disk });
});

Deno.test("a commit made while another is being accepted comes after it", async () => {
  await withStand(async ({ committer }) => {
    const order: number[] = [];
    const results: Promise<unknown>[] = [];
    const write = () => newDocument(TABLET, newId(), { k: 1 });
    results.push(
      committer.commit(transaction(committer, [write()]), (first) => {
        order.push(first);
        results.push(
          committer.commit(transaction(committer, [write()]), (second) => order.push(second)),
        );
      }),
    );
    await Promise.all(results);
    assert.equal(order.length, 2);
    assert.ok(order[0]! < order[1]!);
  });
});

Deno.test("when SQLite refuses a group, nobody is told that it is committed", async () => {
  let broken = false;
  const disk = {
    ...REAL_DISK,
    willWrite() {
      if (broken) throw new Error("disk full");
    },
  };
  await withStand(async ({ committer, db, fatal }) => {
    broken = true;
    const published: PublishedCommit[] = [];
    committer.onCommit((commit) => published.push(commit));
    const write = () => newDocument(TABLET, newId(), { k: 1 });
    const results = await Promise.allSettled([
      committer.commit(transaction(committer, [write()])),
      committer.commit(transaction(committer, [write()])),
    ]);
    for (const result of results) {
      assert.ok(result.status === "rejected");
      assert.equal((result.reason as PlatformError).kind, "internal");
    }
    assert.equal(fatal.length, 1);
    assert.equal(published.length, 0);
    assert.equal(contentOf(db).documents.size, 0);
    await assert.rejects(committer.commit(transaction(committer, [write()])), /disk full/);
  }, { disk });
});

Deno.test("when the flush fails, nothing is acknowledged from then on", async () => {
  let broken = false;
  const disk = {
    ...REAL_DISK,
    openForSync(path: string) {
      const file = REAL_DISK.openForSync(path);
      return {
        syncData: () => broken ? Promise.reject(new Error("EIO")) : file.syncData(),
        close: () => file.close(),
      };
    },
  };
  await withStand(async ({ committer, fatal }) => {
    broken = true;
    const before = committer.durable;
    const write = newDocument(TABLET, newId(), { k: 1 });
    await assert.rejects(committer.commit(transaction(committer, [write])), /EIO/);
    assert.equal(committer.durable, before);
    assert.equal(fatal.length, 1);
  }, { disk });
});

Deno.test("commits made while writes are held back are decided afterwards, in order", async () => {
  await withStand(async ({ committer, db }) => {
    const id = newId();
    await committer.commit(transaction(committer, [newDocument(TABLET, id, { k: 0 })]));
    const order: string[] = [];
    let release = () => {};
    const held = committer.exclusively(() => new Promise<void>((resolve) => release = resolve));
    const begin = committer.latest;
    const write = (k: number) =>
      committer.commit({
        begin,
        readSet: readOf(id),
        writes: [document(TABLET, id, { k })],
        source: null,
      }).then((result) => order.push(`${k} ${result.kind}`));
    const writes = [write(1), write(2)];
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(committer.latest, begin);
    release();
    await held;
    await Promise.all(writes);
    assert.deepEqual(order.sort(), ["1 committed", "2 conflict"]);
    assert.match(contentOf(db).documents.get(id)!, /"k":1/);
  });
});
