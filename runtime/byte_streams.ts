// One side's ends of the byte streams of one call; host and isolate use the same code. See
// stream_frames.ts for the frames.

import {
  CHUNK_BYTES_MAX,
  type ChunkFrame,
  STREAM_WINDOW_BYTES,
  type StreamFrame,
} from "./stream_frames.ts";

/** Consumed bytes are reported when they are this many, not one by one. */
const CREDIT_BYTES_MIN = STREAM_WINDOW_BYTES / 2;

type SendFrame = (frame: StreamFrame) => void;

export class ByteStreams {
  readonly #callId: number;
  readonly #send: SendFrame;
  readonly #incoming = new Map<number, Incoming>();
  readonly #outgoing = new Map<number, Outgoing>();
  #closed: string | null = null;

  constructor(callId: number, send: SendFrame) {
    this.#callId = callId;
    this.#send = (frame) => {
      if (this.#closed === null || frame.type === "stop") send(frame);
    };
  }

  /** Takes a frame of the other side. @throws RangeError when it sent more than it may */
  receive(frame: StreamFrame): void {
    switch (frame.type) {
      case "chunk":
        this.#receiver(frame.stream).push(frame);
        break;
      case "end":
        this.#receiver(frame.stream).end(frame.error);
        break;
      case "credit":
        this.#outgoing.get(frame.stream)?.addCredit(frame.bytes);
        break;
      case "stop":
        this.#outgoing.get(frame.stream)?.stop();
        break;
    }
  }

  /**
   * The bytes that the other side sends. To be asked once for each stream.
   * @param onCancel called when the consumer gives the stream up
   */
  incoming(stream: number, onCancel: () => void = () => {}): ReadableStream<Uint8Array> {
    return this.#receiver(stream).open(onCancel);
  }

  /** All bytes of a stream that has arrived already, without the cost of a stream. */
  takeArrived(stream: number): Uint8Array<ArrayBuffer> {
    const incoming = this.#incoming.get(stream);
    this.#incoming.delete(stream);
    return incoming?.takeAll() ?? new Uint8Array();
  }

  outgoing(stream: number): Outgoing {
    const outgoing = new Outgoing(this.#callId, stream, this.#send);
    this.#outgoing.set(stream, outgoing);
    if (this.#closed !== null) outgoing.stop();
    return outgoing;
  }

  /** Sends all bytes of `source`. Resolves when it ended or nobody wants more; never rejects. */
  async sendAll(stream: number, source: ReadableStream<Uint8Array>): Promise<void> {
    const outgoing = this.outgoing(stream);
    const reader = source.getReader();
    // Told before it wants to read again, too: a source that never gives anything must be let go.
    outgoing.onStop = () => reader.cancel().catch(() => {});
    if (outgoing.isStopped) outgoing.onStop();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (!await outgoing.write(value)) break;
      }
      outgoing.end(null);
    } catch (error) {
      outgoing.end(error instanceof Error ? error.message : String(error));
    }
  }

  /** Bytes of the stream that were sent so far. */
  sentBytes(stream: number): number {
    return this.#outgoing.get(stream)?.sentBytes ?? 0;
  }

  /** Ends what has not ended: the call is over. */
  close(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const incoming of this.#incoming.values()) incoming.end(reason);
    for (const outgoing of this.#outgoing.values()) outgoing.stop();
  }

  #receiver(stream: number): Incoming {
    let incoming = this.#incoming.get(stream);
    if (incoming === undefined) {
      incoming = new Incoming(this.#callId, stream, this.#send);
      if (this.#closed !== null) incoming.end(this.#closed);
      this.#incoming.set(stream, incoming);
    }
    return incoming;
  }
}

/** The sending end of a stream. */
export class Outgoing {
  /** Called when the other side wants no more. */
  onStop: () => void = () => {};
  #credit = STREAM_WINDOW_BYTES;
  #stopped = false;
  #ended = false;
  #sentBytes = 0;
  #wake: (() => void) | null = null;

  constructor(
    private readonly callId: number,
    private readonly stream: number,
    private readonly send: SendFrame,
  ) {}

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Sends bytes as the other side has room for them; false when it wants no more. */
  async write(bytes: Uint8Array): Promise<boolean> {
    const { callId, stream } = this;
    for (let position = 0; position < bytes.length && !this.#stopped;) {
      if (this.#credit <= 0) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      const size = Math.min(bytes.length - position, this.#credit, CHUNK_BYTES_MAX);
      this.#credit -= size;
      this.#sentBytes += size;
      this.send({
        type: "chunk",
        callId,
        stream,
        bytes: bytes.subarray(position, position + size),
      });
      position += size;
    }
    return !this.#stopped;
  }

  /** @param error why the bytes are not all */
  end(error: string | null): void {
    if (this.#ended || this.#stopped) return;
    this.#ended = true;
    this.send({ type: "end", callId: this.callId, stream: this.stream, error });
  }

  addCredit(bytes: number): void {
    this.#credit += bytes;
    this.#awake();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#awake();
    if (!this.#ended) this.onStop();
  }

  #awake(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** The receiving end: chunks wait here, never more than a window of them, until they are read. */
class Incoming {
  #chunks: Uint8Array[] = [];
  #size = 0;
  /** Bytes consumed that the sender does not know of yet. */
  #consumed = 0;
  #ended: { readonly error: string | null } | null = null;
  #cancelled = false;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #waiting: (() => void) | null = null;

  constructor(
    private readonly callId: number,
    private readonly stream: number,
    private readonly send: SendFrame,
  ) {}

  push({ bytes }: ChunkFrame): void {
    if (this.#cancelled || this.#ended !== null) return;
    if (this.#size + bytes.length > STREAM_WINDOW_BYTES) {
      throw new RangeError("the sender of a stream did not keep to its window");
    }
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    this.#deliver();
  }

  end(error: string | null): void {
    this.#ended ??= { error };
    this.#deliver();
  }

  open(onCancel: () => void): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () =>
        new Promise<void>((resolve) => {
          this.#waiting = resolve;
          this.#deliver();
        }),
      cancel: () => {
        this.#cancelled = true;
        this.#chunks = [];
        if (this.#ended === null) {
          this.send({ type: "stop", callId: this.callId, stream: this.stream });
        }
        onCancel();
      },
    }, { highWaterMark: 0 });
  }

  takeAll(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#size);
    let position = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, position);
      position += chunk.length;
    }
    return all;
  }

  /** Gives a chunk, or the end, to a consumer that waits. */
  #deliver(): void {
    if (this.#waiting === null || this.#controller === null || this.#cancelled) return;
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#controller.enqueue(chunk);
      this.#size -= chunk.length;
      this.#giveCredit(chunk.length);
    } else if (this.#ended === null) return;
    else if (this.#ended.error === null) this.#controller.close();
    else this.#controller.error(new TypeError(this.#ended.error));
    this.#waiting();
    this.#waiting = null;
  }

  #giveCredit(bytes: number): void {
    this.#consumed += bytes;
    if (this.#ended !== null || this.#consumed < CREDIT_BYTES_MIN) return;
    const { callId, stream } = this;
    this.send({ type: "credit", callId, stream, bytes: this.#consumed });
    this.#consumed = 0;
  }
}
