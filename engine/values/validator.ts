// Validators (spec 9): the types that schemas, arguments and results are declared with.

export type LiteralValue = string | number | bigint | boolean;

/** A field of an object validator, or the values of a record validator. */
export interface FieldValidator {
  readonly fieldType: Validator;
  readonly optional: boolean;
}

export interface NamedFieldValidator extends FieldValidator {
  readonly name: string;
}

export interface ObjectValidator {
  readonly type: "object";
  /** In byte order of the names; every name once. */
  readonly fields: readonly NamedFieldValidator[];
}

/** What a function handle names; for the types of callers, never checked. */
export interface FunctionSignature {
  readonly fnType?: string;
  readonly args?: Validator;
  readonly returns?: Validator;
}

export type Validator =
  | { readonly type: "any" }
  | { readonly type: "null" }
  | { readonly type: "boolean" }
  | { readonly type: "string" }
  | { readonly type: "bytes" }
  /** float64 */
  | { readonly type: "number" }
  /** int64 */
  | { readonly type: "bigint" }
  | { readonly type: "commitTs" }
  | { readonly type: "literal"; readonly value: LiteralValue }
  | { readonly type: "id"; readonly tableName: string }
  | { readonly type: "function" } & FunctionSignature
  | { readonly type: "array"; readonly value: Validator }
  | ObjectValidator
  | { readonly type: "record"; readonly keys: Validator; readonly values: FieldValidator }
  | { readonly type: "union"; readonly value: readonly Validator[] };

export { parseArgsValidator, parseReturnsValidator, parseValidator } from "./validator_parse.ts";
export { checkValue, type IdContext } from "./validator_check.ts";
export { printValidator, validatorToJson } from "./validator_print.ts";
