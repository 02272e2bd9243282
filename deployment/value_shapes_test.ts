import assert from "node:assert/strict";
import { encodeId } from "../engine/values/id.ts";
import type { Json, Value } from "../engine/values/value.ts";
import { ValueShape } from "./value_shapes.ts";

const ID = encodeId(10_001, new Uint8Array(16));
const FOREIGN_ID = encodeId(10_002, new Uint8Array(16));

function shapeOf(...values: Value[]): Json {
  const shape = new ValueShape((number) => number === 10_001 ? "notes" : null);
  for (const value of values) shape.add(value);
  return shape.toJson();
}

const FLOAT = { type: "Float64", float64Range: { hasSpecialValues: false } };
const STRING = { type: "String" };

Deno.test("the shape of values has the platform's names", () => {
  const cases: [Value[], Json][] = [
    [[], { type: "Never" }],
    [[null], { type: "Null" }],
    [[1n, 2n], { type: "Int64" }],
    [[true], { type: "Boolean" }],
    [[new ArrayBuffer(1)], { type: "Bytes" }],
    [[1, 2.5], FLOAT],
    [[1, NaN], { type: "Float64", float64Range: { hasSpecialValues: true } }],
    [[-0], { type: "Float64", float64Range: { hasSpecialValues: true } }],
    [["a"], STRING],
    [[ID], { type: "Id", tableName: "notes" }],
    [[ID, "a"], STRING],
    [[FOREIGN_ID], STRING],
    [[[]], { type: "Array", shape: { type: "Never" } }],
    [[[1], ["a"]], { type: "Array", shape: { type: "Union", shapes: [FLOAT, STRING] } }],
    [[null, 1], { type: "Union", shapes: [{ type: "Null" }, FLOAT] }],
  ];
  for (const [values, expected] of cases) assert.deepEqual(shapeOf(...values), expected);
});

Deno.test("fields that some objects lack are optional; odd or many names make a record", () => {
  assert.deepEqual(shapeOf({ b: 1, a: "x" }, { b: null }), {
    type: "Object",
    fields: [
      { fieldName: "a", optional: true, shape: STRING },
      {
        fieldName: "b",
        optional: false,
        shape: { type: "Union", shapes: [{ type: "Null" }, FLOAT] },
      },
    ],
  });
  const record = (shape: Json) => ({
    type: "Record",
    keyShape: STRING,
    valueShape: { optional: false, shape },
  });
  assert.deepEqual(shapeOf({ "no identifier": 1, x: "a" }, {}), {
    ...record({ type: "Union", shapes: [FLOAT, STRING] }),
  });
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, { n: i }]));
  const inner = { type: "Object", fields: [{ fieldName: "n", optional: false, shape: FLOAT }] };
  assert.deepEqual(shapeOf(many), record(inner));
});
