import assert from "node:assert/strict";
import fc from "fast-check";
import { readAhead } from "./read_ahead.ts";
import { BodyCutError } from "./request_bytes.ts";

const MEGABYTE = 1024 * 1024;

function bodyOf(chunks: Iterable<Uint8Array>, onCancel = () => {}): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: onCancel,
  }, { highWaterMark: 0 });
}

function* counted(sizes: readonly number[]): Generator<Uint8Array> {
  let next = 0;
  for (const size of sizes) yield Uint8Array.from({ length: size }, () => next++);
}

Deno.test("what comes out is what came in, in order, however slow who stores it is", async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 700_000 }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.boolean(), async (sizes, isSlow) => {
      let expected = 0;
      for await (const chunk of readAhead(bodyOf(counted(sizes)))) {
        const wrong = chunk.findIndex((byte, i) => byte !== ((expected + i) & 0xff));
        assert.equal(wrong, -1);
        expected += chunk.length;
        if (isSlow) await new Promise((resolve) => setTimeout(resolve, 0));
      }
      assert.equal(expected, sizes.reduce((sum, size) => sum + size, 0));
    }),
    { numRuns: 20 },
  );
});

Deno.test("a sender waits when the blocks are full", async () => {
  let sent = 0;
  const chunk = new Uint8Array(MEGABYTE);
  const endless = function* () {
    for (;; sent++) yield chunk;
  };
  const chunks = readAhead(bodyOf(endless()));
  await chunks.next();
  let before: number;
  do {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 10));
  } while (sent > before);
  assert.ok(sent < 20, `${sent} MiB`);
  await chunks.return(undefined);
});

Deno.test("a body that is cut fails; who stops early tells the sender", async () => {
  const cut = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new Uint8Array(3));
    },
    pull(controller) {
      controller.error(new Error("reset"));
    },
  });
  await assert.rejects(async () => {
    for await (const chunk of readAhead(cut)) assert.equal(chunk.length, 3);
  }, BodyCutError);

  const cancelled = Promise.withResolvers<void>();
  const chunks = readAhead(bodyOf(counted(Array(100).fill(MEGABYTE)), cancelled.resolve));
  await chunks.next();
  await chunks.return(undefined);
  await cancelled.promise;
});
