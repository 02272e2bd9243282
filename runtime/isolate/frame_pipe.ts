// The isolate's end of the pipe to the host.

import { FrameDecoder, FrameEncoder, type FromIsolate, type ToIsolate } from "../frames.ts";
import { nextTurn, readInput, readInputAsync, writeOutput } from "./host.ts";

const READ_BYTES = 256 * 1024;

export class FramePipe {
  readonly #decoder = new FrameDecoder<ToIsolate>();
  readonly #encoder = new FrameEncoder();
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #received: ToIsolate[] = [];
  #isFlushDue = false;

  /** Sends a frame now, after those that wait. */
  send(frame: FromIsolate): void {
    this.#encoder.add(frame);
    writeOutput(this.#encoder.take());
  }

  /** Sends a frame together with what follows it in this turn of the event loop. */
  sendSoon(frame: FromIsolate): void {
    this.#encoder.add(frame);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    nextTurn(() => {
      this.#isFlushDue = false;
      if (this.#encoder.size > 0) writeOutput(this.#encoder.take());
    });
  }

  /** A frame that has already arrived completely, if any. */
  takeReceived(): ToIsolate | undefined {
    return this.#received.shift();
  }

  /** Frames that were received too early: they come first again. */
  putBack(frames: readonly ToIsolate[]): void {
    this.#received.unshift(...frames);
  }

  /** Waits for the next frame, the whole process with it. Null: the host is gone. */
  receive(): ToIsolate | null {
    for (;;) {
      const frame = this.#received.shift();
      if (frame !== undefined) return frame;
      const count = readInput(this.#buffer);
      if (count === null) return null;
      this.#received.push(...this.#decoder.push(this.#buffer.subarray(0, count)));
    }
  }

  /** Waits for the next frame while promises and timers go on. */
  async receiveAsync(): Promise<ToIsolate | null> {
    for (;;) {
      const frame = this.#received.shift();
      if (frame !== undefined) return frame;
      const count = await readInputAsync(this.#buffer);
      if (count === null) return null;
      this.#received.push(...this.#decoder.push(this.#buffer.subarray(0, count)));
    }
  }
}
