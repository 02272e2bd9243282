// A WebSocket as a session uses it: it may close at any moment, and it closes so that the client learns why.

import type { SyncClock } from "./clock.ts";
import type { SessionSocket } from "./outbox.ts";

/** A client is silent if nothing came from it for so long. */
const SILENCE_MS = 50;
/** How long `close` waits for the client to be silent. */
const SILENCE_WAIT_MS_MAX = 1000;

/** What is sent to a socket that is closed is dropped. */
export class OpenSocket implements SessionSocket {
  constructor(private readonly socket: WebSocket, private readonly clock: SyncClock) {}

  get bufferedAmount(): number {
    return this.socket.bufferedAmount;
  }

  send(text: string): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  /**
   * Closes when the client is silent: if one of its frames is read after `close`, Deno drops the
   * connection, and with it the close frame, and perhaps the last message.
   */
  close(code?: number, reason?: string): void {
    const deadlineMs = this.clock.nowMs() + SILENCE_WAIT_MS_MAX;
    let hasHeard = false;
    this.socket.addEventListener("message", () => hasHeard = true);
    const closeIfSilent = () => {
      if (this.socket.readyState !== WebSocket.OPEN) return;
      if (!hasHeard || this.clock.nowMs() >= deadlineMs) return this.socket.close(code, reason);
      listen();
    };
    const listen = () => {
      hasHeard = false;
      // A process that stood still meets its timers before it looks at what has arrived.
      this.clock.after(SILENCE_MS, () => this.clock.soon(closeIfSilent));
    };
    listen();
  }
}
