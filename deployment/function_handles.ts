// Function handles: one stable id for every function of a component. They keep their ids over
// pushes, become dead when the function disappears and come back with it (spec function-runtime 1.1).

import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import type { ModuleToStore } from "./stored_modules.ts";

/** Makes exactly the functions of `modules` reachable by handle. */
export function replaceFunctionHandles(
  tx: Transaction,
  component: ComponentId,
  modules: readonly ModuleToStore[],
): void {
  const table = tx.table("functionHandles");
  const existing = new Map(
    table.find("by_path", [component]).map((row) => [String(row.path), row]),
  );
  for (const module of modules) {
    for (const { name } of module.analysis?.functions ?? []) {
      const path = `${module.path}:${name}`;
      const row = existing.get(path);
      existing.delete(path);
      if (row === undefined) table.insert({ component, path, deletedTs: null });
      else if ((row.deletedTs ?? null) !== null) table.patch(row._id, { deletedTs: null });
    }
  }
  for (const row of existing.values()) {
    if ((row.deletedTs ?? null) === null) table.patch(row._id, { deletedTs: tx.nowMs });
  }
}
