// The mutations and actions of one connection, from the message to the answer (sync protocol 6).

import { assert, PlatformError } from "../engine/errors.ts";
import { type Timestamp, TIMESTAMP_ZERO } from "../engine/timestamp.ts";
import type { FunctionResult, FunctionRunner, Identity, LogLine } from "../runtime/types.ts";
import {
  type Connection,
  prepareCall,
  type PreparedCall,
  type ResolveComponent,
} from "./call_target.ts";
import type { CallMessage } from "./client_messages.ts";
import type { SyncClock } from "./clock.ts";
import type { CommitSource } from "./commit_source.ts";
import { isDeterministic } from "./ending.ts";
import { type MutationAnswer, MutationQueue, type QueuedMutation } from "./mutation_queue.ts";
import { randomRequestId, sessionRequestId } from "./request_id.ts";
import { clientErrorMessage, clientLogLines, errorFromMessage } from "./result_text.ts";
import * as messages from "./server_messages.ts";

/** Waiting and unanswered mutations of one connection. */
export const QUEUED_MUTATIONS_MAX = 1000;
/** Actions of one connection that may run at the same time. */
export const RUNNING_ACTIONS_MAX = 1000;

/** What the calls of all connections share. */
export interface CallEnvironment {
  readonly source: CommitSource;
  readonly runner: FunctionRunner;
  readonly clock: SyncClock;
  readonly resolveComponent: ResolveComponent;
  readonly redact: boolean;
}

/** Who calls, as it was when the message arrived: a later Authenticate changes nothing. */
export interface CallerState {
  readonly identity: Identity;
  readonly sessionId: string | null;
}

export interface SessionCallsEvents {
  /** Sends an answer; a Transition must follow it, because the client's promise waits for one. */
  respond(message: string): void;
  /** The connection must end. */
  onFailure(error: unknown): void;
  /** While false, no further mutation starts; the owner calls `start()` when that changes. */
  mayStartMutation(): boolean;
}

export class SessionCalls {
  readonly #environment: CallEnvironment;
  readonly #connection: Connection;
  readonly #events: SessionCallsEvents;
  readonly #mutations: MutationQueue;
  #runningActions = 0;
  #answeredTs: Timestamp = TIMESTAMP_ZERO;

  constructor(environment: CallEnvironment, connection: Connection, events: SessionCallsEvents) {
    this.#environment = environment;
    this.#connection = connection;
    this.#events = events;
    this.#mutations = new MutationQueue(environment.runner, environment.clock, {
      onAnswer: (mutation, answer) => this.#answerMutation(mutation, answer),
      onFailure: (error) => events.onFailure(error),
      mayStart: () => events.mayStartMutation(),
    });
  }

  /** The greatest timestamp of an answered mutation: no later Transition may be older. */
  get answeredTs(): Timestamp {
    return this.#answeredTs;
  }

  /** @throws PlatformError when too many wait, ProtocolFault when the call ends the connection. */
  mutation(message: CallMessage, caller: CallerState): void {
    if (this.#mutations.length >= QUEUED_MUTATIONS_MAX) {
      throw new PlatformError(
        "overloaded",
        "TooManyConcurrentMutations",
        `a client may have at most ${QUEUED_MUTATIONS_MAX} mutations waiting`,
      );
    }
    const call = this.#prepare(message, "mutation", caller);
    this.#mutations.push({ requestId: message.requestId, sessionId: caller.sessionId, call });
  }

  /** @throws PlatformError when too many run, ProtocolFault when the call ends the connection. */
  action(message: CallMessage, caller: CallerState): void {
    if (this.#runningActions >= RUNNING_ACTIONS_MAX) {
      throw new PlatformError(
        "overloaded",
        "TooManyInflightActionsForSingleClient",
        `a client may have at most ${RUNNING_ACTIONS_MAX} actions running`,
      );
    }
    const prepared = this.#prepare(message, "action", caller);
    const answer = (result: FunctionResult, logLines: readonly LogLine[]) =>
      this.#answerAction(message.requestId, prepared.requestId, result, logLines);
    const refuse = (refusal: string) => answer({ ok: false, error: errorFromMessage(refusal) }, []);
    if (prepared.call === null) return refuse(prepared.refusal);
    this.#runningActions++;
    this.#environment.runner.runAction(prepared.call)
      .finally(() => this.#runningActions--)
      .then((outcome) => answer(outcome.result, outcome.logLines))
      .catch((error) => {
        // A refusal that is certain is the action's answer: a FatalError would end the client.
        if (isDeterministic(error)) refuse(error.message);
        else this.#events.onFailure(error);
      });
  }

  /** Starts waiting mutations that may start by now. */
  start(): void {
    this.#mutations.start();
  }

  /**
   * Waits until the session's own mutations that a Transition at `ts` would show are answered: a
   * client that saw them before the answer would show its optimistic update on top.
   */
  async commitsAnswered(ts: Timestamp): Promise<void> {
    while (this.#hasUnansweredCommit(ts)) await this.#mutations.nextAnswer();
  }

  /** What runs goes on; nobody hears of it. */
  end(): void {
    this.#mutations.end();
  }

  #hasUnansweredCommit(ts: Timestamp): boolean {
    const { committer } = this.#environment.source;
    for (const { sessionId, requestId } of this.#mutations.unanswered()) {
      if (sessionId === null) continue;
      const outcome = committer.sessionOutcome(sessionId, requestId);
      // They commit in order: if this one has not, the later ones have not either.
      return outcome !== null && outcome.ts <= ts;
    }
    return false;
  }

  #prepare(
    message: CallMessage,
    operation: "mutation" | "action",
    { identity, sessionId }: CallerState,
  ): PreparedCall {
    const requestId = sessionId === null
      ? randomRequestId()
      : sessionRequestId(sessionId, message.requestId);
    const { resolveComponent } = this.#environment;
    return prepareCall(
      message,
      operation,
      requestId,
      identity,
      this.#connection,
      resolveComponent,
    );
  }

  #answerMutation(mutation: QueuedMutation, answer: MutationAnswer): void {
    const { requestId, call } = mutation;
    const { result, ts } = answer;
    const { redact } = this.#environment;
    const logLines = clientLogLines(answer.logLines, redact);
    if (result.ok) {
      assert(ts !== null, "a successful mutation has a timestamp");
      if (ts > this.#answeredTs) this.#answeredTs = ts;
      this.#events.respond(messages.mutationSucceeded(requestId, result.value, ts, logLines));
    } else {
      const text = clientErrorMessage(call.requestId, result.error.text, redact);
      this.#events.respond(messages.mutationFailed(requestId, text, result.error.data, logLines));
    }
  }

  #answerAction(
    requestId: number,
    requestIdText: string,
    result: FunctionResult,
    lines: readonly LogLine[],
  ): void {
    const { redact } = this.#environment;
    const logLines = clientLogLines(lines, redact);
    if (result.ok) {
      this.#events.respond(messages.actionSucceeded(requestId, result.value, logLines));
    } else {
      const text = clientErrorMessage(requestIdText, result.error.text, redact);
      this.#events.respond(messages.actionFailed(requestId, text, result.error.data, logLines));
    }
  }
}
