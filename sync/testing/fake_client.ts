// A client at the other end of a session: checks every Transition's version chain as the official
// client does, and keeps the state that the client would show.

import assert from "node:assert/strict";
import { decodeTimestamp, type Timestamp, TIMESTAMP_ZERO } from "../../engine/timestamp.ts";
import type { SessionSocket } from "../outbox.ts";
import { Session, type SessionEnvironment } from "../session.ts";

// deno-lint-ignore no-explicit-any -- messages are free JSON here
type Message = any;

export interface Told {
  readonly value?: unknown;
  readonly error?: string;
  readonly data?: unknown;
  readonly journal: string | null;
  readonly logLines: readonly string[];
}

/** `endVersion.ts` of a Transition, in this server's units. */
export function endTs(transition: Message): Timestamp {
  return decodeTimestamp(transition.endVersion.ts);
}

export class FakeClient implements SessionSocket {
  readonly received: Message[] = [];
  /** What the client knows of each query. */
  readonly told = new Map<number, Told>();
  closed: { code: number | undefined; reason: string | undefined } | null = null;
  /** Set to pretend that the network does not take what is sent. */
  isStuck = false;
  ended = false;
  version: Message = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };
  ts: Timestamp = TIMESTAMP_ZERO;
  /** Called after every Transition. */
  onTransition: () => void = () => {};
  readonly session: Session;
  #buffered = 0;
  #querySetVersion = 0;
  #chunks: string[] = [];

  constructor(environment: SessionEnvironment, understandsChunks = true) {
    this.session = new Session({
      environment,
      socket: this,
      connection: { ip: null, userAgent: null },
      understandsChunks,
      onEnd: () => this.ended = true,
    });
  }

  get bufferedAmount(): number {
    return this.#buffered;
  }

  unstick(): void {
    this.isStuck = false;
    this.#buffered = 0;
  }

  send(text: string): void {
    assert.equal(this.closed, null, "sent after the close frame");
    if (this.isStuck) this.#buffered += text.length;
    this.#receive(JSON.parse(text));
  }

  close(code?: number, reason?: string): void {
    assert.equal(this.closed, null, "closed twice");
    this.closed = { code, reason };
  }

  say(message: Message): void {
    this.session.receive(JSON.stringify(message));
  }

  connect(sessionId: string, more: Message = {}): void {
    this.say({ type: "Connect", sessionId, connectionCount: 0, lastCloseReason: null, ...more });
  }

  add(queryId: number, name: string, args: unknown = {}, more: Message = {}): void {
    this.modify([{ type: "Add", queryId, udfPath: `app:${name}`, args: [args], ...more }]);
  }

  remove(queryId: number): void {
    this.modify([{ type: "Remove", queryId }]);
  }

  modify(modifications: Message[]): void {
    const baseVersion = this.#querySetVersion++;
    const newVersion = this.#querySetVersion;
    this.say({ type: "ModifyQuerySet", baseVersion, newVersion, modifications });
  }

  mutate(requestId: number, name: string, args: unknown = {}): void {
    this.say({ type: "Mutation", requestId, udfPath: `app:${name}`, args: [args] });
  }

  of(type: string): Message[] {
    return this.received.filter((message) => message.type === type);
  }

  /** Takes what has been received since the last call. */
  take(): Message[] {
    return this.received.splice(0);
  }

  #receive(message: Message): void {
    if (message.type === "TransitionChunk") {
      assert.equal(message.partNumber, this.#chunks.length);
      this.#chunks.push(message.chunk);
      if (this.#chunks.length < message.totalParts) return;
      const whole = this.#chunks.join("");
      this.#chunks = [];
      return this.#receive(JSON.parse(whole));
    }
    assert.equal(this.#chunks.length, 0, "another message between the parts of a Transition");
    this.received.push(message);
    if (message.type !== "Transition") return;
    assert.deepEqual(message.startVersion, this.version, "version chain is broken");
    assert.ok(message.endVersion.querySet >= this.version.querySet);
    assert.ok(message.endVersion.identity >= this.version.identity);
    assert.ok(endTs(message) >= this.ts, "timestamp went back");
    this.version = message.endVersion;
    this.ts = endTs(message);
    let lastId = -1;
    for (const modification of message.modifications) {
      assert.ok(modification.queryId > lastId, "modifications are not in ascending order");
      lastId = modification.queryId;
      this.#apply(modification);
    }
    this.onTransition();
  }

  #apply(modification: Message): void {
    const { type, queryId, journal, logLines } = modification;
    if (type === "QueryRemoved") {
      this.told.delete(queryId);
    } else if (type === "QueryUpdated") {
      this.told.set(queryId, { value: modification.value, journal, logLines });
    } else {
      assert.equal(type, "QueryFailed");
      const told = { error: modification.errorMessage, journal, logLines };
      const data = "errorData" in modification ? { data: modification.errorData } : {};
      this.told.set(queryId, { ...told, ...data });
    }
  }
}
