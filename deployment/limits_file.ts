// The operator's changes to the limits: a JSON file with one number a name, `{"documentsRead": 64000}`.
// The names, their units and defaults are in runtime/limits.ts.

import { readFileSync } from "node:fs";
import { z } from "zod";
import { type LimitName, LIMITS } from "../runtime/limits.ts";

export type LimitChanges = { readonly [Name in LimitName]?: number };

/** A limits file that cannot be used; the message is one line for the user. */
export class LimitsFileError extends Error {}

const number = z.int({ error: "must be a positive whole number" })
  .positive({ error: "must be a positive whole number" });
const shape = z.strictObject(
  Object.fromEntries(Object.keys(LIMITS).map((name) => [name, number.optional()])),
);

/** @throws LimitsFileError */
export function readLimitsFile(path: string): LimitChanges {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new LimitsFileError(`cannot read the limits file ${path}: ${(error as Error).message}`);
  }
  return parseLimits(text, path);
}

/**
 * @param path of the file, for messages
 * @throws LimitsFileError
 */
export function parseLimits(text: string, path: string): LimitChanges {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new LimitsFileError(`the limits file ${path} is not JSON`);
  }
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LimitsFileError(`the limits file ${path} ${problemOf(issue!)}`);
}

function problemOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "unrecognized_keys":
      return `has an unknown limit: ${issue.keys[0]}`;
    case "invalid_type":
      if (issue.path.length === 0) return "must hold an object with a number for each limit";
  }
  return `is wrong: ${issue.path.join(".")} ${issue.message}`;
}
