// One-off queries that are not part of the app: `convex run --inline-query` and the REPL of the
// dashboard. They run once at the latest timestamp and leave nothing behind (spec http-api 8.4).

import { userError } from "../engine/errors.ts";
import type { FunctionResult, LogLine } from "../runtime/types.ts";
import { systemVariables } from "./canonical_urls.ts";
import { readEnvironment } from "./environment.ts";
import type { EvaluationContext } from "./push_evaluation.ts";
import { canonicalModulePath } from "./push_request.ts";
import { ROOT_COMPONENT, storedModules, storedSource } from "./stored_modules.ts";
import { nextUdfConfig, readUdfConfig } from "./udf_config.ts";

/** Code may be evaluated before anything was pushed; then this stands for its version. */
const UNKNOWN_VERSION = "0.0.0";

export interface TestBundle {
  readonly path: string;
  readonly source: string;
  readonly sourceMap?: string | null | undefined;
}

export interface TestQueryAnswer {
  readonly result: FunctionResult;
  readonly logLines: readonly LogLine[];
}
