// One-off queries that are not part of the app: `convex run --inline-query` and the REPL of the
// dashboard. They run once at the latest timestamp and leave nothing behind (spec http-api 8.4).

import { ROOT_COMPONENT } from "../engine/components.ts";
import type { ComponentId } from "../engine/types.ts";
import type { TestQueryResult } from "../runtime/frames.ts";
import type { RequestContext } from "../runtime/types.ts";
import { systemVariables } from "./canonical_urls.ts";
import { readEnvironment } from "./environment.ts";
import type { EvaluationContext } from "./push_evaluation.ts";
import { canonicalModulePath } from "./push_request.ts";
import { replModules } from "./repl_modules.ts";
import { nextUdfConfig, readUdfConfig } from "./udf_config.ts";

/** Queries can be asked before anything was pushed; this stands for the version of the code then. */
const NOTHING_PUSHED_VERSION = "0.0.0";

export interface TestQuery {
  readonly bundle: {
    readonly path: string;
    readonly source: string;
    readonly sourceMap?: string | null | undefined;
  };
  /** The argument object, or a list of one. */
  readonly args: unknown;
  /** Whose tables the query reads. */
  readonly component: ComponentId;
}

/**
 * Runs the default export of a module as a query.
 * @throws PlatformError `InvalidModules`, `InvalidTestQuery`, `UnsupportedTestQuery`
 */
export async function runTestQuery(
  { bundle, args, component }: TestQuery,
  requestContext: RequestContext,
  context: EvaluationContext,
): Promise<TestQueryResult> {
  const { engine, analyzer } = context;
  const path = canonicalModulePath(bundle.path);
  const modules = await analyzer.prepare([
    { path, source: bundle.source, sourceMap: bundle.sourceMap ?? null },
  ]);
  const at = engine.committer.durable;
  const { variables, config } = engine.read((tx) => ({
    // A component's own variables are not there yet while its modules are evaluated.
    variables: component === ROOT_COMPONENT
      ? { ...systemVariables(tx, context.origins), ...readEnvironment(tx) }
      : null,
    config: readUdfConfig(tx, component) ??
      nextUdfConfig(null, NOTHING_PUSHED_VERSION, context.nowMs),
  }), at).value;
  return await analyzer.runTestQuery(
    [...modules, ...await replModules(analyzer)],
    {
      path: { component, module: path, name: "default" },
      args: JSON.stringify(Array.isArray(args) ? args : [args ?? {}]),
      context: requestContext,
    },
    at,
    variables,
    config,
  );
}
