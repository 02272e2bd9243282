import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeId, encodeId, newInternalId, tableNumberOf } from "./id.ts";

const ZERO = new Uint8Array(16);
const COUNTING = Uint8Array.from({ length: 16 }, (_, i) => i);
const DATED = Uint8Array.from([...COUNTING.slice(0, 14), 0x4e, 0x20]);

const VECTORS: [number, Uint8Array, string][] = [
  [1, ZERO, "0400000000000000000000000000248"],
  [127, COUNTING, "fw0020g30g2gc1r81450p30d1r7ze5r"],
  [540, COUNTING, "kg2000820c20a1g7104gm2rc1m70y674"],
  [10001, ZERO, "j5700000000000000000000000001qv0"],
  [10001, DATED, "j57000820c20a1g7104gm2rc1n721a4s"],
  [10002, COUNTING, "j97000820c20a1g7104gm2rc1m70yp0t"],
  [4294967295, ZERO, "zzzzzzrf000000000000000000000000005v2"],
];

Deno.test("ids have the platform's texts", () => {
  for (const [tableNumber, internal, text] of VECTORS) {
    assert.equal(encodeId(tableNumber, internal), text);
    assert.equal(tableNumberOf(text), tableNumber);
    assert.deepEqual([...decodeId(text).internal], [...internal]);
  }
});

const anyInternal = fc.uint8Array({ minLength: 16, maxLength: 16 });

Deno.test("ids round trip", () => {
  const anyNumber = fc.oneof(
    fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    fc.constantFrom(2 ** 7, 2 ** 7 - 1, 2 ** 14, 2 ** 14 - 1, 2 ** 21, 2 ** 28, 2 ** 28 - 1),
  );
  fc.assert(fc.property(anyNumber, anyInternal, (tableNumber, internal) => {
    const text = encodeId(tableNumber, internal);
    const decoded = decodeId(text);
    assert.equal(decoded.tableNumber, tableNumber);
    assert.deepEqual([...decoded.internal], [...internal]);
    assert.ok([31, 32, 34, 36, 37].includes(text.length));
  }));
});

Deno.test("a text that is read as an id is the only text of that id", () => {
  const digit = fc.constantFrom(..."0123456789abcdefghjkmnpqrstvwxyz");
  fc.assert(fc.property(anyInternal, fc.nat(31), digit, (internal, at, char) => {
    const text = encodeId(10001, internal);
    const changed = text.slice(0, at) + char + text.slice(at + 1);
    const tableNumber = tableNumberOf(changed);
    if (tableNumber === null) return;
    assert.equal(encodeId(tableNumber, decodeId(changed).internal), changed);
  }));
});

Deno.test("what is no id is refused in the platform's words", () => {
  const cases: [string, string][] = [
    ["", "Invalid ID length 0"],
    ["abc", "Invalid ID length 3"],
    ["é".repeat(31), "Invalid ID length 62"],
    ["é".repeat(16), "ID wasn't valid base32"],
    ["J5700000000000000000000000001qv0", "ID wasn't valid base32"],
    ["j570000000000000000000000000lqv0", "ID wasn't valid base32"],
    ["0".repeat(32), "Invalid table number"],
    ["z".repeat(37), "Invalid table number"],
    ["j5700000000000000000000000001qv", "Invalid ID length 31"],
    ["j5700000000000000000000000001qv00", "Invalid ID length 33"],
    ["0400000000000000000000000000249", "Invalid ID length 31"],
    ["j5700000000000000000000000011qv0", "Invalid ID version 24799 (expected 28911)"],
  ];
  for (const [text, problem] of cases) {
    assert.equal(tableNumberOf(text), null);
    assert.throws(() => decodeId(text), {
      code: "InvalidArgument",
      message: `Unable to decode ID: ${problem}`,
    });
  }
});

Deno.test("a new internal id ends with the day", () => {
  const internal = newInternalId(COUNTING.slice(0, 14), 20000 * 86_400_000 + 5);
  assert.deepEqual([...internal], [...DATED]);
});
