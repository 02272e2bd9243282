import assert from "node:assert/strict";
import { occError } from "./occ_error.ts";
import type { Timestamp } from "./timestamp.ts";

const ts = 1 as Timestamp;

Deno.test("the error of a mutation that met a conflict on every try", () => {
  const conflict = { ts, table: "things", id: "abc", source: "m.js:f" };
  const start =
    'Documents read from or written to the "things" table changed while this mutation ' +
    "was being run and on every subsequent retry. ";
  const end = "See https://docs.convex.dev/error#1";
  const error = occError(conflict);
  assert.equal(error.kind, "occ");
  assert.equal(error.code, "OptimisticConcurrencyControlFailure");
  assert.equal(
    error.message,
    `${start}A call to "m.js:f" changed the document with ID "abc". ${end}`,
  );
  assert.equal(
    occError(conflict, "m.js:f").message,
    `${start}Another call to this mutation changed the document with ID "abc". ${end}`,
  );
  assert.equal(occError({ ...conflict, source: null }).message, start + end);
  assert.equal(
    occError({ ts, table: null, id: null, source: null }).message,
    start.replace('the "things" table', "some table") + end,
  );
  assert.match(
    occError({ ts, table: null, id: "x", source: "push" }).message,
    /^Data read or written in this mutation changed while it was being run\. Consider reducing/,
  );
});
