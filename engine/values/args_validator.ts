// Checks the arguments and the result of functions (spec function-runtime 2).

import { printValue } from "./print.ts";
import { checkValue, type IdContext, parseReturnsValidator, type Validator } from "./validator.ts";
import { isValueObject, type Value } from "./value.ts";

const { parse } = JSON;

/** Parsed validators, by their JSON text. An app has about one or two per function. */
const PARSED_VALIDATORS_MAX = 2000;
const parsedValidators = new Map<string, Validator | null>();

/** The validator, or null when the text is that of JSON `null`. Push has checked the text. */
function parsed(text: string): Validator | null {
  let validator = parsedValidators.get(text);
  if (validator === undefined) {
    validator = parseReturnsValidator(parse(text));
    if (parsedValidators.size >= PARSED_VALIDATORS_MAX) parsedValidators.clear();
    parsedValidators.set(text, validator);
  }
  return validator;
}

/**
 * Checks a call's arguments against the JSON text of the function's `exportArgs()`.
 * @returns null, or the whole message, which ends with a line break.
 */
export function checkArgs(
  validatorText: string,
  args: readonly Value[],
  context: IdContext,
): string | null {
  const validator = parsed(validatorText);
  if (validator === null || validator.type === "any") return null;
  const problem = argsProblem(validator, args, context);
  return problem === null ? null : `ArgumentValidationError: ${problem}\n`;
}

function argsProblem(
  validator: Validator,
  args: readonly Value[],
  context: IdContext,
): string | null {
  if (args.length !== 1) {
    return "Expected to receive a single object as the function's argument. " +
      `Instead received ${args.length} arguments: ${printValue([...args])}`;
  }
  const arg = args[0]!;
  if (!isValueObject(arg)) {
    return "Expected to receive an object as the function's argument. " +
      `Instead received: ${printValue(arg)}`;
  }
  return checkValue(validator, arg, context);
}

/**
 * Checks a result against the JSON text of the function's `exportReturns()`.
 * @returns null, or the whole message.
 */
export function checkReturns(
  validatorText: string,
  result: Value,
  context: IdContext,
): string | null {
  const validator = parsed(validatorText);
  if (validator === null) return null;
  const problem = checkValue(validator, result, context);
  return problem === null ? null : `ReturnsValidationError: ${problem}`;
}
