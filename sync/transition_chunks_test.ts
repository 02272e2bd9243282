import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { splitTransition } from "./transition_chunks.ts";

Deno.test("chunks put together are the Transition, each within the size", () => {
  fc.assert(fc.property(
    fc.string({ unit: "binary", maxLength: 200 }).map((text) => JSON.stringify(text)),
    fc.integer({ min: 4, max: 60 }),
    (text, chunkBytes) => {
      const messages = splitTransition(text, chunkBytes);
      const byteLength = Buffer.byteLength(text);
      if (byteLength <= chunkBytes) return assert.deepEqual(messages, [text]);
      const chunks = messages.map((message) => JSON.parse(message));
      assert.equal(chunks.map(({ chunk }) => chunk).join(""), text);
      for (
        const [part, { type, chunk, partNumber, totalParts, transitionId }] of chunks.entries()
      ) {
        assert.deepEqual(
          [type, partNumber, totalParts, transitionId],
          ["TransitionChunk", part, chunks.length, String(byteLength)],
        );
        assert.ok(Buffer.byteLength(chunk) <= chunkBytes);
      }
    },
  ));
});
