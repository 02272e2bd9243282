// The pushed functions as the host itself looks them up, in a transaction of its own.

import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import type { AnalyzedFunction, ModuleAnalysis } from "./frames.ts";
import type { FunctionPath } from "./types.ts";

export class HostCode {
  constructor(private readonly tx: Transaction) {}

  /** The module's functions by name; null if there is no such module. */
  module(
    component: ComponentId,
    path: string,
  ): { readonly functions: ReadonlyMap<string, AnalyzedFunction> } | null {
    const row = this.tx.table("modules").first("by_path", [component, path]);
    if (row === null) return null;
    const functions = typeof row.analysis === "string"
      ? (JSON.parse(row.analysis) as ModuleAnalysis).functions
      : [];
    return { functions: new Map(functions.map((entry) => [entry.name, entry])) };
  }

  /** The function that a handle names; null if it is gone. */
  handleTarget(id: string): FunctionPath | null {
    const handle = this.tx.table("functionHandles").get(id);
    if (handle === null || (handle.deletedTs ?? null) !== null) return null;
    const path = String(handle.path);
    const colon = path.lastIndexOf(":");
    return {
      component: String(handle.component ?? ""),
      module: path.slice(0, colon),
      name: path.slice(colon + 1),
    };
  }
}
