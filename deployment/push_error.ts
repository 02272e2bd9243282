// Where an error in a push came from is told in its message; the code stays that of the cause.

import { PlatformError } from "../engine/errors.ts";

const PUSH_PREFIX = "Hit an error while pushing:\n";

/** Runs a stage of a push; platform errors leave it with the prefix of pushes. */
export function duringPush<T>(body: () => Promise<T>): Promise<T> {
  return withPrefix(PUSH_PREFIX, body);
}

/** Runs the evaluation of the schema of the app or of a component's definition. */
export function duringSchemaEvaluation<T>(
  definitionPath: string,
  body: () => Promise<T>,
): Promise<T> {
  const whose = definitionPath === "" ? "your schema" : `the schema of component ${definitionPath}`;
  return withPrefix(`Hit an error while evaluating ${whose}:\n`, body);
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
