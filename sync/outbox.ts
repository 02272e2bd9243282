// What a session sends: one FIFO into the socket, with the count of Transitions that the socket has
// not yet taken, and a Ping when it has been silent (sync protocol 11).

import type { SyncClock } from "./clock.ts";
import { PING } from "./server_messages.ts";

/** Silence after which a Ping is sent. */
export const PING_AFTER_MS = 15_000;

/** The socket as a session sees it; `WebSocket` satisfies it. */
export interface SessionSocket {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  /** Bytes handed to `send` that the network has not taken. */
  readonly bufferedAmount: number;
}

export class Outbox {
  readonly #socket: SessionSocket;
  readonly #clock: SyncClock;
  #lastSentMs: number;
  /** Bytes handed to the socket in all. */
  #queuedBytes = 0;
  /** For each Transition that may be unsent: `#queuedBytes` at its end. */
  #transitionEnds: number[] = [];
  #open = true;

  /** `clock` is the connection's own: its timers end with it. */
  constructor(socket: SessionSocket, clock: SyncClock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#lastSentMs = clock.nowMs();
    clock.after(PING_AFTER_MS, () => this.#pingIfSilent());
  }

  send(text: string): void {
    if (!this.#open) return;
    const before = this.#socket.bufferedAmount;
    this.#socket.send(text);
    this.#queuedBytes += this.#socket.bufferedAmount - before;
    this.#lastSentMs = this.#clock.nowMs();
  }

  /** Sends the messages of one Transition back to back. */
  sendTransition(messages: readonly string[]): void {
    for (const message of messages) this.send(message);
    this.#transitionEnds.push(this.#queuedBytes);
  }

  get unsentBytes(): number {
    return this.#socket.bufferedAmount;
  }

  get unsentTransitions(): number {
    const sent = this.#queuedBytes - this.#socket.bufferedAmount;
    while (this.#transitionEnds.length > 0 && this.#transitionEnds[0]! <= sent) {
      this.#transitionEnds.shift();
    }
    return this.#transitionEnds.length;
  }

  /** Nothing is sent from here on, except by the socket's own close. */
  end(): void {
    this.#open = false;
  }

  /** The timer is not reset by every message: it finds out when it fires. */
  #pingIfSilent(): void {
    const silentMs = this.#clock.nowMs() - this.#lastSentMs;
    if (silentMs >= PING_AFTER_MS) this.send(PING);
    const restMs = silentMs >= PING_AFTER_MS ? PING_AFTER_MS : PING_AFTER_MS - silentMs;
    this.#clock.after(restMs, () => this.#pingIfSilent());
  }
}
