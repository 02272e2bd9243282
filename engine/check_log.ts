// Checks that commits and undo log tell one story: every row belongs to its commit, and the revisions
// that each document went through follow from each other up to the present one.

import { arrayStatement } from "./array_statement.ts";
import type { Examined } from "./check.ts";
import { SYSTEM_TABLES } from "./system_tables.ts";

type LogRow = [
  seq: number,
  ts: number,
  tablet: number,
  id: string,
  prevTs: number | null,
  prevJson: string | null,
  deleted: number,
];
type StoredRow = [tablet: number, id: string, ts: number];
type CommitRow = [ts: number, lastSeq: number];

/** Yields a sentence for each contradiction. */
export function* checkLog(examined: Examined): Generator<string> {
  yield* checkCommits(examined);
  yield* checkRowsOfCommits(examined);
  yield* checkRevisions(examined);
  yield* checkCatalogVersion(examined);
  yield* checkSessions(examined);
}

function* checkCommits({ db, retained }: Examined): Generator<string> {
  let previous: CommitRow | null = null;
  for (const row of arrayStatement(db, "SELECT ts, last_seq FROM commits ORDER BY ts").iterate()) {
    const commit = row as unknown as CommitRow;
    const [ts, lastSeq] = commit;
    if (previous !== null && lastSeq <= previous[1]) {
      yield `The commit at ${ts} ends at row ${lastSeq} of the log; the one at ${
        previous[0]
      } before ` +
        `it ends at row ${previous[1]}.`;
    }
    previous = commit;
  }
  if (retained === 0) return;
  const found = arrayStatement(db, "SELECT 1 FROM commits WHERE ts = ?").get(retained);
  if (found === undefined) {
    yield `Snapshots can be read from ${retained} on, but there is no commit at that time.`;
  }
}

/** The rows of a commit are those after the last row of the commit before it, up to its own last. */
function* checkRowsOfCommits({ db }: Examined): Generator<string> {
  const commits = arrayStatement(db, "SELECT ts, last_seq FROM commits ORDER BY ts").iterate();
  const rows = arrayStatement(db, "SELECT seq, ts FROM log ORDER BY seq").iterate();
  const nextCommit = () => (commits.next().value ?? null) as unknown as CommitRow | null;
  let commit = nextCommit();
  for (const row of rows) {
    const [seq, ts] = row as unknown as [number, number];
    while (commit !== null && commit[1] < seq) commit = nextCommit();
    if (commit === null) {
      yield `Row ${seq} of the log belongs to no commit.`;
    } else if (commit[0] !== ts) {
      yield `Row ${seq} of the log is of ${ts}, but lies in the commit at ${commit[0]}.`;
    }
  }
}

/**
 * Follows each document from revision to revision, up to the one that is stored. One pass over the
 * log and one over the documents, side by side in the same order.
 */
function* checkRevisions(examined: Examined): Generator<string> {
  const { db, retained } = examined;
  const rows = arrayStatement(
    db,
    "SELECT seq, ts, tablet, id, prev_ts, prev_json, deleted FROM log ORDER BY tablet, id, seq",
  ).iterate();
  const stored = new StoredDocuments(examined);
  let before: LogRow | null = null;
  for (const item of rows) {
    const row = item as unknown as LogRow;
    const [seq, , tablet, id, prevTs, prevJson] = row;
    if (before !== null && (before[2] !== tablet || before[3] !== id)) {
      yield* checkLast(before, stored);
      before = null;
    }
    if ((prevTs === null) !== (prevJson === null) || !isTextOf(prevJson, id)) {
      yield `Row ${seq} of the log does not say what the ${nameOf(row)} was before.`;
    }
    if (before !== null) {
      const wasDeleted = before[6] === 1;
      if (prevTs !== (wasDeleted ? null : before[1])) {
        const [, ts] = before;
        yield `The log has the ${nameOf(row)} at ${ts}, and then a change of what it was at ` +
          `${prevTs}.`;
      }
    } else if (prevTs !== null && prevTs > retained) {
      yield `The log has a change of what the ${nameOf(row)} was at ${prevTs}, but not how it ` +
        "came to be.";
    }
    before = row;
  }
  if (before !== null) yield* checkLast(before, stored);
  yield* stored.upTo(null);
}

/** What the last change of a document made must be what is stored. */
function* checkLast(row: LogRow, stored: StoredDocuments): Generator<string> {
  const [, ts, tablet, id, , , deleted] = row;
  yield* stored.upTo([tablet, id]);
  const found = stored.at(tablet, id);
  if (deleted === 1) {
    if (found !== null) yield `The ${nameOf(row)} was deleted at ${ts}, but is there.`;
  } else if (found === null) {
    yield `The ${nameOf(row)} was written at ${ts}, but is not there.`;
  } else if (found !== ts) {
    yield `The ${nameOf(row)} was written at ${ts} last, but what is there is of ${found}.`;
  }
}

/** The stored documents in the order of the log's documents. */
class StoredDocuments {
  readonly #rows: Iterator<unknown>;
  #next: StoredRow | null = null;

  constructor(readonly examined: Examined) {
    this.#rows = arrayStatement(
      examined.db,
      "SELECT tablet, id, ts FROM documents ORDER BY tablet, id",
    ).iterate();
    this.#advance();
  }

  /** Passes the documents before that one, which the log does not mention; null: all the rest. */
  *upTo(place: readonly [tablet: number, id: string] | null): Generator<string> {
    while (this.#next !== null && (place === null || isBefore(this.#next, place))) {
      const [tablet, id, ts] = this.#next;
      if (ts > this.examined.retained) {
        yield `The document ${id} of tablet ${tablet} is of ${ts}, but no commit wrote it then.`;
      }
      this.#advance();
    }
  }

  /** The timestamp of the next document if it is that one; passes it. */
  at(tablet: number, id: string): number | null {
    if (this.#next === null || this.#next[0] !== tablet || this.#next[1] !== id) return null;
    const [, , ts] = this.#next;
    this.#advance();
    return ts;
  }

  #advance(): void {
    this.#next = (this.#rows.next().value ?? null) as StoredRow | null;
  }
}

function isBefore(
  [tablet, id]: readonly [number, string, number],
  [otherTablet, otherId]: readonly [number, string],
): boolean {
  return tablet === otherTablet ? id < otherId : tablet < otherTablet;
}

function nameOf([, , tablet, id]: LogRow): string {
  return `document ${id} of tablet ${tablet}`;
}

function isTextOf(json: string | null, id: string): boolean {
  if (json === null) return true;
  try {
    return JSON.parse(json)._id === id;
  } catch {
    return false;
  }
}

/** Tables, indexes and schemas are parsed again only when their version says so. */
function* checkCatalogVersion({ db, catalog, retained }: Examined): Generator<string> {
  const [changed] = arrayStatement(db, "SELECT max(ts) FROM log WHERE tablet IN (?, ?, ?)").get(
    SYSTEM_TABLES.tables.number,
    SYSTEM_TABLES.indexes.number,
    SYSTEM_TABLES.schemas.number,
  ) as unknown as [number | null];
  if (changed === catalog.version || (changed === null && catalog.version <= retained)) return;
  yield `Tables and indexes changed at ${changed}, but their version is ${catalog.version}.`;
}

function* checkSessions({ db, lastCommit }: Examined): Generator<string> {
  const rows = arrayStatement(
    db,
    "SELECT session_id, request_id, ts, json_valid(result), json_valid(log_lines) FROM sessions",
  ).iterate();
  for (const row of rows) {
    const [session, request, ts, isResult, areLines] = row as unknown as [
      string,
      number,
      number,
      number,
      number,
    ];
    const name = `Request ${request} of session ${session}`;
    if (ts > lastCommit) yield `${name} ended at ${ts}, after the last commit at ${lastCommit}.`;
    if (isResult !== 1 || areLines !== 1) yield `${name} has an outcome that cannot be read.`;
  }
}
