// The thread of `Checkpointer`: gets the path of a database, makes one pass, answers.

import { DatabaseSync } from "node:sqlite";

/** Null: the pass went as far as the open snapshots allow. */
export interface CheckpointReply {
  readonly error: string | null;
}

declare const self: {
  onmessage: (event: MessageEvent<string>) => void;
  postMessage(reply: CheckpointReply): void;
};

let db: DatabaseSync | null = null;

self.onmessage = ({ data: path }) => {
  try {
    if (db === null) {
      db = new DatabaseSync(path);
      // The log is flushed before its pages move, and the database before the log is reused.
      db.exec(
        "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -512",
      );
    }
    db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    self.postMessage({ error: null });
  } catch (error) {
    self.postMessage({ error: (error as Error).message });
  }
};
