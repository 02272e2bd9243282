// Components that go for good: those that an administrator deletes, and those that a push prepared
// and none ever installed.

import { allComponents, type Component } from "../engine/components.ts";
import { deleteComponentTables } from "../engine/table_deletion.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";

/** What a push prepares waits this long for being installed. */
const PREPARED_AGE_MS_MAX = 24 * 60 * 60 * 1000;

/** Removes unmounted components and everything that belongs to them. */
export function removeComponents(tx: Transaction, components: readonly Component[]): void {
  for (const { _id } of components) {
    removeRows(tx, _id);
    deleteComponentTables(tx, _id);
    tx.table("components").remove(_id);
  }
}

/** Removes prepared components that are too old to belong to a push that is under way. */
export function collectPreparedComponents(tx: Transaction, nowMs: number): void {
  const old = allComponents(tx).filter(({ state, _creationTime }) =>
    state === "prepared" && _creationTime < nowMs - PREPARED_AGE_MS_MAX
  );
  removeComponents(tx, old);
}

function removeRows(tx: Transaction, component: ComponentId): void {
  for (const { _id } of tx.table("schemas").find("by_state", [component])) {
    tx.table("schemas").remove(_id);
  }
  for (const { _id } of tx.table("udfConfig").find("by_component", [component])) {
    tx.table("udfConfig").remove(_id);
  }
  for (const { _id } of tx.table("functionHandles").find("by_path", [component])) {
    tx.table("functionHandles").remove(_id);
  }
}
