// Functions of the server's own, `_system/…`. They run in the host over an ordinary transaction, so
// clients subscribe to them as to any other query. Who provides them is a room above.

import { PlatformError } from "../engine/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import type { Json } from "../engine/values/value.ts";
import type { FunctionCall, FunctionResult, QueryOutcome } from "./types.ts";

export interface SystemFunction {
  readonly kind: "query";
  /** @throws PlatformError what the caller did wrong; it becomes the function's error. */
  run(tx: Transaction, args: Json, context: { readonly component: ComponentId }): Json;
}

export interface SystemFunctions {
  /** The function that `module` (with `.js`) exports as `name`, or null. */
  find(module: string, name: string): SystemFunction | null;
}

const SYSTEM_MODULES = "_system/";

export function isSystemModule(module: string): boolean {
  return module.startsWith(SYSTEM_MODULES);
}

/** Runs a system query at `ts`. Only administrators and the server itself may; others do not find it. */
export function runSystemQuery(
  engine: Engine,
  functions: SystemFunctions,
  call: FunctionCall,
  ts: Timestamp,
): QueryOutcome {
  const startMs = performance.now();
  const { identity } = call.context;
  const isAllowed = identity.kind === "admin" || identity.kind === "acting" ||
    identity.kind === "system";
  const found = isAllowed ? functions.find(call.path.module, call.path.name) : null;
  const { value: result, readSet } = engine.read((tx): FunctionResult => {
    if (found === null) return failure(notFoundMessage(call));
    try {
      const [args = {}] = JSON.parse(call.args) as Json[];
      const value = found.run(tx, args, { component: call.path.component });
      return { ok: true, value: JSON.stringify(value) };
    } catch (error) {
      if (!(error instanceof PlatformError) || error.kind === "internal") throw error;
      return failure(error.message);
    }
  }, ts);
  return {
    result,
    ts,
    readSet,
    journal: null,
    logLines: [],
    observedIdentity: false,
    observedTime: false,
    stats: {
      executionMs: performance.now() - startMs,
      documentsRead: 0,
      bytesRead: 0,
      documentsWritten: 0,
      bytesWritten: 0,
    },
  };
}

function failure(message: string): FunctionResult {
  return { ok: false, error: { text: `${message}\n` } };
}

/** Spec function-runtime 2; the same text whether the function is missing or may not be seen. */
function notFoundMessage(call: FunctionCall): string {
  const module = call.path.module.replace(/\.js$/, "");
  const path = call.path.name === "default" ? module : `${module}:${call.path.name}`;
  return call.context.notFoundWording === "runByName"
    ? `Could not find function for '${path}'. Did you forget to run \`npx convex dev\`?`
    : `Could not find public function for '${path}'.`;
}
