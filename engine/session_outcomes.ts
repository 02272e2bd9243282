// The recorded outcomes of mutations, asked before every mutation of a session. The clients of a
// session number their requests upwards, so the greatest recorded number answers nearly every question
// without a look at the table.

import type { DocumentWriter, SessionOutcome } from "./document_writer.ts";
import type { Timestamp } from "./timestamp.ts";
import { TwoGenerations } from "./two_generations.ts";
import type { SessionRecord } from "./types.ts";

/** Sessions whose greatest recorded number is kept in memory. */
const SESSIONS_MAX = 20_000;

/** Below every request's number. */
const NONE = -1;

export class SessionOutcomes {
  readonly #writer: DocumentWriter;
  readonly #greatest = new TwoGenerations<string, number>(SESSIONS_MAX);

  constructor(writer: DocumentWriter) {
    this.#writer = writer;
  }

  /** What the request came to, if it is recorded. */
  find(sessionId: string, requestId: number): SessionOutcome | null {
    let greatest = this.#greatest.get(sessionId);
    if (greatest === undefined) {
      greatest = this.#writer.greatestRequest(sessionId) ?? NONE;
      this.#greatest.set(sessionId, greatest);
    }
    return requestId > greatest ? null : this.#writer.findSession(sessionId, requestId);
  }

  /** Records an outcome; there must be none yet. */
  record(session: SessionRecord, ts: Timestamp): void {
    this.#writer.insertSession(session, ts);
    const greatest = this.#greatest.get(session.sessionId) ?? NONE;
    // Too great a number would only cost a look at the table; too small a one would hide an outcome.
    this.#greatest.set(session.sessionId, Math.max(greatest, session.requestId));
  }
}
