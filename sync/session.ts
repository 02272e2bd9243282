// One connection of a client: the state machine of sync protocol 5. Messages are handled strictly in
// order; whatever may change a query's result asks for an update; one update cycle at a time
// moves all queries of the connection to one timestamp and tells the client in one Transition.

import { assert, PlatformError, userError } from "../engine/errors.ts";
import { type Timestamp, TIMESTAMP_ZERO } from "../engine/timestamp.ts";
import type { FunctionResult, FunctionRunner, Identity, LogLine } from "../runtime/types.ts";
import { type Backoff, backOff } from "./backoff.ts";
import { type Connection, prepareCall, type PreparedCall } from "./call_target.ts";
import {
  type AddQuery,
  type AuthenticateMessage,
  type AuthToken,
  type CallMessage,
  type ClientMessage,
  type ConnectMessage,
  type ModifyQuerySetMessage,
  parseClientMessage,
  type RemoveQuery,
} from "./client_messages.ts";
import type { CommitSource } from "./commit_source.ts";
import {
  type Ending,
  endingOf,
  isAuthRejection,
  isDeterministic,
  ProtocolFault,
} from "./ending.ts";
import {
  type MutationAnswer,
  MutationQueue,
  QUEUED_MUTATIONS_MAX,
  type QueuedMutation,
} from "./mutation_queue.ts";
import { Outbox, type SessionSocket } from "./outbox.ts";
import { type EvaluatedQueries, type QueryEnvironment, QuerySet } from "./query_set.ts";
import { randomRequestId, sessionRequestId } from "./request_id.ts";
import { clientErrorMessage, clientLogLines, errorFromMessage } from "./result_text.ts";
import * as messages from "./server_messages.ts";
import { splitTransition } from "./transition_chunks.ts";

/** Actions of one connection that may run at the same time. */
export const RUNNING_ACTIONS_MAX = 1000;
/** No update cycle starts while this many Transitions are unsent. */
export const UNSENT_TRANSITIONS_MAX = 2;
/** Live queries of a connection, with modifications that are not yet applied. */
export const QUERIES_MAX = 100_000;
/** Messages held while a token is being checked, in UTF-16 code units. */
export const HELD_MESSAGES_LENGTH_MAX = 64 * 2 ** 20;
/** No mutation starts while more is unsent. */
const UNSENT_BYTES_BEFORE_MUTATION_MAX = 16 * 2 ** 20;
/** A client that reads this far behind is disconnected when it asks for more. */
export const UNSENT_BYTES_MAX = 128 * 2 ** 20;
/** How often a socket that is behind is looked at: it does not tell when it has caught up. */
const DRAIN_POLL_MS = 20;
const UNAVAILABLE_RETRY_MS = 3000;
const RETENTION_BACKOFF: Backoff = { initialMs: 3000, maxMs: 600_000 };

/** What all sessions of a server share. */
export interface SessionEnvironment extends QueryEnvironment {
  readonly source: CommitSource;
  readonly runner: FunctionRunner;
  /** Rejects with a `PlatformError` of kind unauthenticated, forbidden or badRequest for a bad token. */
  readonly authenticate: (token: AuthToken) => Promise<Identity>;
  /** Told of errors that only a bug or a broken machine explains. */
  readonly onUnexpectedError: (error: unknown) => void;
}

const ANONYMOUS: Identity = { kind: "anonymous" };

export class Session {
  readonly #environment: SessionEnvironment;
  readonly #connection: Connection;
  readonly #socket: SessionSocket;
  readonly #outbox: Outbox;
  readonly #queries: QuerySet;
  readonly #mutations: MutationQueue;
  readonly #understandsChunks: boolean;
  readonly #onEnd: () => void;

  #isOpen = true;
  #sessionId: string | null = null;
  #clockSkewMs: number | null = null;
  #identity: Identity = ANONYMOUS;
  /** Of the last Transition. */
  #current: messages.StateVersion = { querySet: 0, identity: 0, ts: TIMESTAMP_ZERO };
  #currentText = messages.stateVersionText(this.#current);
  #receivedQuerySet = 0;
  #receivedIdentity = 0;
  #pendingModifications: (AddQuery | RemoveQuery)[] = [];
  /** Frames that wait for a token check; null when none is under way. */
  #held: (string | ArrayBuffer)[] | null = null;
  #heldLength = 0;
  #runningActions = 0;
  /** Timestamps of answered mutations: the next Transition must not be older. */
  #answeredTs: Timestamp = TIMESTAMP_ZERO;
  #isUpdateWanted = false;
  #isPumpScheduled = false;
  #isCycleRunning = false;
  #cancelDrainPoll: (() => void) | null = null;
  #cancelRetry: (() => void) | null = null;

  constructor(options: {
    readonly environment: SessionEnvironment;
    readonly socket: SessionSocket;
    readonly connection: Connection;
    readonly understandsChunks: boolean;
    /** Called once, when the session has ended for whatever reason. */
    readonly onEnd: () => void;
  }) {
    const { environment, socket, connection } = options;
    this.#environment = environment;
    this.#socket = socket;
    this.#connection = connection;
    this.#understandsChunks = options.understandsChunks;
    this.#onEnd = options.onEnd;
    this.#outbox = new Outbox(socket, environment.clock);
    this.#queries = new QuerySet(environment, connection, () => this.#wantUpdate());
    this.#mutations = new MutationQueue(environment.runner, environment.clock, {
      onAnswer: (mutation, outcome) => this.#answerMutation(mutation, outcome),
      onFailure: (error) => this.#fail(error),
      mayStart: () => this.#mayStartMutation(),
    });
  }

  get queryCount(): number {
    return this.#queries.size;
  }

  /** A frame from the client: text, or binary, which ends the connection. */
  receive(frame: string | ArrayBuffer): void {
    if (!this.#isOpen) return;
    if (this.#held === null) return this.#handle(frame);
    this.#heldLength += typeof frame === "string" ? frame.length : frame.byteLength;
    if (this.#heldLength > HELD_MESSAGES_LENGTH_MAX) {
      return this.#fail(overloaded("TooManyWaitingMessages"));
    }
    this.#held.push(frame);
  }

  /** The socket is closed; running mutations and actions go on, nobody hears of them. */
  disconnected(): void {
    this.#cleanUp();
  }

  /** Ends the connection from the server's side. */
  end(ending: Ending): void {
    if (!this.#isOpen) return;
    if (ending.message !== null) this.#outbox.send(ending.message);
    this.#cleanUp();
    if (ending.code === null) this.#socket.close();
    else this.#socket.close(ending.code, ending.reason ?? undefined);
  }

  #cleanUp(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#outbox.end();
    this.#mutations.end();
    this.#queries.close();
    this.#held = null;
    this.#pendingModifications = [];
    this.#cancelDrainPoll?.();
    this.#cancelRetry?.();
    this.#onEnd();
  }

  #fail(error: unknown): void {
    if (!this.#isOpen) return;
    const isExpected = error instanceof ProtocolFault ||
      (error instanceof PlatformError && error.kind !== "internal");
    if (!isExpected) this.#environment.onUnexpectedError(error);
    this.end(endingOf(error));
  }

  #failAuth(message: string, updateAttempted: boolean): void {
    const text = messages.authError(message, this.#current.identity, updateAttempted);
    this.end({ message: text, code: null, reason: null });
  }

  // ---- messages from the client ----

  #handle(frame: string | ArrayBuffer): void {
    try {
      if (typeof frame !== "string") throw new ProtocolFault("binary frame");
      this.#dispatch(parseClientMessage(frame));
    } catch (error) {
      this.#fail(error);
    }
  }

  #dispatch(message: ClientMessage): void {
    switch (message.type) {
      case "Connect":
        return this.#connect(message);
      case "Authenticate":
        return this.#authenticate(message);
      case "ModifyQuerySet":
        return this.#modifyQuerySet(message);
      case "Mutation":
        return this.#mutation(message);
      case "Action":
        return this.#action(message);
      case "Event":
        return;
    }
  }

  #connect(message: ConnectMessage): void {
    const observed = message.maxObservedTimestamp;
    if (observed !== null && observed > this.#environment.subscriptions.latest()) {
      throw new ProtocolFault("the client has seen a later timestamp than this server has");
    }
    this.#sessionId = message.sessionId;
    this.#clockSkewMs = message.clientTs === null
      ? null
      : Math.round(message.clientTs - this.#environment.clock.nowMs());
  }

  #modifyQuerySet(message: ModifyQuerySetMessage): void {
    const { baseVersion, newVersion, modifications } = message;
    if (baseVersion !== this.#receivedQuerySet) {
      throw userError(
        "BaseVersionMismatch",
        `Base version ${baseVersion} passed up doesn't match the current version ` +
          `${this.#receivedQuerySet}`,
      );
    }
    if (newVersion <= baseVersion) throw new ProtocolFault("newVersion must be greater");
    const queries = this.#queries.size + this.#pendingModifications.length + modifications.length;
    if (queries > QUERIES_MAX) throw overloaded("TooManyQueries");
    for (const modification of modifications) this.#pendingModifications.push(modification);
    this.#receivedQuerySet = newVersion;
    this.#wantUpdate();
  }

  #authenticate(message: AuthenticateMessage): void {
    if (message.token.tokenType === "None") return this.#setIdentity(ANONYMOUS, message);
    this.#held = [];
    this.#environment.authenticate(message.token)
      .then((identity) => this.#setIdentity(identity, message))
      .catch((error) => {
        if (isAuthRejection(error)) this.#failAuth(error.message, true);
        else this.#fail(error);
      })
      .then(() => this.#handleHeld());
  }

  #setIdentity(identity: Identity, message: AuthenticateMessage): void {
    if (!this.#isOpen) return;
    if (message.baseVersion !== this.#receivedIdentity) {
      return this.#fail(new ProtocolFault("Authenticate with a wrong baseVersion"));
    }
    this.#identity = identity;
    this.#receivedIdentity++;
    this.#wantUpdate();
  }

  /** Handles what came during a token check, up to the next token check. */
  #handleHeld(): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.#heldLength = 0;
    for (const frame of held) this.receive(frame);
  }

  /** False if the token has expired; the connection is then closed. */
  #identityIsCurrent(): boolean {
    const identity = this.#identity;
    if (identity.kind !== "user" || this.#environment.clock.nowMs() < identity.expiresAtMs) {
      return true;
    }
    this.#failAuth("Convex token identity expired", false);
    return false;
  }

  // ---- mutations and actions ----

  #mutation(message: CallMessage): void {
    if (!this.#identityIsCurrent()) return;
    if (this.#mutations.length >= QUEUED_MUTATIONS_MAX) {
      throw overloaded("TooManyConcurrentMutations");
    }
    const { requestId } = message;
    const call = this.#prepareCall(message, "mutation");
    this.#mutations.push({ requestId, sessionId: this.#sessionId, call });
  }

  #action(message: CallMessage): void {
    if (!this.#identityIsCurrent()) return;
    if (this.#runningActions >= RUNNING_ACTIONS_MAX) {
      throw overloaded("TooManyInflightActionsForSingleClient");
    }
    const prepared = this.#prepareCall(message, "action");
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
        else this.#fail(error);
      });
  }

  #prepareCall(message: CallMessage, operation: "mutation" | "action"): PreparedCall {
    return prepareCall(
      message,
      operation,
      this.#requestId(message.requestId),
      this.#identity,
      this.#connection,
      this.#environment.resolveComponent,
    );
  }

  #requestId(requestId: number): string {
    return this.#sessionId === null
      ? randomRequestId()
      : sessionRequestId(this.#sessionId, requestId);
  }

  #mayStartMutation(): boolean {
    if (this.#outbox.unsentBytes <= UNSENT_BYTES_BEFORE_MUTATION_MAX) return true;
    this.#pollDrain();
    return false;
  }

  #answerMutation(mutation: QueuedMutation, answer: MutationAnswer): void {
    const { requestId, call } = mutation;
    const { result, ts } = answer;
    const { redact } = this.#environment;
    const logLines = clientLogLines(answer.logLines, redact);
    if (result.ok) {
      assert(ts !== null, "a successful mutation has a timestamp");
      if (ts > this.#answeredTs) this.#answeredTs = ts;
      this.#respond(messages.mutationSucceeded(requestId, result.value, ts, logLines));
    } else {
      const text = clientErrorMessage(call.requestId, result.error.text, redact);
      this.#respond(messages.mutationFailed(requestId, text, result.error.data, logLines));
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
      this.#respond(messages.actionSucceeded(requestId, result.value, logLines));
    } else {
      const text = clientErrorMessage(requestIdText, result.error.text, redact);
      this.#respond(messages.actionFailed(requestId, text, result.error.data, logLines));
    }
  }

  /** Every answer is followed by a Transition: the client's promise waits for it. */
  #respond(message: string): void {
    if (!this.#isOpen) return;
    if (this.#outbox.unsentBytes > UNSENT_BYTES_MAX) {
      return this.#fail(overloaded("TooManyUnsentMessages"));
    }
    this.#outbox.send(message);
    this.#wantUpdate();
  }

  // ---- the update cycle ----

  #wantUpdate(): void {
    this.#isUpdateWanted = true;
    this.#schedulePump();
  }

  /**
   * The cycle starts when the events at hand are handled: those of one commit reach all sessions,
   * and all of them read at the same timestamp.
   */
  #schedulePump(): void {
    if (this.#isPumpScheduled || this.#isCycleRunning || !this.#isOpen) return;
    this.#isPumpScheduled = true;
    this.#environment.clock.soon(() => {
      this.#isPumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (!this.#isOpen || !this.#isUpdateWanted || this.#isCycleRunning) return;
    if (this.#outbox.unsentTransitions >= UNSENT_TRANSITIONS_MAX) return this.#pollDrain();
    this.#isUpdateWanted = false;
    this.#isCycleRunning = true;
    this.#runCycle()
      .catch((error) => this.#fail(error))
      .then(() => {
        this.#isCycleRunning = false;
        if (this.#isUpdateWanted) this.#schedulePump();
      });
  }

  #pollDrain(): void {
    if (this.#cancelDrainPoll !== null || !this.#isOpen) return;
    this.#cancelDrainPoll = this.#environment.clock.after(DRAIN_POLL_MS, () => {
      this.#cancelDrainPoll = null;
      this.#mutations.start();
      this.#pump();
    });
  }

  async #runCycle(): Promise<void> {
    if (!this.#identityIsCurrent()) return;
    const identity = this.#identity;
    const querySet = this.#receivedQuerySet;
    const identityVersion = this.#receivedIdentity;
    const modifications = this.#pendingModifications;
    this.#pendingModifications = [];

    if (identityVersion > this.#current.identity) this.#queries.dropSubscriptions();
    const removed = this.#queries.apply(modifications);
    const evaluated = await this.#evaluate(identity);
    if (evaluated === null) return;
    const { ts, queries } = evaluated;
    await this.#ownCommitsAnswered(ts);
    if (!this.#isOpen) return;

    const changes = this.#queries.tell(queries);
    for (const id of removed) changes.push({ queryId: id, text: messages.queryRemoved(id) });
    changes.sort((a, b) => a.queryId - b.queryId);
    this.#transition({ querySet, identity: identityVersion, ts }, changes.map(({ text }) => text));
    if (queries.isIncomplete) this.#retryUnavailable();
  }

  /** The queries at one timestamp; null if the session ended meanwhile. */
  async #evaluate(
    identity: Identity,
  ): Promise<{ ts: Timestamp; queries: EvaluatedQueries } | null> {
    const { clock } = this.#environment;
    for (let attempt = 0;; attempt++) {
      const ts = await this.#readableTimestamp();
      try {
        const queries = await this.#queries.evaluate(ts, identity);
        return queries === null ? null : { ts, queries };
      } catch (error) {
        if (!(error instanceof PlatformError) || error.kind !== "outOfRetention") throw error;
      }
      await backOff(clock, RETENTION_BACKOFF, attempt);
      if (!this.#isOpen) return null;
    }
  }

  /** The latest timestamp, and not before what the client was told of its mutations. */
  async #readableTimestamp(): Promise<Timestamp> {
    const { source, subscriptions } = this.#environment;
    const latest = subscriptions.latest();
    if (latest >= this.#answeredTs) return latest;
    await source.committer.whenDurable(this.#answeredTs);
    return this.#answeredTs;
  }

  /**
   * Waits until the session's own mutations that a Transition at `ts` would show are answered: a
   * client that saw them before the answer would show its optimistic update on top.
   */
  async #ownCommitsAnswered(ts: Timestamp): Promise<void> {
    while (this.#isOpen && this.#hasUnansweredCommit(ts)) await this.#mutations.nextAnswer();
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

  #transition(end: messages.StateVersion, modifications: readonly string[]): void {
    const endText = messages.stateVersionText(end);
    const nowMs = this.#environment.clock.nowMs();
    const text = messages.transition(
      this.#currentText,
      endText,
      this.#clockSkewMs,
      nowMs,
      modifications,
    );
    this.#outbox.sendTransition(this.#understandsChunks ? splitTransition(text) : [text]);
    this.#current = end;
    this.#currentText = endText;
  }

  #retryUnavailable(): void {
    if (this.#cancelRetry !== null) return;
    this.#cancelRetry = this.#environment.clock.after(UNAVAILABLE_RETRY_MS, () => {
      this.#cancelRetry = null;
      this.#wantUpdate();
    });
  }
}

function overloaded(code: string): PlatformError {
  return new PlatformError("overloaded", code, "");
}
