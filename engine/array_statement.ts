// Prepared statements that give rows as arrays: a third cheaper to read than rows as objects.

import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Prepares a statement of which `get` and `all` return arrays of columns. */
export function arrayStatement(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql);
  // Deno has the method; the types that it ships do not know it yet.
  (statement as unknown as { setReturnArrays(enabled: boolean): void }).setReturnArrays(true);
  return statement;
}
