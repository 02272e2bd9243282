// Checks values against validators (spec 9). The first mismatch wins; its text names the path to it.

import { VIRTUAL_TABLES } from "../system_tables.ts";
import { isFunctionHandle } from "./function_handle.ts";
import { tableNumberOf } from "./id.ts";
import { printValue } from "./print.ts";
import type { NamedFieldValidator, ObjectValidator, Validator } from "./validator.ts";
import { printValidator } from "./validator_print.ts";
import { isValueObject, sortedFields, type Value, type ValueObject } from "./value.ts";

/** The tables that ids of a component belong to. */
export interface IdContext {
  tableOfNumber(tableNumber: number): { readonly name: string; readonly system: boolean } | null;
}

/** Checks a value. Returns null, or the spec's text for the first mismatch, without any prefix. */
export function checkValue(
  validator: Validator,
  value: Value,
  context: IdContext,
): string | null {
  const mismatch = check(validator, value, context);
  if (mismatch === null) return null;
  return mismatch.text(mismatch.path === "" ? "" : `Path: ${mismatch.path}`);
}

/** A mismatch on its way up to the root, where its path is complete. */
interface Mismatch {
  /** Segments from the root: `.f`, `[i]`, `.keys()` or `.values()`. */
  path: string;
  /** The message; `path` is "Path: …", or empty at the root. */
  readonly text: (path: string) => string;
}

const { hasOwn, is, keys } = Object;
const { isArray } = Array;

function check(validator: Validator, value: Value, context: IdContext): Mismatch | null {
  switch (validator.type) {
    case "any":
      return null;
    case "null":
      return value === null ? null : noMatch(validator, value);
    case "string":
      return typeof value === "string" ? null : noMatch(validator, value);
    case "boolean":
      return typeof value === "boolean" ? null : noMatch(validator, value);
    case "number":
      return typeof value === "number" ? null : noMatch(validator, value);
    case "bigint":
    case "commitTs":
      return typeof value === "bigint" ? null : noMatch(validator, value);
    case "bytes":
      return value instanceof ArrayBuffer ? null : noMatch(validator, value);
    case "literal":
      return is(value, validator.value) ? null : {
        path: "",
        text: (path) =>
          `\`${printValue(value)}\` does not match literal validator ` +
          `\`${printValidator(validator)}\`.${path}`,
      };
    case "id":
      return checkId(validator, value, context);
    case "function":
      return typeof value === "string" && isFunctionHandle(value)
        ? null
        : noMatch(validator, value);
    case "array":
      return isArray(value)
        ? checkItems(validator.value, value, context)
        : noMatch(validator, value);
    case "object":
      return isValueObject(value)
        ? checkObject(validator, value, context)
        : noMatch(validator, value);
    case "record":
      return isValueObject(value)
        ? checkRecord(validator.keys, validator.values.fieldType, value, context)
        : noMatch(validator, value);
    case "union":
      return checkUnion(validator.value, validator, value, context);
  }
}

function checkItems(validator: Validator, items: Value[], context: IdContext): Mismatch | null {
  for (let i = 0; i < items.length; i++) {
    const mismatch = check(validator, items[i]!, context);
    if (mismatch !== null) return within(`[${i}]`, mismatch);
  }
  return null;
}

function checkObject(
  validator: ObjectValidator,
  object: ValueObject,
  context: IdContext,
): Mismatch | null {
  const { fields } = validator;
  let present = 0;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    if (hasOwn(object, field.name)) {
      present++;
      const mismatch = check(field.fieldType, object[field.name]!, context);
      if (mismatch !== null) return within(`.${field.name}`, mismatch);
    } else if (!field.optional) {
      return missingField(field, validator, object);
    }
  }
  return keys(object).length === present ? null : extraField(validator, object);
}

function missingField(
  field: NamedFieldValidator,
  validator: ObjectValidator,
  object: ValueObject,
): Mismatch {
  return withValue(
    `Object is missing the required field \`${field.name}\`. Consider wrapping the field ` +
      "validator in `v.optional(...)` if this is expected.",
    "Object",
    validator,
    object,
  );
}

function extraField(validator: ObjectValidator, object: ValueObject): Mismatch {
  const declared = new Set(validator.fields.map((field) => field.name));
  const extra = sortedFields(object).find((field) => !declared.has(field));
  return withValue(
    `Object contains extra field \`${extra}\` that is not in the validator.`,
    "Object",
    validator,
    object,
  );
}

function checkRecord(
  keyValidator: Validator,
  valueValidator: Validator,
  record: ValueObject,
  context: IdContext,
): Mismatch | null {
  for (const key of sortedFields(record)) {
    const keyMismatch = check(keyValidator, key, context);
    if (keyMismatch !== null) return within(".keys()", keyMismatch);
    const valueMismatch = check(valueValidator, record[key]!, context);
    if (valueMismatch !== null) return within(".values()", valueMismatch);
  }
  return null;
}

function checkUnion(
  branches: readonly Validator[],
  union: Validator,
  value: Value,
  context: IdContext,
): Mismatch | null {
  let mismatch: Mismatch | null = null;
  for (let i = 0; i < branches.length; i++) {
    mismatch = check(branches[i]!, value, context);
    if (mismatch === null) return null;
  }
  // Only a lone branch can say what exactly is wrong.
  return branches.length === 1 ? mismatch : noMatch(union, value);
}

function checkId(
  validator: Validator & { type: "id" },
  value: Value,
  context: IdContext,
): Mismatch | null {
  const tableNumber = typeof value === "string" ? tableNumberOf(value) : null;
  const table = tableNumber === null ? null : context.tableOfNumber(tableNumber);
  if (table === null) return noMatch(validator, value);
  const { tableName } = validator;
  if (table.name === tableName || VIRTUAL_TABLES[tableName]?.name === table.name) return null;
  const origin = table.system ? "a system table" : `table \`${table.name}\``;
  return {
    path: "",
    text: (path) =>
      `Found ID "${value}" from ${origin}, which does not match the table name in validator ` +
      `\`v.id("${tableName}")\`.${path}`,
  };
}

function within(segment: string, mismatch: Mismatch): Mismatch {
  mismatch.path = segment + mismatch.path;
  return mismatch;
}

function noMatch(validator: Validator, value: Value): Mismatch {
  return withValue("Value does not match validator.", "Value", validator, value);
}

function withValue(
  problem: string,
  label: "Value" | "Object",
  validator: Validator,
  value: Value,
): Mismatch {
  return {
    path: "",
    text: (path) =>
      `${problem}\n${path}\n${label}: ${printValue(value)}\nValidator: ${
        printValidator(validator)
      }`,
  };
}
