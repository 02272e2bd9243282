// The isolate's end of the pipe to the host.

import { FrameDecoder, FrameEncoder, type FromIsolate, type ToIsolate } from "../frames.ts";
import { readInput, readInputAsync, writeOutput } from "./host.ts";

const READ_BYTES = 256 * 1024;

export class FramePipe {
  readonly #decoder = new FrameDecoder<ToIsolate>();
  readonly #encoder = new FrameEncoder();
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #received: ToIsolate[] = [];

  send(frame: FromIsolate): void {
    this.#encoder.add(frame);
    writeOutput(this.#encoder.take());
  }

  /** A frame that has already arrived completely, if any. */
  takeReceived(): ToIsolate | undefined {
    return this.#received.shift();
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
