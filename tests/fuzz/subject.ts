// Makes the calls of a program on a real transaction, and writes down what came of them.

import type { Database } from "../../engine/database.ts";
import { PlatformError } from "../../engine/errors.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { Json, JsonObject } from "../../engine/values/value.ts";
import type { Call, Created, Outcome, Traced } from "./call.ts";
import type { Op } from "./program.ts";

/** Puts ids and cursors in the place of numbers. */
export interface Resolver {
  /** An id that was given out, or text that never was one. */
  id(target: number): string;
  /** A new id exists from now on. */
  created(created: Created): void;
  cursor(which: number | null, query: JsonObject, mixed: boolean): string | null;
}

/** Runs a nested mutation as the runtime does: undone as a whole when its function throws. */
class NestedFailure extends Error {}

export class Subject {
  constructor(readonly tx: Transaction, readonly resolver: Resolver) {}

  run(ops: readonly Op[]): Traced[] {
    return ops.map((op) => this.#run(op));
  }

  #run(op: Op): Traced {
    const { tx, resolver } = this;
    // Each call is a function execution of its own, so that every one may paginate.
    const db = tx.database("");
    switch (op.type) {
      case "insert": {
        const call: Call = { type: "insert", table: op.table, fields: op.fields };
        let created: Created | null = null;
        const outcome = outcomeOf(() => {
          created = this.#created(op.table, db.insert(op.table, op.fields));
          return null;
        });
        return { call, outcome, created };
      }
      case "patch":
      case "replace": {
        const { type, table } = op;
        const id = resolver.id(op.target);
        const value = { ...op.fields, ...(op.withSystemFields ? this.#systemFields(id) : {}) };
        return traced({ type, id, table, value }, () => db[type](id, value, table ?? undefined));
      }
      case "remove":
      case "get": {
        const { type, table } = op;
        const id = resolver.id(op.target);
        return traced(
          { type, id, table },
          () => type === "get" ? db.get({ id, table }) : db.remove(id, table ?? undefined),
        );
      }
      case "normalizeId": {
        const { type, table } = op;
        const id = resolver.id(op.target);
        return traced({ type, id, table }, () => db.normalizeId(table, id));
      }
      case "count":
        return traced({ type: "count", table: op.table }, () => db.count(op.table));
      case "query":
        return traced({ type: "query", query: op.query }, () => collect(db, op.query));
      case "page": {
        const { type, query, pageSize, rowsMax, bytesMax, mixed } = op;
        const args = {
          query,
          pageSize,
          maximumRowsRead: rowsMax,
          maximumBytesRead: bytesMax,
          cursor: resolver.cursor(op.cursor, query, mixed),
          endCursor: resolver.cursor(op.endCursor, query, mixed),
        };
        const journal = resolver.cursor(op.journal, query, mixed);
        return traced({ type, args, journal }, () => {
          const { page, isDone, continueCursor, splitCursor, pageStatus } = db.page(args, journal);
          return { page: [...page], isDone, continueCursor, splitCursor, pageStatus };
        });
      }
      case "nested":
        return this.#nested(op.ops, op.fails);
      case "atBegin": {
        const calls = new Subject(tx.snapshotQuery(), resolver).run(op.ops);
        return { call: { type: "atBegin", calls }, outcome: { value: null }, created: null };
      }
    }
  }

  #nested(ops: readonly Op[], fails: boolean): Traced {
    let calls: Traced[] = [];
    try {
      this.tx.nest(() => {
        calls = this.run(ops);
        if (fails) throw new NestedFailure();
      });
    } catch (error) {
      if (!(error instanceof NestedFailure)) throw error;
    }
    return { call: { type: "nested", calls, fails }, outcome: { value: null }, created: null };
  }

  /** Looks behind the interface: what is asked for the model's sake must not count as a read. */
  #created(table: string, id: string): Created {
    const { tablet } = this.tx.catalog.tableByName("", table)!;
    const { json } = this.tx.view.get(tablet, id)!;
    const created = { id, creationTime: JSON.parse(json)._creationTime as number };
    this.resolver.created(created);
    return created;
  }

  #systemFields(id: string): JsonObject {
    for (const { tablet } of this.tx.catalog.tablesOf("")) {
      const revision = this.tx.view.get(tablet, id);
      if (revision === null) continue;
      const { _id, _creationTime } = JSON.parse(revision.json);
      return { _id, _creationTime };
    }
    return {};
  }
}

function traced(call: Call, body: () => Json): Traced {
  return { call, outcome: outcomeOf(body), created: null };
}

function outcomeOf(body: () => Json): Outcome {
  try {
    return { value: body() };
  } catch (error) {
    // Anything else is a bug of the engine, and ends the program.
    if (!(error instanceof PlatformError) || error.kind !== "badRequest") throw error;
    return { error: error.code };
  }
}

function collect(db: Database, query: Json): Json[] {
  const stream = db.startQuery(query);
  const texts: string[] = [];
  for (let json = stream.next(); json !== null; json = stream.next()) texts.push(json);
  return texts;
}
