// One-off queries that are not part of the app: `convex run --inline-query` and the REPL of the
// dashboard. They run once at the latest timestamp and leave nothing behind (spec http-api 8.4).

import { ROOT_COMPONENT } from "../engine/components.ts";
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

export interface TestBundle {
  readonly path: string;
  readonly source: string;
  readonly sourceMap?: string | null | undefined;
}

/**
 * Runs the default export of a module as a query.
 * @param args the argument object, or a list of one
 * @throws PlatformError `InvalidModules`, `InvalidTestQuery`, `UnsupportedTestQuery`
 */
export async function runTestQuery(
  bundle: TestBundle,
  args: unknown,
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
    variables: { ...systemVariables(tx, context.origins), ...readEnvironment(tx) },
    config: readUdfConfig(tx, ROOT_COMPONENT) ??
      nextUdfConfig(null, NOTHING_PUSHED_VERSION, context.nowMs),
  }), at).value;
  return await analyzer.runTestQuery(
    [...modules, ...await replModules(analyzer)],
    {
      path: { component: ROOT_COMPONENT, module: path, name: "default" },
      args: JSON.stringify(Array.isArray(args) ? args : [args ?? {}]),
      context: requestContext,
    },
    at,
    variables,
    config,
  );
}
