// One connection of a client: the state machine of sync protocol 5. Messages are handled strictly in
// order; whatever may change a query's result asks for an update; one update cycle at a time
// moves all queries of the connection to one timestamp and tells the client in one Transition.

import { PlatformError, userError } from "../engine/errors.ts";
import { type Timestamp, TIMESTAMP_ZERO } from "../engine/timestamp.ts";
import type { Identity } from "../runtime/types.ts";
import { type Backoff, backOff } from "./backoff.ts";
import type { Connection } from "./call_target.ts";
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
import { type Ending, endingOf, isAuthRejection, ProtocolFault } from "./ending.ts";

import { Outbox, type SessionSocket } from "./outbox.ts";
import { OwnedTimers } from "./owned_timers.ts";
import { type EvaluatedQueries, type QueryEnvironment, QuerySet } from "./query_set.ts";
import { type CallEnvironment, SessionCalls } from "./session_calls.ts";
import * as messages from "./server_messages.ts";
import { splitTransition } from "./transition_chunks.ts";

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
/** A socket that is behind is looked at again and again, ever less often: it does not tell. */
const DRAIN_POLL_MS_MIN = 10;
const DRAIN_POLL_MS_MAX = 1000;
const UNAVAILABLE_RETRY_MS = 3000;
const RETENTION_BACKOFF: Backoff = { initialMs: 3000, maxMs: 600_000 };

/** What all sessions of a server share. */
export interface SessionEnvironment extends QueryEnvironment, CallEnvironment {
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
  readonly #calls: SessionCalls;
  readonly #timers: OwnedTimers;
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
  #isCheckingToken = false;
  /** Frames that wait for the end of a token check; those before `#heldAt` are done. */
  #held: (string | ArrayBuffer)[] = [];
  #heldAt = 0;
  #heldLength = 0;
  #isUpdateWanted = false;
  #isPumpScheduled = false;
  #isCycleRunning = false;
  #isDrainPolled = false;
  #drainPollMs = DRAIN_POLL_MS_MIN;
  #isRetryScheduled = false;

  constructor(options: {
    readonly environment: SessionEnvironment;
    readonly socket: SessionSocket;
    readonly connection: Connection;
    readonly understandsChunks: boolean;
    /** Called once, when the session has ended for whatever reason. */
    readonly onEnd: () => void;
  }) {
    const { socket, connection } = options;
    this.#timers = new OwnedTimers(options.environment.clock);
    const environment = { ...options.environment, clock: this.#timers };
    this.#environment = environment;
    this.#socket = socket;
    this.#connection = connection;
    this.#understandsChunks = options.understandsChunks;
    this.#onEnd = options.onEnd;
    this.#outbox = new Outbox(socket, this.#timers);
    this.#queries = new QuerySet(environment, connection, () => this.#wantUpdate());
    this.#calls = new SessionCalls(environment, connection, {
      respond: (message) => this.#respond(message),
      onFailure: (error) => this.#fail(error),
      mayStartMutation: () => this.#mayStartMutation(),
    });
  }

  get queryCount(): number {
    return this.#queries.size;
  }

  /** A frame from the client: text, or binary, which ends the connection. */
  receive(frame: string | ArrayBuffer): void {
    if (!this.#isOpen) return;
    if (!this.#isCheckingToken) return this.#handle(frame);
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
    this.#calls.end();
    this.#queries.close();
    this.#timers.cancelAll();
    this.#held = [];
    this.#pendingModifications = [];
    this.#onEnd();
  }

  #fail(error: unknown): void {
    if (!this.#isOpen) return;
    const isExpected = error instanceof ProtocolFault ||
      (error instanceof PlatformError && error.kind !== "internal");
    if (!isExpected) this.#environment.onUnexpectedError(error);
    const isAuth = error instanceof PlatformError && error.kind === "unauthenticated";
    if (isAuth) this.#failAuth(error.message, false);
    else this.end(endingOf(error));
  }

  #failAuth(message: string, updateAttempted: boolean): void {
    const text = messages.authError(message, this.#current.identity, updateAttempted);
    this.end({ message: text, code: null, reason: null });
  }

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
      case "Action":
        return this.#call(message);
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
      : Math.round(message.clientTs - this.#timers.nowMs());
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
    this.#isCheckingToken = true;
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
    this.#isCheckingToken = false;
    while (this.#isOpen && !this.#isCheckingToken && this.#heldAt < this.#held.length) {
      this.#handle(this.#held[this.#heldAt++]!);
    }
    if (this.#heldAt < this.#held.length) return;
    this.#held = [];
    this.#heldAt = 0;
    this.#heldLength = 0;
  }

  /** False if the token has expired; the connection is then closed. */
  #identityIsCurrent(): boolean {
    const identity = this.#identity;
    if (identity.kind !== "user" || this.#timers.nowMs() < identity.expiresAtMs) {
      return true;
    }
    this.#failAuth("Convex token identity expired", false);
    return false;
  }

  #call(message: CallMessage): void {
    if (!this.#identityIsCurrent()) return;
    const caller = { identity: this.#identity, sessionId: this.#sessionId };
    if (message.type === "Mutation") this.#calls.mutation(message, caller);
    else this.#calls.action(message, caller);
  }

  #respond(message: string): void {
    if (!this.#isOpen) return;
    if (this.#outbox.unsentBytes > UNSENT_BYTES_MAX) {
      return this.#fail(overloaded("TooManyUnsentMessages"));
    }
    this.#outbox.send(message);
    this.#wantUpdate();
  }

  #mayStartMutation(): boolean {
    if (this.#outbox.unsentBytes <= UNSENT_BYTES_BEFORE_MUTATION_MAX) return true;
    this.#pollDrain();
    return false;
  }

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
    this.#timers.soon(() => {
      this.#isPumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (!this.#isOpen || !this.#isUpdateWanted || this.#isCycleRunning) return;
    if (this.#outbox.unsentTransitions >= UNSENT_TRANSITIONS_MAX) return this.#pollDrain();
    this.#drainPollMs = DRAIN_POLL_MS_MIN;
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
    if (this.#isDrainPolled || !this.#isOpen) return;
    this.#isDrainPolled = true;
    this.#timers.after(this.#drainPollMs, () => {
      this.#isDrainPolled = false;
      this.#drainPollMs = Math.min(this.#drainPollMs * 2, DRAIN_POLL_MS_MAX);
      this.#calls.start();
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
    await this.#calls.commitsAnswered(ts);
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
    for (let attempt = 0;; attempt++) {
      const ts = await this.#readableTimestamp();
      try {
        const queries = await this.#queries.evaluate(ts, identity);
        return queries === null ? null : { ts, queries };
      } catch (error) {
        if (!(error instanceof PlatformError) || error.kind !== "outOfRetention") throw error;
      }
      await backOff(this.#timers, RETENTION_BACKOFF, attempt);
      if (!this.#isOpen) return null;
    }
  }

  /** The latest timestamp, and not before what the client was told of its mutations. */
  async #readableTimestamp(): Promise<Timestamp> {
    const { source, subscriptions } = this.#environment;
    const latest = subscriptions.latest();
    const { answeredTs } = this.#calls;
    if (latest >= answeredTs) return latest;
    await source.committer.whenDurable(answeredTs);
    return answeredTs;
  }

  #transition(end: messages.StateVersion, modifications: readonly string[]): void {
    const endText = messages.stateVersionText(end);
    const nowMs = this.#timers.nowMs();
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
    if (this.#isRetryScheduled) return;
    this.#isRetryScheduled = true;
    this.#timers.after(UNAVAILABLE_RETRY_MS, () => {
      this.#isRetryScheduled = false;
      this.#wantUpdate();
    });
  }
}

function overloaded(code: string): PlatformError {
  return new PlatformError("overloaded", code, "");
}
