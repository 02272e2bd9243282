import assert from "node:assert/strict";
import fc from "fast-check";
import { FRAME_BYTES_MAX, FrameDecoder, FrameEncoder } from "./frames.ts";

type Message = { text: string };

function encode(messages: Message[]): Uint8Array {
  const encoder = new FrameEncoder();
  for (const message of messages) encoder.add(message);
  return encoder.take().slice();
}

Deno.test("frames survive any cut of the byte stream", () => {
  const texts = fc.array(fc.string({ unit: "binary", maxLength: 300 }), { maxLength: 20 });
  fc.assert(fc.property(texts, fc.array(fc.nat(2000), { maxLength: 30 }), (strings, cuts) => {
    const messages = strings.map((text) => ({ text: text.toWellFormed() }));
    const bytes = encode(messages);
    const positions = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
    positions.sort((a, b) => a - b);
    const decoder = new FrameDecoder<Message>();
    const received: Message[] = [];
    for (let i = 1; i < positions.length; i++) {
      received.push(...decoder.push(bytes.subarray(positions[i - 1], positions[i])));
    }
    assert.deepEqual(received, messages);
  }));
});

Deno.test("a frame larger than every buffer arrives whole, and small ones after it", () => {
  const messages = [{ text: "é".repeat(3_000_000) }, { text: "small" }];
  const bytes = encode(messages);
  const decoder = new FrameDecoder<Message>();
  const received: Message[] = [];
  for (let at = 0; at < bytes.length; at += 65_536) {
    received.push(...decoder.push(bytes.subarray(at, at + 65_536)));
  }
  assert.deepEqual(received, messages);
});

Deno.test("an encoder can be used again after its bytes were taken", () => {
  const encoder = new FrameEncoder();
  encoder.add({ text: "a" });
  assert.equal(encoder.take().length, encode([{ text: "a" }]).length);
  assert.equal(encoder.size, 0);
  encoder.add({ text: "b" });
  assert.deepEqual(new FrameDecoder<Message>().push(encoder.take()), [{ text: "b" }]);
});

Deno.test("an impossible length is refused before anything is allocated for it", () => {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, FRAME_BYTES_MAX + 1, true);
  assert.throws(() => new FrameDecoder().push(header), RangeError);
});

Deno.test("chunks of bytes pass among other frames, whole or in pieces", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(3000));
  const messages = [
    { type: "before" },
    { type: "chunk", callId: 2 ** 40 + 1, stream: 7, bytes },
    { type: "chunk", callId: 1, stream: 0, bytes: new Uint8Array() },
    { type: "after" },
  ];
  const encoder = new FrameEncoder();
  for (const message of messages) encoder.add(message);
  const all = encoder.take();
  for (const size of [1, 7, 1000, all.length]) {
    const decoder = new FrameDecoder<unknown>();
    const decoded: unknown[] = [];
    for (let i = 0; i < all.length; i += size) {
      decoded.push(...decoder.push(all.subarray(i, i + size)));
    }
    assert.deepEqual(decoded, messages);
  }
});
