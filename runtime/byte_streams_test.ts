import assert from "node:assert/strict";
import { ByteStreams } from "./byte_streams.ts";
import { STREAM_WINDOW_BYTES, type StreamFrame } from "./stream_frames.ts";

/** Two sides whose frames arrive in later turns. */
function connect(): { left: ByteStreams; right: ByteStreams; sent: StreamFrame[] } {
  const sent: StreamFrame[] = [];
  const sides: ByteStreams[] = [];
  const sendTo = (index: number) => (frame: StreamFrame) => {
    sent.push(frame);
    queueMicrotask(() => sides[index]!.receive(frame));
  };
  sides.push(new ByteStreams(1, sendTo(1)), new ByteStreams(1, sendTo(0)));
  return { left: sides[0]!, right: sides[1]!, sent };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));
const bytesSent = (frames: StreamFrame[]) =>
  frames.reduce((sum, frame) => sum + (frame.type === "chunk" ? frame.bytes.length : 0), 0);

Deno.test("all bytes arrive in order, whatever the sizes of the pieces", async () => {
  const { left, right } = connect();
  const pieces = [1, 70_000, 0, 300_000, 5, 1_000_000].map((size, index) =>
    new Uint8Array(size).fill(index + 1)
  );
  const done = left.sendAll(3, ReadableStream.from(pieces) as ReadableStream<Uint8Array>);
  const received = new Uint8Array(await new Response(right.incoming(3) as BodyInit).arrayBuffer());
  await done;
  assert.deepEqual(received, new Uint8Array(await new Blob(pieces).arrayBuffer()));
});

Deno.test("a sender is never more than a window ahead of a slow receiver", async () => {
  const { left, right, sent } = connect();
  let produced = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      produced += 50_000;
      controller.enqueue(new Uint8Array(50_000));
    },
  }, { highWaterMark: 0 });
  left.sendAll(0, source);
  const reader = right.incoming(0).getReader();
  await settled();
  assert.equal(bytesSent(sent), STREAM_WINDOW_BYTES);
  assert.ok(produced <= STREAM_WINDOW_BYTES + 50_000);
  let consumed = 0;
  while (consumed < 1_000_000) {
    consumed += (await reader.read()).value!.length;
    assert.ok(bytesSent(sent) - consumed <= STREAM_WINDOW_BYTES);
  }
  await reader.cancel();
});

Deno.test("a receiver that stops lets the source go, even one that gives nothing", async () => {
  const { left, right } = connect();
  let cancelled = false;
  const source = new ReadableStream<Uint8Array>({
    pull: () => new Promise(() => {}),
    cancel: () => void (cancelled = true),
  });
  const done = left.sendAll(0, source);
  let told = false;
  await right.incoming(0, () => told = true).cancel();
  await done;
  assert.ok(cancelled && told);
});

Deno.test("an error of the source, or the end of the call, fails the reader", async () => {
  const { left, right } = connect();
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.error(new Error("broken")),
  });
  left.sendAll(0, source);
  await assert.rejects(right.incoming(0).getReader().read(), /TypeError: broken/);

  const reader = right.incoming(1).getReader();
  const reading = assert.rejects(reader.read(), /TypeError: over/);
  right.close("over");
  await reading;
});

Deno.test("a sender that ignores its window is not believed", () => {
  const { right } = connect();
  const bytes = new Uint8Array(STREAM_WINDOW_BYTES);
  right.receive({ type: "chunk", callId: 1, stream: 0, bytes });
  assert.throws(
    () => right.receive({ type: "chunk", callId: 1, stream: 0, bytes: new Uint8Array(1) }),
    RangeError,
  );
});
