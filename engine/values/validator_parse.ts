// Reads the JSON form of validators and checks the rules that JSON alone does not give (spec 9).

import { PlatformError, userError } from "../errors.ts";
import { identifierProblem } from "./field.ts";
import { decodeValue } from "./json.ts";
import type {
  FieldValidator,
  FunctionSignature,
  LiteralValue,
  NamedFieldValidator,
  Validator,
} from "./validator.ts";
import { printValidator } from "./validator_print.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  sortedFields,
  typeName,
  type Value,
} from "./value.ts";

/** Far beyond what a value may nest; it keeps a hostile validator from exhausting the stack. */
const VALIDATOR_NESTING_MAX = 256;
const FUNCTION_TYPES = ["query", "mutation", "action"];

/**
 * Reads a validator.
 * @throws PlatformError `InvalidRecordType`, `InvalidTableName` or `InvalidValidator`; the message
 * names the keys that lead to the problem.
 */
export function parseValidator(json: Json): Validator {
  return parse(json, 0);
}

/**
 * Reads what a function's `exportArgs()` gave.
 * @throws PlatformError also when it is neither an object nor any.
 */
export function parseArgsValidator(json: Json): Validator {
  const validator = parseValidator(json);
  if (validator.type === "object" || validator.type === "any") return validator;
  throw userError("InvalidValidator", "Args validator must be an object or any");
}

/** Reads what a function's `exportReturns()` gave; null when it declares nothing. */
export function parseReturnsValidator(json: Json): Validator | null {
  return json === null ? null : parseValidator(json);
}

function parse(json: Json | undefined, depth: number): Validator {
  if (!isJsonObject(json) || typeof json.type !== "string") {
    throw invalid(`Expected a validator, found a value of type ${typeName(json)}`);
  }
  if (depth > VALIDATOR_NESTING_MAX) throw invalid("Validator is too nested");
  switch (json.type) {
    case "any":
    case "set":
    case "map":
      return { type: "any" };
    case "null":
    case "boolean":
    case "string":
    case "bytes":
    case "number":
    case "bigint":
    case "commitTs":
      return { type: json.type };
    case "literal":
      return parseLiteral(json);
    case "id":
      return { type: "id", tableName: parseTableName(json.tableName) };
    case "function":
      return { type: "function", ...parseSignature(json, depth + 1) };
    case "array":
      return { type: "array", value: parse(json.value, depth + 1) };
    case "object":
      return { type: "object", fields: parseFields(json.value, depth + 1) };
    case "record":
      return parseRecord(json, depth + 1);
    case "union":
      if (!Array.isArray(json.value)) throw invalid("A union needs a list of validators");
      return { type: "union", value: json.value.map((branch) => parse(branch, depth + 1)) };
  }
  throw invalid(`Unknown validator type ${JSON.stringify(json.type)}`);
}

function parseLiteral(json: JsonObject): Validator {
  const value = decodeValue(json.value ?? null);
  if (!isLiteralValue(value)) {
    throw invalid("A literal must be a string, a number, a bigint or a boolean");
  }
  return { type: "literal", value };
}

function isLiteralValue(value: Value): value is LiteralValue {
  return value !== null && typeof value !== "object";
}

function parseTableName(name: Json | undefined): string {
  if (typeof name !== "string") throw invalid("The table name of v.id() must be a string");
  if (identifierProblem(name) !== null) throw invalidTableName(name);
  return name;
}

function parseSignature(
  { fnType, args, returns }: JsonObject,
  depth: number,
): FunctionSignature {
  if (fnType !== undefined && (typeof fnType !== "string" || !FUNCTION_TYPES.includes(fnType))) {
    throw invalid(`The fnType of v.function() must be one of ${FUNCTION_TYPES.join(", ")}`);
  }
  return {
    ...fnType !== undefined && { fnType },
    ...args !== undefined && { args: parse(args, depth) },
    ...returns !== undefined && { returns: parse(returns, depth) },
  };
}

/** The error for a table name that is no identifier. */
export function invalidTableName(name: string): PlatformError {
  return userError(
    "InvalidTableName",
    `Invalid table name: "${name}". Identifiers must start with a letter and can only contain ` +
      "letters, digits, and underscores.",
  );
}

function parseFields(json: Json | undefined, depth: number): NamedFieldValidator[] {
  if (!isJsonObject(json)) throw invalid("An object validator needs fields");
  return sortedFields(json).map((name) => {
    const problem = identifierProblem(name);
    if (problem !== null) throw invalid(problem);
    try {
      return { name, ...parseField(json[name], depth) };
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      throw userError(error.code, `Invalid validator for key \`${name}\`: ${error.message}`);
    }
  });
}

function parseField(json: Json | undefined, depth: number): FieldValidator {
  if (!isJsonObject(json)) {
    throw invalid(`Expected a field, found a value of type ${typeName(json)}`);
  }
  return { fieldType: parse(json.fieldType, depth), optional: json.optional === true };
}

function parseRecord(json: JsonObject, depth: number): Validator {
  const keys = parse(json.keys, depth);
  const values = parseField(json.values, depth);
  if (!isStringType(keys)) {
    throw invalidRecord(
      "Records can only have string keys. Your validator contains a record with key typed as " +
        `\`${printValidator(keys)}\`, which is not a subtype of \`v.string()\``,
    );
  }
  if (hasLiteral(keys)) throw invalidRecord("Records cannot have string literal keys");
  if (values.optional) throw invalidRecord("Records cannot have optional values");
  return { type: "record", keys, values };
}

function isStringType(validator: Validator): boolean {
  switch (validator.type) {
    case "string":
    case "id":
      return true;
    case "literal":
      return typeof validator.value === "string";
    case "union":
      return validator.value.every(isStringType);
  }
  return false;
}

function hasLiteral(validator: Validator): boolean {
  return validator.type === "literal" ||
    (validator.type === "union" && validator.value.some(hasLiteral));
}

function invalidRecord(message: string): PlatformError {
  return userError("InvalidRecordType", message);
}

function invalid(message: string): PlatformError {
  return userError("InvalidValidator", message);
}
