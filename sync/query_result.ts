// The outcome of a query run in the forms that sessions need. One result is shared by all sessions
// that subscribe to it, so its texts are made once, when the first of them asks.

import { createHash } from "node:crypto";
import type { FunctionCall, QueryOutcome } from "../runtime/types.ts";
import { clientErrorMessage, clientLogLines, errorFromMessage } from "./result_text.ts";
import { queryFailedTail, queryUpdatedTail } from "./server_messages.ts";

/** What a session needs in order to tell its client a query's result. */
export interface QueryNews {
  /** A QueryUpdated or QueryFailed without its query id. */
  readonly tail: string;
  /** Equal for results that a client cannot tell apart; the request id does not count. */
  readonly fingerprint: string;
  readonly journal: string | null;
}

/** The result of a run. */
export class QueryResult implements QueryNews {
  readonly #redact: boolean;
  #tail: string | null = null;
  #fingerprint: string | null = null;

  constructor(
    readonly outcome: QueryOutcome,
    /** Id of the request for which the function ran. */
    readonly requestId: string,
    redact: boolean,
  ) {
    this.#redact = redact;
  }

  /** Whether the function ran for this call. */
  isFor(call: FunctionCall): boolean {
    return call.context.requestId === this.requestId;
  }

  get journal(): string | null {
    return this.outcome.journal;
  }

  get tail(): string {
    return this.#tail ??= this.#makeTail();
  }

  get fingerprint(): string {
    return this.#fingerprint ??= this.#makeFingerprint();
  }

  #makeTail(): string {
    const { result, journal } = this.outcome;
    const logLines = clientLogLines(this.outcome.logLines, this.#redact);
    if (result.ok) return queryUpdatedTail(result.value, logLines, journal);
    const message = clientErrorMessage(this.requestId, result.error.text, this.#redact);
    return queryFailedTail(message, logLines, journal, result.error.data);
  }

  #makeFingerprint(): string {
    const { result } = this.outcome;
    const logLines = JSON.stringify(clientLogLines(this.outcome.logLines, this.#redact));
    // Redacted errors look the same to the client whatever they say.
    const text = result.ok ? result.value : this.#redact ? "" : result.error.text;
    const data = result.ok ? "" : result.error.data ?? "";
    return createHash("sha256").update(`${result.ok}\0${data.length}\0${logLines.length}\0`)
      .update(data).update(logLines).update(text).digest("base64");
  }
}

/** A refusal that did not come from a run: no log lines, no journal, and it depends on no data. */
export function refusal(requestId: string, message: string, redact: boolean): QueryNews {
  const text = errorFromMessage(message).text;
  return {
    tail: queryFailedTail(clientErrorMessage(requestId, text, redact), [], null, undefined),
    fingerprint: `refused\0${message}`,
    journal: null,
  };
}
