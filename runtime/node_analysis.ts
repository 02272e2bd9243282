// Evaluation of pushed Node modules: what they export, found out in a Node process of their own that
// ends afterwards (spec deploy 7).

import { userError } from "../engine/errors.ts";
import type { ModuleAnalysis, PreparedModule } from "./frames.ts";
import { describeReported } from "./isolate/errors.ts";
import { analyzeFunctions } from "./isolate/module_analysis.ts";
import { invalidModules } from "./module_preparation.ts";
import type { ModuleDescription } from "./node/protocol.ts";
import type { NodeLauncher } from "./node_launcher.ts";
import type { PackageVersion } from "./node_packages.ts";
import type { NodeProcess, NodeProcessEvents } from "./node_process.ts";

/** For all modules of a push together, by the clock on the wall. */
const ANALYSIS_MS_MAX = 60_000;
const NO_EVENTS: NodeProcessEvents = { leaving: () => {}, ended: () => {} };

export class NodeAnalyzer {
  readonly #launcher: NodeLauncher;
  readonly #processes = new Set<NodeProcess>();

  constructor(launcher: NodeLauncher) {
    this.#launcher = launcher;
  }

  /**
   * What every module that is not a shared chunk exports, by path.
   * @param modules all Node modules of the app
   * @throws PlatformError `InvalidModules`, `InvalidFunctionName`, `InvalidExternalModules`
   */
  async analyzeModules(
    modules: readonly PreparedModule[],
    packages: readonly PackageVersion[],
    environment: Readonly<Record<string, string>>,
  ): Promise<Record<string, ModuleAnalysis>> {
    if (modules.length === 0 && packages.length === 0) return {};
    const process = await this.#launcher.launch(
      { sources: modules, packages, environment },
      NO_EVENTS,
    );
    this.#processes.add(process);
    let isOutOfTime = false;
    const timer = setTimeout(() => {
      isOutOfTime = true;
      process.kill();
    }, ANALYSIS_MS_MAX);
    const analyses: Record<string, ModuleAnalysis> = {};
    try {
      for (const module of modules.filter(({ path }) => !path.startsWith("_deps/"))) {
        const description = await process.describe(module.path).catch((error) => {
          if (!isOutOfTime) throw error;
          return OUT_OF_TIME;
        });
        analyses[module.path] = analysisOf(module, description, modules);
      }
      return analyses;
    } finally {
      clearTimeout(timer);
      process.kill();
      this.#processes.delete(process);
    }
  }

  async close(): Promise<void> {
    for (const process of this.#processes) process.kill();
    await Promise.all([...this.#processes].map(({ exited }) => exited));
  }
}

const OUT_OF_TIME: ModuleDescription = {
  ok: false,
  error: {
    message: `Function execution timed out (maximum duration: ${ANALYSIS_MS_MAX / 1000}s)`,
    frames: [],
  },
};

function analysisOf(
  module: PreparedModule,
  description: ModuleDescription,
  modules: readonly PreparedModule[],
): ModuleAnalysis {
  const { path } = module;
  if (!description.ok) {
    const { text } = describeReported(
      description.error,
      (of) => modules.find((each) => each.path === of)?.sourceMap ?? null,
    );
    throw invalidModules(`Failed to analyze ${path}: ${text}`);
  }
  for (const { name, udfType } of description.exports) {
    if (udfType === "Action") continue;
    throw userError(
      "InvalidModules",
      `\`${name}\` defined in \`${path}\` is a ${udfType} function. Only actions can be defined in ` +
        "Node.js. See https://docs.convex.dev/functions/actions for more details.",
    );
  }
  const functions = analyzeFunctions(module, description.exports);
  return { functions, httpRoutes: null, cronSpecs: null, sourceMapped: null };
}
