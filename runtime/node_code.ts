// What of the pushed app runs in Node, as one snapshot has it.

import { createHash } from "node:crypto";
import type { Transaction } from "../engine/transaction.ts";
import type { NodeSettings } from "./frames.ts";
import type { SourceFile } from "./node_directories.ts";
import type { PackageVersion } from "./node_packages.ts";

/** Node actions exist only in the app itself, not in its components. */
const APP = "";

/** Everything that a Node process is made of; processes of equal apps are interchangeable. */
export interface NodeApp {
  readonly modules: readonly { readonly path: string; readonly hash: string }[];
  readonly packages: readonly PackageVersion[];
  readonly environment: Readonly<Record<string, string>>;
}

/** @param environment all variables that the app sees */
export function readNodeApp(
  tx: Transaction,
  environment: (tx: Transaction) => Readonly<Record<string, string>>,
): NodeApp {
  const modules = tx.table("modules").find("by_path", [APP])
    .filter((row) => row.environment === "node")
    .map((row) => ({ path: String(row.path), hash: String(row.hash) }));
  const config = tx.table("udfConfig").first("by_component", [APP]);
  return {
    modules,
    packages: (config?.node as NodeSettings | undefined)?.packages ?? [],
    environment: environment(tx),
  };
}

/** Equal for equal apps. */
export function nodeAppKey({ modules, packages, environment }: NodeApp): string {
  const text = JSON.stringify([modules, packages, Object.entries(environment).sort()]);
  return createHash("sha256").update(text).digest("hex");
}

/** The texts of the app's modules; one that a later push removed is left out. */
export function readNodeSources(tx: Transaction, { modules }: NodeApp): SourceFile[] {
  const table = tx.table("moduleSources");
  return modules.flatMap(({ path, hash }) => {
    const row = table.first("by_hash", [hash]);
    return row === null ? [] : [{ path, source: String(row.source) }];
  });
}
