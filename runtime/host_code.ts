// The pushed functions as the host itself looks them up, in a transaction of its own.

import { childComponent, type Component, componentPath } from "../engine/components.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import type { AnalyzedFunction, ModuleAnalysis } from "./frames.ts";
import type { AddressBook } from "./isolate/function_address.ts";
import { parseFunctionName } from "./isolate/function_path.ts";
import type { FunctionPath } from "./types.ts";

export class HostCode implements AddressBook {
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

  childComponent(parent: ComponentId, name: string): Component | null {
    const child = childComponent(this.tx, parent, name);
    return child?.state === "active" ? child : null;
  }

  componentPath(id: ComponentId): string {
    return componentPath(this.tx, id);
  }

  /** Id of the handle of `path` (`mod.js:fn`) in the component; null if there is none. */
  functionHandle(component: ComponentId, path: string): string | null {
    const handle = this.tx.table("functionHandles").first("by_path", [component, path]);
    return handle === null || (handle.deletedTs ?? null) !== null ? null : String(handle._id);
  }

  /** The function that a handle names; null if it is gone. */
  handleTarget(id: string): FunctionPath | null {
    const handle = this.tx.table("functionHandles").get(id);
    if (handle === null || (handle.deletedTs ?? null) !== null) return null;
    return parseFunctionName(String(handle.component ?? ""), String(handle.path));
  }
}
