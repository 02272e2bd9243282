// Reading at an older timestamp: the revisions that later commits replaced, laid over the present.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { arrayStatement } from "./array_statement.ts";
import { PlatformError } from "./errors.ts";
import { Overlay, type OverlayVersion } from "./overlay.ts";
import { META } from "./storage_schema.ts";
import { type Timestamp, TIMESTAMP_ZERO } from "./timestamp.ts";

/** Changes that a snapshot may lie back: their ids are held in memory. */
const UNDO_ROWS_MAX = 200_000;
/** Timestamps whose undo is kept: clients that read at one timestamp do so several times. */
const UNDOS_KEPT = 2;

type UndoRow = [seq: number, tablet: number, id: string, prevTs: number | null];

interface Undo {
  readonly overlay: Overlay;
  /** Position in the log up to which the overlay undoes. */
  upTo: number;
}

export class UndoLog {
  readonly #meta: StatementSync;
  readonly #lastSeqAt: StatementSync;
  readonly #rows: StatementSync;
  readonly #text: StatementSync;
  readonly #undos = new Map<Timestamp, Undo>();

  constructor(db: DatabaseSync) {
    this.#meta = arrayStatement(db, "SELECT value FROM meta WHERE key = ?");
    this.#lastSeqAt = arrayStatement(
      db,
      "SELECT last_seq FROM commits WHERE ts <= ? ORDER BY ts DESC LIMIT 1",
    );
    this.#rows = arrayStatement(
      db,
      "SELECT seq, tablet, id, prev_ts FROM log WHERE seq > ? ORDER BY seq",
    );
    this.#text = arrayStatement(db, "SELECT prev_json FROM log WHERE seq = ?");
  }

  /**
   * What leads from the present back to `ts`. Valid while the read transaction is open.
   * @param latestSeq last position of the log in the open read transaction
   * @throws PlatformError "outOfRetention" when the log does not reach back so far
   */
  overlayAt(ts: Timestamp, latestSeq: number): Overlay {
    const retained = (this.#meta.get(META.retained) as [number] | undefined)?.[0] ?? 0;
    if (ts < retained) {
      throw outOfRetention(`Snapshot ${ts} is older than the oldest one that is kept, ${retained}`);
    }
    let undo = this.#undos.get(ts);
    const from = undo?.upTo ?? (this.#lastSeqAt.get(ts) as [number] | undefined)?.[0] ?? 0;
    if (latestSeq - from > UNDO_ROWS_MAX) {
      throw outOfRetention(`Snapshot ${ts} is too many changes old`);
    }
    if (undo === undefined) {
      undo = { overlay: new Overlay(), upTo: from };
      const oldest = this.#undos.keys().next();
      if (this.#undos.size >= UNDOS_KEPT) this.#undos.delete(oldest.value!);
      this.#undos.set(ts, undo);
    }
    const { overlay } = undo;
    for (const row of this.#rows.iterate(undo.upTo) as Iterable<unknown>) {
      const [seq, tablet, id, prevTs] = row as UndoRow;
      // The first change after `ts` tells what was there at `ts`.
      if (overlay.get(tablet, id) !== undefined) continue;
      overlay.restore(tablet, id, new ReplacedRevision(this.#text, seq, id, prevTs));
    }
    undo.upTo = latestSeq;
    return overlay;
  }
}

/** A revision that a commit replaced; its text is read when it is needed. */
class ReplacedRevision implements OverlayVersion {
  readonly ts: Timestamp;
  readonly isNew = false;
  #json: string | null | undefined;

  constructor(
    readonly statement: StatementSync,
    readonly seq: number,
    readonly id: string,
    ts: number | null,
  ) {
    this.ts = (ts ?? TIMESTAMP_ZERO) as Timestamp;
    if (ts === null) this.#json = null;
  }

  get json(): string | null {
    if (this.#json === undefined) {
      this.#json = (this.statement.get(this.seq) as unknown as [string | null])[0];
    }
    return this.#json;
  }
}

function outOfRetention(message: string): PlatformError {
  return new PlatformError("outOfRetention", "OutOfRetention", message);
}
