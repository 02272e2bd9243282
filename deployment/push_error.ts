// Where an error in a push came from is told in its message; the code stays that of the cause.

import { PlatformError } from "../engine/errors.ts";

const PUSH_PREFIX = "Hit an error while pushing:\n";
const SCHEMA_PREFIX = "Hit an error while evaluating your schema:\n";

/** Runs a stage of a push; platform errors leave it with the prefix of pushes. */
export function duringPush<T>(body: () => Promise<T>): Promise<T> {
  return withPrefix(PUSH_PREFIX, body);
}

/** Runs the evaluation of the app's schema. */
export function duringSchemaEvaluation<T>(body: () => Promise<T>): Promise<T> {
  return withPrefix(SCHEMA_PREFIX, body);
}

async function withPrefix<T>(prefix: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof PlatformError) || error.kind === "internal") throw error;
    if (error.message.startsWith(prefix)) throw error;
    throw new PlatformError(error.kind, error.code, prefix + error.message, error.data);
  }
}
