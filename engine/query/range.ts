// Index ranges (spec values-and-queries 4.2): checks the conditions against the index and turns them
// into one interval of keys.

import type { IndexInfo } from "../catalog.ts";
import { userError } from "../errors.ts";
import type { Interval } from "../types.ts";
import { encodeKeyPart, KEY_AFTER } from "../values/key.ts";
import { printString, printStrings, printValue } from "../values/print.ts";
import type { Value } from "../values/value.ts";
import type { RangeCondition } from "./parse.ts";

const SEE_INDEXES = "https://docs.convex.dev/using/indexes";

const OPERATOR_SIGNS = { Eq: "==", Gt: ">", Gte: ">=", Lt: "<", Lte: "<=" } as const;

interface Conditions {
  readonly eq: Map<string, Value | undefined>;
  readonly lower: RangeCondition | null;
  readonly upper: RangeCondition | null;
}

/**
 * The keys that satisfy the conditions.
 * @param name `table.index`, for messages
 * @throws PlatformError with the texts of spec 4.2
 */
export function rangeInterval(
  name: string,
  index: IndexInfo,
  range: readonly RangeCondition[],
): Interval {
  const conditions = collect(name, range);
  const { eq, lower, upper } = conditions;
  const boundField = lower?.field ?? upper?.field ?? null;
  checkFields(name, index, conditions, boundField);

  let prefix = "";
  for (const field of searchFields(index)) {
    if (!eq.has(field)) break;
    prefix += encodeKeyPart(eq.get(field));
  }
  let start = prefix;
  let end = prefix + KEY_AFTER;
  if (lower !== null) {
    start = prefix + encodeKeyPart(lower.value) + (lower.operator === "Gt" ? KEY_AFTER : "");
  }
  if (upper !== null) {
    end = prefix + encodeKeyPart(upper.value) + (upper.operator === "Lte" ? KEY_AFTER : "");
  }
  return { start, end };
}

/** Sorts the conditions by kind, and refuses contradictory sets of them. */
function collect(name: string, range: readonly RangeCondition[]): Conditions {
  const eq = new Map<string, Value | undefined>();
  let lower: RangeCondition | null = null;
  let upper: RangeCondition | null = null;
  for (const condition of range) {
    const { operator, field, value } = condition;
    if (operator === "Eq") {
      if (eq.has(field)) {
        throw alreadyDefined("equality", `${printString(field)} == ${printValue(eq.get(field))}`);
      }
      eq.set(field, value);
      continue;
    }
    const added = `${printString(field)} ${OPERATOR_SIGNS[operator]} ${printValue(value)}`;
    if (operator === "Gt" || operator === "Gte") {
      if (lower !== null) throw alreadyDefined("lower", added);
      lower = condition;
    } else {
      if (upper !== null) throw alreadyDefined("upper", added);
      upper = condition;
    }
  }
  if (lower !== null && upper !== null && lower.field !== upper.field) {
    throw userError(
      "BoundsOnMultipleFields",
      "Upper and lower bounds in `range` can only be applied to a single index field. This query " +
        `against index ${name} attempted to set a range bound on both ` +
        `${printString(lower.field)} and ${printString(upper.field)}. Consider using \`filter\` ` +
        `instead. See ${SEE_INDEXES} for more info.`,
    );
  }
  const bound = lower ?? upper;
  if (bound !== null && eq.has(bound.field)) {
    const defined = `${printString(bound.field)} == ${printValue(eq.get(bound.field))}`;
    throw alreadyDefined("inequality", defined);
  }
  return { eq, lower, upper };
}

/** The used fields must be the first fields of the index, the one with bounds last. */
function checkFields(
  name: string,
  index: IndexInfo,
  { eq }: Conditions,
  boundField: string | null,
): void {
  const fields = searchFields(index);
  const used = [...eq.keys()];
  if (boundField !== null) used.push(boundField);
  for (const field of used) {
    if (!fields.includes(field)) {
      throw userError(
        "FieldNotInIndex",
        `The index range included a comparison with ${printString(field)}, but ${name} with ` +
          `fields ${printStrings(index.fields)} doesn't index this field. For more information ` +
          `see ${SEE_INDEXES}.`,
      );
    }
  }
  const ordered = fields.filter((field) => eq.has(field));
  if (boundField !== null) ordered.push(boundField);
  const wrong = ordered.find((field, position) => fields[position] !== field);
  if (wrong !== undefined) {
    throw userError(
      "InvalidIndexRange",
      `Tried to query index ${name} but the query didn't use the index fields in order.\n` +
        `Index fields: ${printStrings(index.fields)}\nQuery fields: ${printStrings(ordered)}\n` +
        `First incorrect field: ${printString(wrong)}\nFor more information see ${SEE_INDEXES}.`,
    );
  }
}

/** The fields that a range may use: those of the key, `_id` included. */
function searchFields(index: IndexInfo): readonly string[] {
  return [...index.fields, "_id"];
}

function alreadyDefined(bound: string, added: string): Error {
  return userError(
    "AlreadyDefinedBound",
    `Already defined ${bound} bound in index range. Can't add ${added}.`,
  );
}
