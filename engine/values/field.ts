// Names: object fields, identifiers (tables, indexes, validator keys) and field paths (spec 1.2, 4).

import { userError } from "../errors.ts";
import { isValueObject, type Value, type ValueObject } from "./value.ts";

export const FIELD_NAME_LENGTH_MAX = 1024;
export const IDENTIFIER_LENGTH_MAX = 64;

const FIELD_NAME = /^(?!\$)[\x20-\x7e]{0,1024}$/;
const IDENTIFIER = /^(?!_+$)[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const { hasOwn } = Object;

/**
 * Checks the name of an object field.
 * @throws PlatformError `InvalidFieldName` with the text of spec 1.2.
 */
export function checkFieldName(name: string): void {
  if (!FIELD_NAME.test(name)) throw userError("InvalidFieldName", fieldNameProblem(name));
}

function fieldNameProblem(name: string): string {
  if (name.startsWith("$")) return `Field name ${name} starts with '$', which is reserved.`;
  const invalid = /[^\x20-\x7e]/u.exec(name);
  if (invalid !== null) {
    return `Field name ${name} has invalid character '${invalid[0]}': ` +
      "Field names can only contain non-control ASCII characters";
  }
  return `Field name is too long (${name.length} > maximum ${FIELD_NAME_LENGTH_MAX})`;
}

/** What is wrong with an identifier (text of spec 1.2), or null. */
export function identifierProblem(text: string): string | null {
  if (IDENTIFIER.test(text)) return null;
  if (text === "") return "Identifier cannot be empty";
  const first = /^[^A-Za-z_]/u.exec(text);
  if (first !== null) {
    return `Invalid first character '${first[0]}' in ${text}: ` +
      "Identifiers must start with an alphabetic character or underscore";
  }
  const invalid = /[^A-Za-z0-9_]/u.exec(text);
  if (invalid !== null) {
    return `Identifier ${text} has invalid character '${invalid[0]}': ` +
      "Identifiers can only contain alphanumeric characters or underscores";
  }
  if (text.length > IDENTIFIER_LENGTH_MAX) {
    return `Identifier is too long (${text.length} > maximum ${IDENTIFIER_LENGTH_MAX})`;
  }
  return `Identifier ${text} cannot have exclusively underscores`;
}

/**
 * Checks a table name, an index name, a validator key or a segment of a field path.
 * @throws PlatformError `InvalidIdentifier` with the text of spec 1.2.
 */
export function checkIdentifier(text: string): void {
  const problem = identifierProblem(text);
  if (problem !== null) throw userError("InvalidIdentifier", problem);
}

/**
 * Segments of a path such as `author.name`; dots at either end are ignored.
 * @throws PlatformError `InvalidIdentifier` for a segment that is no identifier.
 */
export function parseFieldPath(path: string): string[] {
  const segments = path.replace(/^\.+|\.+$/g, "").split(".");
  for (const segment of segments) checkIdentifier(segment);
  return segments;
}

/** The value at a path of an object; missing when the path leads through anything but objects. */
export function lookupPath(document: ValueObject, path: readonly string[]): Value | undefined {
  let value: Value = document;
  for (let i = 0; i < path.length; i++) {
    const field = path[i]!;
    if (!isValueObject(value) || !hasOwn(value, field)) return undefined;
    value = value[field]!;
  }
  return value;
}
