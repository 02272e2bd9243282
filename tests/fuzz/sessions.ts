// Requests of sessions that the fuzzer has committed: each happens once, also after a power loss.

import type { Engine } from "../../engine/engine.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { SessionRecord } from "../../engine/types.ts";
import { Mismatch } from "./compare.ts";

const SESSIONS = 2;
const REQUESTS = 4;

interface Known {
  readonly record: SessionRecord;
  readonly ts: Timestamp;
  isAcknowledged: boolean;
}

export class Sessions {
  readonly #known = new Map<string, Known>();
  #acknowledged: ReadonlySet<string> = new Set();

  record(n: number): SessionRecord {
    const requestId = Math.floor(n / SESSIONS) % REQUESTS;
    return { sessionId: `s${n % SESSIONS}`, requestId, result: "null", logLines: [] };
  }

  has(record: SessionRecord): boolean {
    return this.#known.has(keyOf(record));
  }

  accepted(record: SessionRecord, ts: Timestamp, durable: Promise<unknown>): void {
    const known: Known = { record, ts, isAcknowledged: false };
    this.#known.set(keyOf(record), known);
    durable.then(() => known.isAcknowledged = true, () => {});
  }

  /** A crash happens now: what is acknowledged from now on is not heard any more. */
  crash(): void {
    this.#acknowledged = new Set(
      [...this.#known].filter(([, known]) => known.isAcknowledged).map(([key]) => key),
    );
  }

  /** @throws Mismatch when an outcome was lost that must not be, or one is there of what did not happen */
  checkAfterCrash(engine: Engine, recovered: Timestamp): void {
    for (const [key, known] of this.#known) {
      const { record, ts } = known;
      const found = engine.committer.sessionOutcome(record.sessionId, record.requestId);
      if (found === null && this.#acknowledged.has(key)) {
        throw new Mismatch(`the outcome of ${key} was lost`);
      }
      if (found !== null && ts > recovered) throw new Mismatch(`${key} never happened`);
      if (found === null) this.#known.delete(key);
      else known.isAcknowledged = true;
    }
  }
}

function keyOf({ sessionId, requestId }: SessionRecord): string {
  return `${sessionId}/${requestId}`;
}
