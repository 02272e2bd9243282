// Validators as error messages show them, and as JSON (spec 9).

import { encodeValue } from "./json.ts";
import { printValue } from "./print.ts";
import type { FieldValidator, Validator } from "./validator.ts";
import { type Json, type JsonObject, setField } from "./value.ts";

/** The expression that declares the validator: `v.object({a: v.optional(v.string())})`. */
export function printValidator(validator: Validator): string {
  switch (validator.type) {
    case "number":
      return "v.float64()";
    case "bigint":
      return "v.int64()";
    case "literal":
      return `v.literal(${printValue(validator.value)})`;
    case "id":
      return `v.id("${validator.tableName}")`;
    case "array":
      return `v.array(${printValidator(validator.value)})`;
    case "object": {
      const fields = validator.fields.map((field) => `${field.name}: ${printField(field)}`);
      return `v.object({${fields.join(", ")}})`;
    }
    case "record":
      return `v.record(${printValidator(validator.keys)}, ${printField(validator.values)})`;
    case "union":
      return `v.union(${validator.value.map(printValidator).join(", ")})`;
    default:
      return `v.${validator.type}()`;
  }
}

function printField(field: FieldValidator): string {
  const printed = printValidator(field.fieldType);
  return field.optional ? `v.optional(${printed})` : printed;
}

/** The JSON form that `parseValidator` reads. */
export function validatorToJson(validator: Validator): Json {
  switch (validator.type) {
    case "literal":
      return { type: "literal", value: encodeValue(validator.value) };
    case "id":
      return { type: "id", tableName: validator.tableName };
    case "function": {
      const { type, fnType, args, returns } = validator;
      return {
        type,
        ...fnType !== undefined && { fnType },
        ...args !== undefined && { args: validatorToJson(args) },
        ...returns !== undefined && { returns: validatorToJson(returns) },
      };
    }
    case "array":
      return { type: "array", value: validatorToJson(validator.value) };
    case "object": {
      const fields: JsonObject = {};
      for (const field of validator.fields) setField(fields, field.name, fieldToJson(field));
      return { type: "object", value: fields };
    }
    case "record":
      return {
        type: "record",
        keys: validatorToJson(validator.keys),
        values: fieldToJson(validator.values),
      };
    case "union":
      return { type: "union", value: validator.value.map(validatorToJson) };
    default:
      return { type: validator.type };
  }
}

function fieldToJson(field: FieldValidator): Json {
  return { fieldType: validatorToJson(field.fieldType), optional: field.optional };
}
