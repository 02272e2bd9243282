// A database of its own, without HTTP and isolates, with tables of messages for the benchmark.
import { Engine } from "../engine/engine.ts";
import { finishIndexes, prepareIndexes } from "../engine/index_lifecycle.ts";
import { openReadOnly } from "../engine/snapshot.ts";
import { encodeKey, KEY_AFTER } from "../engine/values/key.ts";
import { parseSchema, type SchemaDefinition } from "../engine/values/schema.ts";
import type { DatabaseSync } from "node:sqlite";

/** Of which each has as many messages, in the order of `by_channel`. */
export const MESSAGES_PER_CHANNEL = 100;
const DOCUMENTS_PER_TRANSACTION = 1000;
/** Transactions that wait for the disk while the next ones run. */
const TRANSACTIONS_IN_FLIGHT = 4;
const CURSOR_KEY = new Uint8Array(32);

export class DocumentStore implements AsyncDisposable {
  private constructor(readonly dir: string, readonly engine: Engine) {}

  static async open(): Promise<DocumentStore> {
    const dir = await Deno.makeTempDir({ prefix: "concave-bench-" });
    const path = `${dir}/db.sqlite`;
    return new DocumentStore(dir, await Engine.open({ path, cursorKey: CURSOR_KEY }));
  }

  /** Adds an empty table with the index `by_channel`, and fills it. Returns the ids. */
  async fill(table: string, documents: number): Promise<string[]> {
    await this.addIndex(table, "by_channel", "channel");
    const ids: string[] = [];
    const accepted: Promise<unknown>[] = [];
    for (let first = 0; first < documents; first += DOCUMENTS_PER_TRANSACTION) {
      if (accepted.length >= TRANSACTIONS_IN_FLIGHT) await accepted.shift();
      accepted.push(this.engine.transact((tx) => {
        const db = tx.database("");
        for (let i = 0; i < DOCUMENTS_PER_TRANSACTION; i++) {
          ids.push(db.insert(table, message(ids.length)));
        }
      }));
    }
    await Promise.all(accepted);
    return ids;
  }

  /** What a push of a schema with one more index does, from its start to its end. */
  async addIndex(table: string, name: string, field: string): Promise<void> {
    const { engine } = this;
    const schema = this.#schemaWith(table, name, field);
    await engine.transact((tx) => prepareIndexes(tx, "", schema));
    await engine.backgroundIdle();
    await engine.transact((tx) => finishIndexes(tx, "", schema));
  }

  #schemaWith(table: string, name: string, field: string): SchemaDefinition {
    const { catalog } = this.engine;
    const tables = new Map<string, { indexDescriptor: string; fields: string[] }[]>();
    for (const info of catalog.tablesOf("")) {
      if (info.isSystem) continue;
      const declared = catalog.indexesOf(info.tablet).filter(({ name }) => name === "by_channel");
      tables.set(
        info.name,
        declared.map((index) => ({
          indexDescriptor: index.name,
          fields: index.fields.slice(0, -1) as string[],
        })),
      );
    }
    tables.set(table, [...tables.get(table) ?? [], { indexDescriptor: name, fields: [field] }]);
    return parseSchema(JSON.stringify({
      tables: [...tables].map(([tableName, indexes]) => ({
        tableName,
        indexes,
        documentType: { type: "any" },
      })),
      schemaValidation: false,
    }));
  }

  get(id: string): string | null {
    return this.engine.read((tx) => tx.database("").get({ id })).value;
  }

  /** The messages of a channel. */
  channel(table: string, channel: number, limit: number): string[] {
    const range = [{ type: "Eq", fieldPath: "channel", value: channel }];
    return this.#query(
      { type: "IndexRange", indexName: `${table}.by_channel`, range, order: "asc" },
      limit,
    );
  }

  /** The newest documents of a table. */
  newest(table: string, limit: number): string[] {
    return this.#query({ type: "FullTableScan", tableName: table, order: "desc" }, limit);
  }

  #query(source: { [field: string]: unknown }, limit: number): string[] {
    return this.engine.read((tx) => {
      const stream = tx.database("").startQuery({ source, operators: [{ limit }] } as never);
      const documents: string[] = [];
      for (let json = stream.next(); json !== null; json = stream.next()) documents.push(json);
      return documents;
    }).value;
  }

  /** The SQLite calls that the messages of a channel cannot be read without. */
  bareScan(table: string): { read(channel: number): unknown[] } & Disposable {
    const { catalog, path } = this.engine;
    const { tablet } = catalog.tableByName("", table)!;
    const index = catalog.indexByName(tablet, "by_channel")!.id;
    const db: DatabaseSync = openReadOnly(path);
    const statement = db.prepare(
      `SELECT d.json FROM entries e CROSS JOIN documents d ON d.doc = e.doc
       WHERE e.idx = ? AND e.key >= ? AND e.key < ? ORDER BY e.key LIMIT ?`,
    );
    return {
      read(channel) {
        const start = encodeKey([channel]);
        return statement.all(
          index,
          start,
          start + KEY_AFTER,
          MESSAGES_PER_CHANNEL,
        );
      },
      [Symbol.dispose]: () => db.close(),
    };
  }

  /** Bytes of the database file, everything moved into it. */
  async fileBytes(): Promise<number> {
    return (await Deno.stat(this.engine.path)).size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    await Deno.remove(this.dir, { recursive: true });
  }
}

function message(n: number): { [field: string]: string | number } {
  return {
    channel: Math.floor(n / MESSAGES_PER_CHANNEL),
    author: `user${n % 1000}`,
    body: `This is message number ${n}, and as long as most people's.`,
    likes: n * 7919 % 1_000_003,
  };
}
