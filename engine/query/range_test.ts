import assert from "node:assert/strict";
import type { IndexInfo } from "../catalog.ts";
import { PlatformError } from "../errors.ts";
import type { Value } from "../values/value.ts";
import type { RangeCondition, RangeOperator } from "./parse.ts";
import { rangeInterval } from "./range.ts";

const fields = ["a", "b", "c", "_creationTime"];
const INDEX: IndexInfo = {
  id: 1,
  tablet: 1,
  name: "by_abc",
  fields,
  paths: fields.map((field) => [field]),
  kind: "database",
  state: "enabled",
  staged: false,
};

type Condition = [operator: RangeOperator, field: string, value: Value];

function failure(...conditions: Condition[]): [string, string] {
  const range = conditions.map(([operator, field, value]): RangeCondition => ({
    operator,
    field,
    value,
  }));
  try {
    rangeInterval("t.by_abc", INDEX, range);
  } catch (error) {
    assert(error instanceof PlatformError);
    return [error.code, error.message];
  }
  return ["ok", ""];
}

Deno.test("index ranges are refused with the platform's texts", () => {
  const see = "https://docs.convex.dev/using/indexes";
  assert.deepEqual(failure(["Eq", "b", 1], ["Eq", "a", 1], ["Gt", "c", 1], ["Lte", "c", 5]), [
    "ok",
    "",
  ]);
  assert.deepEqual(failure(["Eq", "a", "x"], ["Eq", "a", 2]), [
    "AlreadyDefinedBound",
    'Already defined equality bound in index range. Can\'t add "a" == "x".',
  ]);
  assert.deepEqual(failure(["Gt", "a", 1], ["Gte", "a", 2]), [
    "AlreadyDefinedBound",
    'Already defined lower bound in index range. Can\'t add "a" >= 2.0.',
  ]);
  assert.deepEqual(failure(["Lt", "a", 1], ["Lt", "b", 2n]), [
    "AlreadyDefinedBound",
    'Already defined upper bound in index range. Can\'t add "b" < 2.',
  ]);
  assert.deepEqual(failure(["Gt", "a", 1], ["Lt", "b", 2]), [
    "BoundsOnMultipleFields",
    "Upper and lower bounds in `range` can only be applied to a single index field. This query " +
    'against index t.by_abc attempted to set a range bound on both "a" and "b". Consider using ' +
    `\`filter\` instead. See ${see} for more info.`,
  ]);
  assert.deepEqual(failure(["Eq", "a", 1], ["Gt", "a", 0]), [
    "AlreadyDefinedBound",
    'Already defined inequality bound in index range. Can\'t add "a" == 1.0.',
  ]);
  assert.deepEqual(failure(["Eq", "z", 1]), [
    "FieldNotInIndex",
    'The index range included a comparison with "z", but t.by_abc with fields ' +
    '["a", "b", "c", "_creationTime"] doesn\'t index this field. For more information see ' +
    `${see}.`,
  ]);
  assert.deepEqual(failure(["Gt", "c", 1], ["Eq", "a", 1]), [
    "InvalidIndexRange",
    "Tried to query index t.by_abc but the query didn't use the index fields in order.\n" +
    'Index fields: ["a", "b", "c", "_creationTime"]\nQuery fields: ["a", "c"]\n' +
    `First incorrect field: "c"\nFor more information see ${see}.`,
  ]);
});
