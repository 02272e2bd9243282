// What is left after a crash.

import { DatabaseSync } from "node:sqlite";
import type { Timestamp } from "../../engine/timestamp.ts";

/** The last commit in a database that was not closed, looked up in a copy of its own. */
export function readCopy(path: string, copy: string): Timestamp {
  Deno.copyFileSync(path, copy);
  Deno.copyFileSync(`${path}-wal`, `${copy}-wal`);
  const db = new DatabaseSync(copy);
  try {
    const { ts } = db.prepare("SELECT max(ts) AS ts FROM commits").get() as { ts: number };
    return ts as Timestamp;
  } finally {
    db.close();
  }
}
