import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { checkDatabase } from "./check.ts";
import { Engine } from "./engine.ts";
import { byCreationTimeIndex, byIdIndex, FIRST_FREE_INDEX } from "./system_tables.ts";
import { byIdKey, encodeKeyPart } from "./values/key.ts";

/** A database with a table, an index on `k`, and documents that were changed and deleted. */
async function makeDatabase(path: string): Promise<{ ids: string[]; tablet: number; byK: number }> {
  const engine = await Engine.open({ path, cursorKey: new Uint8Array(32) });
  const { value: tablet } = await engine.transact((tx) => {
    const table = tx.createTable("", "things");
    tx.addIndex(table.tablet, {
      name: "by_k",
      fields: ["k", "_creationTime"],
      kind: "database",
      state: "enabled",
      staged: false,
    });
    return table.tablet;
  });
  const { value: ids } = await engine.transact((tx) =>
    Array.from({ length: 5 }, (_, k) => tx.database("").insert("things", { k }))
  );
  await engine.transact((tx) => {
    tx.database("").patch(ids[1]!, { k: 7 });
    tx.database("").remove(ids[2]!);
  });
  const byK = engine.catalog.indexByName(tablet, "by_k")!.id;
  assert.ok(byK >= FIRST_FREE_INDEX);
  await engine.close();
  return { ids, tablet, byK };
}

async function problemsAfter(
  damage: (db: DatabaseSync, made: Awaited<ReturnType<typeof makeDatabase>>) => void,
): Promise<string[]> {
  const directory = await Deno.makeTempDir({ prefix: "concave-check-" });
  try {
    const path = `${directory}/db.sqlite`;
    const made = await makeDatabase(path);
    const db = new DatabaseSync(path);
    damage(db, made);
    db.close();
    return [...checkDatabase(path)];
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a database that was left alone has no problems", async () => {
  assert.deepEqual(await problemsAfter(() => {}), []);
});

interface Damage {
  readonly name: string;
  readonly damage: Parameters<typeof problemsAfter>[0];
  /** Every problem that is reported matches one of these, and each of these one problem. */
  readonly problems: readonly RegExp[];
}

const CASES: readonly Damage[] = [
  {
    name: "an entry is gone",
    damage: (db, { byK }) => {
      db.prepare("DELETE FROM entries WHERE idx = ? AND key >= ?").run(byK, encodeKeyPart(7));
    },
    problems: [/^things\.by_k: there is no entry for \w{32}\.$/],
  },
  {
    name: "an entry of a document that is gone",
    damage: (db, { ids, tablet }) => {
      db.prepare("INSERT INTO entries VALUES (?, ?, 999)").run(byIdIndex(tablet), byIdKey(ids[2]!));
    },
    problems: [/^things\.by_id: the entry \S+ {2}leads to row 999, where there is no document\.$/],
  },
  {
    name: "an entry at the wrong key",
    damage: (db, { byK }) => {
      db.prepare("UPDATE entries SET key = key || 'x' WHERE idx = ? AND key >= ?")
        .run(byK, encodeKeyPart(7));
    },
    problems: [/^things\.by_k: \w{32} is at .*, but belongs at /],
  },
  {
    name: "two entries that lead to each other's document",
    damage: (db, { ids, tablet }) => {
      const swap = db.prepare(
        "UPDATE entries SET doc = (SELECT doc FROM documents WHERE id = ?) WHERE idx = ? AND key = ?",
      );
      swap.run(ids[3]!, byIdIndex(tablet), byIdKey(ids[1]!));
      swap.run(ids[1]!, byIdIndex(tablet), byIdKey(ids[3]!));
    },
    problems: [/^things\.by_id: \w{32} is at/],
  },
  {
    name: "entries of no index",
    damage: (db) => db.exec("INSERT INTO entries VALUES (77, '1', 1)"),
    problems: [/^There are entries of index 77, which does not exist\.$/],
  },
  {
    name: "a document that was changed by hand",
    damage: (db) => db.exec(`UPDATE documents SET json = replace(json, '"k":4', '"k":5')`),
    problems: [/^things\.by_k: \w{32} is at/],
  },
  {
    name: "a document in another form",
    damage: (db) => db.exec(`UPDATE documents SET json = replace(json, '"k":4', '"k": 4')`),
    problems: [/^The document \w{32} of tablet \d+ is not written in the canonical form\.$/],
  },
  {
    name: "a document that is not JSON",
    damage: (db) => db.exec(`UPDATE documents SET json = '{' WHERE json LIKE '%"k":4%'`),
    problems: [
      /^The document \w{32} of tablet \d+ cannot be read: /,
      /^things\.by_id: the document \w{32} cannot be read\.$/,
      /^things\.by_creation_time: the document \w{32} cannot be read\.$/,
      /^things\.by_k: the document \w{32} cannot be read\.$/,
    ],
  },
  {
    name: "a document with another size than is stored",
    damage: (db, { ids }) =>
      db.prepare("UPDATE documents SET size = size + 1 WHERE id = ?").run(ids[0]!),
    problems: [/^The document \w{32} of tablet \d+ has \d+ bytes, and \d+ are stored\.$/],
  },
  {
    name: "a document that no commit wrote",
    damage: (db, { ids, tablet }) => {
      db.prepare("UPDATE documents SET ts = ts - 1 WHERE id = ?").run(ids[0]!);
      assert.ok(tablet > 0);
    },
    problems: [/was written at \d+ last, but what is there is of \d+/],
  },
  {
    name: "a document that the log does not know",
    damage: (db, { ids }) => db.prepare("DELETE FROM log WHERE id = ?").run(ids[0]!),
    problems: [/^The document \S+ of tablet \d+ is of \d+, but no commit wrote it then\.$/],
  },
  {
    name: "a revision is missing in the log",
    damage: (db, { ids }) =>
      db.prepare("DELETE FROM log WHERE id = ? AND prev_ts IS NULL").run(ids[1]!),
    problems: [
      /^The log has a change of what the document \S+ of tablet \d+ was at .*, but not how it came to be\.$/,
    ],
  },
  {
    name: "the log's last revision is missing",
    damage: (db, { ids }) =>
      db.prepare("DELETE FROM log WHERE id = ? AND deleted = 1").run(ids[2]!),
    problems: [/was written at \d+, but is not there\.$/],
  },
  {
    name: "a commit is missing",
    damage: (db) => db.exec("DELETE FROM commits WHERE ts = (SELECT max(ts) FROM commits)"),
    problems: [/belongs to no commit/, /after the last commit\.$/],
  },
  {
    name: "a log row in the wrong commit",
    damage: (db) => db.exec("UPDATE log SET ts = ts + 1 WHERE seq = (SELECT max(seq) FROM log)"),
    problems: [/^Row \d+ of the log is of \d+, but lies in the commit at \d+\.$/],
  },
  {
    name: "a version of the catalog that does not fit",
    damage: (db) => db.exec("UPDATE meta SET value = value - 1 WHERE key = 'catalog'"),
    problems: [/^Tables and indexes changed at \d+, but their version is \d+\.$/],
  },
  {
    name: "a counter that was set back",
    damage: (db) => db.exec("UPDATE meta SET value = 100000 WHERE key = 'next_tablet'"),
    problems: [/^The table \S+ has the tablet \d+, and the next new one would be 100000\.$/],
  },
  {
    name: "an unknown entry of meta",
    damage: (db) => db.exec("INSERT INTO meta VALUES ('left_over', 1)"),
    problems: [/^Nothing is known of the entry "left_over" of the table meta\.$/],
  },
  {
    name: "a file of another program",
    damage: (db) => db.exec("PRAGMA application_id = 5"),
    problems: [/^The file is not a Concave database\.$/],
  },
  {
    name: "a file of a newer version",
    damage: (db) => db.exec("PRAGMA user_version = 99"),
    problems: [/^The file has format 99; this program reads up to \d+\.$/],
  },
];

for (const { name, damage, problems } of CASES) {
  Deno.test(`the check finds ${name}`, async () => {
    const found = await problemsAfter(damage);
    for (const pattern of problems) {
      assert.ok(
        found.some((text) => pattern.test(text)),
        `${pattern} is not in ${found.join("\n")}`,
      );
    }
    for (const text of found) {
      assert.ok(problems.some((pattern) => pattern.test(text)), `also: ${text}`);
    }
  });
}

Deno.test("the check finds damaged pages", async () => {
  const directory = await Deno.makeTempDir({ prefix: "concave-check-" });
  const path = `${directory}/db.sqlite`;
  const { tablet } = await makeDatabase(path);
  assert.ok(byCreationTimeIndex(tablet) > 0);
  const bytes = await Deno.readFile(path);
  const pageBytes = new DataView(bytes.buffer).getUint16(16);
  for (let page = 3; (page + 1) * pageBytes <= bytes.length; page++) {
    bytes.fill(0xa5, page * pageBytes, page * pageBytes + 200);
  }
  await Deno.writeFile(path, bytes);
  assert.match(
    [...checkDatabase(path)].join("\n"),
    /^(SQLite: |The tables, indexes and schemas cannot)/,
  );
  await Deno.remove(directory, { recursive: true });
});
