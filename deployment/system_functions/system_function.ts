// What a system function is: a query of the server's own, run in the host over a transaction, so
// that clients subscribe to it like to any other query (spec http-api 15).

import { z } from "zod";
import { userError } from "../../engine/errors.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { ComponentId } from "../../engine/types.ts";
import type { Json } from "../../engine/values/value.ts";
import type { SystemVariables } from "../canonical_urls.ts";

export interface SystemQueryContext {
  readonly tx: Transaction;
  /** The component that the query was addressed to. */
  readonly component: ComponentId;
  /** The configured origins. */
  readonly origins: SystemVariables;
}

export type SystemQuery = (args: Json, context: SystemQueryContext) => Json;

/**
 * A system query with checked arguments.
 * Wrong arguments are an error of the function, as they are for functions with validators.
 */
export function systemQuery<Shape extends z.ZodType>(
  shape: Shape,
  run: (args: z.infer<Shape>, context: SystemQueryContext) => Json,
): SystemQuery {
  return (args, context) => {
    const parsed = shape.safeParse(args);
    if (!parsed.success) {
      throw userError(
        "ArgumentValidationError",
        `ArgumentValidationError: ${z.prettifyError(parsed.error)}`,
      );
    }
    return run(parsed.data, context);
  };
}
