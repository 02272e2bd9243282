// Faults below the engine, for tests: the n-th call of SQLite or of the disk fails. SQLite itself is
// real; what is replaced are the methods through which everything in this process reaches it.

import { DatabaseSync, StatementSync } from "node:sqlite";
import { type Disk, REAL_DISK } from "../disk.ts";

/** How a call fails. */
export type FaultKind =
  /** Nothing happened: a failed read or write, a full disk. */
  | "before"
  /** It was done, but is reported as failed. */
  | "after"
  /** SQLite has taken the whole transaction back, as it does after some failures. */
  | "rollback";

/** The text of SQLite's error for a read that gave fewer bytes than asked for, and of others. */
const MESSAGE = "disk I/O error";

const METHODS = ["get", "all", "run", "iterate"] as const;

/** Counts the calls, and makes one of them fail. */
export class FaultyStorage {
  /** Calls so far. */
  calls = 0;
  readonly #failAt: number;
  readonly #kind: FaultKind;
  readonly #undo: (() => void)[] = [];
  readonly #databases = new WeakMap<StatementSync, DatabaseSync>();
  #isBroken = false;

  /** @param failAt number of the call that fails, from 1; 0: none */
  constructor(failAt: number, kind: FaultKind) {
    this.#failAt = failAt;
    this.#kind = kind;
    this.#install();
  }

  /** The fault has happened. */
  get hasFailed(): boolean {
    return this.#isBroken;
  }

  readonly disk: Disk = {
    openForSync: (path) => {
      const file = this.#call(null, () => REAL_DISK.openForSync(path));
      return {
        // What is not flushed is not lost here: only the order of events is of interest.
        syncData: async () => {
          await Promise.resolve();
          this.#call(null, () => {});
        },
        close: () => file.close(),
      };
    },
    syncDirectory: () => this.#call(null, () => {}),
    willWrite: () => this.#call(null, () => {}),
  };

  /** Takes the faults out again. */
  remove(): void {
    for (const undo of this.#undo) undo();
  }

  #install(): void {
    // deno-lint-ignore no-this-alias
    const storage = this;
    const { prepare, exec } = DatabaseSync.prototype;
    DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string) {
      const statement = prepare.call(this, sql);
      storage.#databases.set(statement, this);
      return statement;
    };
    DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
      return storage.#call(this, () => exec.call(this, sql));
    };
    this.#undo.push(() => {
      DatabaseSync.prototype.prepare = prepare;
      DatabaseSync.prototype.exec = exec;
    });
    // The overloads of the four methods do not matter here.
    const prototype = StatementSync.prototype as unknown as Record<
      string,
      (...args: unknown[]) => unknown
    >;
    for (const name of METHODS) {
      const original = prototype[name]!;
      prototype[name] = function (this: unknown, ...args: unknown[]) {
        const db = storage.#databases.get(this as StatementSync) ?? null;
        return storage.#call(db, () => original.apply(this, args));
      };
      this.#undo.push(() => prototype[name] = original);
    }
  }

  #call<T>(db: DatabaseSync | null, body: () => T): T {
    this.calls++;
    if (this.calls !== this.#failAt) return body();
    this.#isBroken = true;
    if (this.#kind === "after") body();
    if (this.#kind === "rollback" && db?.isTransaction) db.prepare("ROLLBACK").run();
    throw Object.assign(new Error(MESSAGE), { code: "ERR_SQLITE_ERROR", errcode: 10 });
  }
}
