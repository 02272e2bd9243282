// Whether one validator accepts everything that another does: then documents that the one in force
// vouches for need not be looked at when a schema is pushed.

import type { NamedFieldValidator, ObjectValidator, Validator } from "./validator.ts";

const TYPES_OF_LITERALS = {
  string: "string",
  number: "number",
  bigint: "bigint",
  boolean: "boolean",
} as const;

/** True only if it is certain; false may mean that nobody knows. */
export function acceptsAll(wide: Validator, narrow: Validator): boolean {
  if (wide.type === "any") return true;
  if (narrow.type === "union") return narrow.value.every((branch) => acceptsAll(wide, branch));
  if (wide.type === "union") return wide.value.some((branch) => acceptsAll(branch, narrow));
  switch (narrow.type) {
    case "literal":
      return wide.type === "literal"
        ? Object.is(wide.value, narrow.value)
        : isOfType(wide, TYPES_OF_LITERALS[typeof narrow.value as keyof typeof TYPES_OF_LITERALS]);
    case "id":
      return wide.type === "string" || (wide.type === "id" && wide.tableName === narrow.tableName);
    case "function":
      return wide.type === "string" || wide.type === "function";
    case "array":
      return wide.type === "array" && acceptsAll(wide.value, narrow.value);
    case "object":
      if (wide.type === "record") return recordAcceptsObject(wide, narrow);
      return wide.type === "object" && objectAcceptsObject(wide, narrow);
    case "record":
      return wide.type === "record" && acceptsAll(wide.keys, narrow.keys) &&
        acceptsAll(wide.values.fieldType, narrow.values.fieldType);
    default:
      return isOfType(wide, narrow.type);
  }
}

/** Whether the validator is that of a whole type of values without parts. */
function isOfType(wide: Validator, type: Validator["type"]): boolean {
  const typeOf = (name: Validator["type"]) => name === "commitTs" ? "bigint" : name;
  return typeOf(wide.type) === typeOf(type);
}

function objectAcceptsObject(wide: ObjectValidator, narrow: ObjectValidator): boolean {
  const left = new Map<string, NamedFieldValidator>(
    narrow.fields.map((field) => [field.name, field]),
  );
  for (const field of wide.fields) {
    const given = left.get(field.name);
    left.delete(field.name);
    const mayBeMissing = given === undefined || given.optional;
    if (mayBeMissing && !field.optional) return false;
    if (given !== undefined && !acceptsAll(field.fieldType, given.fieldType)) return false;
  }
  return left.size === 0;
}

function recordAcceptsObject(
  { keys, values }: Validator & { type: "record" },
  narrow: ObjectValidator,
): boolean {
  return narrow.fields.every(({ name, fieldType }) =>
    acceptsAll(keys, { type: "literal", value: name }) && acceptsAll(values.fieldType, fieldType)
  );
}
