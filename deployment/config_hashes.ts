// What the deployment runs, for the CLI to send only what changed (spec deploy 3).

import { ROOT_COMPONENT } from "../engine/components.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { Json } from "../engine/values/value.ts";
import { storedModules } from "./stored_modules.ts";
import { readUdfConfig } from "./udf_config.ts";

/** The response of `get_config_hashes`. */
export function configHashes(tx: Transaction): Json {
  const config = readUdfConfig(tx, ROOT_COMPONENT);
  return {
    config: { functions: "convex/" },
    moduleHashes: storedModules(tx, ROOT_COMPONENT).map((module) => ({ ...module })),
    udfServerVersion: config?.serverVersion ?? null,
    nodeVersion: config?.node?.version ?? null,
  };
}
