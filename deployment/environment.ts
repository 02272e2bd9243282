// Environment variables of the deployment: rules for names and sizes, and the documents that hold
// them. Functions read the same documents, so a change re-runs what depends on it (spec services 5).

import { userError } from "../engine/errors.ts";
import type { Transaction } from "../engine/transaction.ts";
import { parseValidator } from "../engine/values/validator.ts";
import { checkValue } from "../engine/values/validator.ts";
import { readDefinition } from "./app_definition.ts";

const NAME_SIZE_BYTES_MAX = 256;
const VALUE_SIZE_BYTES_MAX = 8192;
const VARIABLES_MAX = 512;
const TOTAL_SIZE_BYTES_MAX = 512 * 1024;
/** Variables that the server itself provides. */
const BUILT_IN_NAMES = ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL"];

const encoder = new TextEncoder();

/** A value of null removes the variable. */
export interface EnvironmentChange {
  readonly name: string;
  readonly value: string | null;
}

/** The developer's variables, by name in ascending order. */
export function readEnvironment(tx: Transaction): Record<string, string> {
  const rows = tx.table("environmentVariables").all()
    .map((row): [string, string] => [String(row.name), String(row.value)]);
  rows.sort(([left], [right]) => left < right ? -1 : 1);
  return Object.fromEntries(rows);
}

/** The environment after the changes: removals first, then assignments. */
export function applyChanges(
  environment: Readonly<Record<string, string>>,
  changes: readonly EnvironmentChange[],
): Record<string, string> {
  const result = { ...environment };
  for (const { name, value } of changes) if (value === null) delete result[name];
  for (const { name, value } of changes) if (value !== null) result[name] = value;
  return result;
}

/**
 * Checks changes one by one and the environment that results from them.
 * @throws PlatformError with the codes of spec services 5
 */
export function checkChanges(
  environment: Readonly<Record<string, string>>,
  changes: readonly EnvironmentChange[],
): void {
  for (const change of changes) if (change.value !== null) checkVariable(change.name, change.value);
  const entries = Object.entries(applyChanges(environment, changes));
  if (entries.length > VARIABLES_MAX) {
    throw userError(
      "EnvVarLimitMet",
      `The environment variable limit (${VARIABLES_MAX}) has been met.`,
    );
  }
  const total = entries.reduce((sum, [name, value]) => sum + sizeOf(name) + sizeOf(value), 0);
  if (total > TOTAL_SIZE_BYTES_MAX) {
    throw userError(
      "EnvVarTotalSizeLimitMet",
      `The total size of all environment variables (${total} bytes) exceeds the limit (${TOTAL_SIZE_BYTES_MAX} bytes).`,
    );
  }
}

function checkVariable(name: string, value: string): void {
  if (!/^[a-zA-Z_]+[a-zA-Z0-9_]*$/.test(name)) {
    throw userError(
      "EnvironmentVariableNameInvalid",
      `The environment variable name ${name} is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.`,
    );
  }
  if (sizeOf(name) > NAME_SIZE_BYTES_MAX) {
    throw userError(
      "EnvironmentVariableNameTooLong",
      `The environment variable name ${name} is too long. Environment variable names must be less than ${NAME_SIZE_BYTES_MAX}.`,
    );
  }
  if (BUILT_IN_NAMES.includes(name)) {
    throw userError(
      "EnvVarNameForbidden",
      `Environment variable with name "${name}" is built-in and cannot be overridden`,
    );
  }
  const size = sizeOf(value);
  if (size > VALUE_SIZE_BYTES_MAX) {
    // The missing parenthesis is the platform's.
    throw userError(
      "EnvironmentVariableValueTooLarge",
      `The environment variable value is ${size} bytes, which is too large. (max size: ${VALUE_SIZE_BYTES_MAX}`,
    );
  }
}

/**
 * Checks an environment against the variables that the running app definition declares.
 * @throws PlatformError `RequiredEnvironmentVariable`, `InvalidEnvironmentVariable`
 */
export function checkDeclaredVariables(
  tx: Transaction,
  changes: readonly EnvironmentChange[],
): void {
  const declared = new Map(readDefinition(tx)?.envVars?.map((entry) => entry) ?? []);
  const assigned = new Set(changes.filter(({ value }) => value !== null).map(({ name }) => name));
  const deleted = changes
    .filter(({ name, value }) => value === null && !assigned.has(name))
    .map(({ name }) => name)
    .filter((name) => declared.get(name)?.optional === false);
  if (deleted.length > 0) {
    throw userError(
      "RequiredEnvironmentVariable",
      `Cannot delete required environment variables: ${
        deleted.join(", ")
      }. These are declared as required in the app definition.`,
    );
  }
  for (const { name, value } of changes) {
    const declaration = declared.get(name);
    if (value !== null && declaration !== undefined) {
      checkDeclaredValue(name, value, declaration.value);
    }
  }
}

/**
 * Checks a value against the JSON text of its declared validator.
 * @throws PlatformError `InvalidEnvironmentVariable`
 */
export function checkDeclaredValue(name: string, value: string, validatorJson: string): void {
  const problem = declaredValueProblem(value, validatorJson);
  if (problem !== null) {
    throw userError(
      "InvalidEnvironmentVariable",
      `Environment variable ${name} does not match its declared validator: ${problem}`,
    );
  }
}

/** Why a value does not match the JSON text of a validator, or null. */
export function declaredValueProblem(value: string, validatorJson: string): string | null {
  const validator = parseValidator(JSON.parse(validatorJson));
  return checkValue(validator, value, { tableOfNumber: () => null });
}

/** What happened to a variable. */
export interface WrittenVariable {
  readonly name: string;
  readonly change: "create" | "update" | "delete";
}

/**
 * Writes the changes, which were checked before.
 * @returns the variables that are not what they were
 */
export function writeEnvironment(
  tx: Transaction,
  changes: readonly EnvironmentChange[],
): WrittenVariable[] {
  const table = tx.table("environmentVariables");
  const before = readEnvironment(tx);
  const after = applyChanges(before, changes);
  const written: WrittenVariable[] = [];
  for (const name of new Set(changes.map((change) => change.name))) {
    if (before[name] === after[name]) continue;
    const row = table.first("by_name", [name]);
    const value = after[name];
    if (value === undefined) {
      if (row !== null) table.remove(row._id);
    } else if (row === null) {
      table.insert({ name, value });
    } else {
      table.patch(row._id, { value });
    }
    const change = value === undefined ? "delete" : row === null ? "create" : "update";
    written.push({ name, change });
  }
  return written;
}

function sizeOf(text: string): number {
  return encoder.encode(text).length;
}
