// What administrators do with a component that they name by its id (spec components 5, 13).

import {
  allComponents,
  type Component,
  componentById,
  ROOT_COMPONENT,
} from "../engine/components.ts";
import { PlatformError, userError } from "../engine/errors.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import { auditedComponent, type AuditOrigin, recordAudit } from "./audit_log.ts";
import { removeComponents } from "./component_removal.ts";

/** Stands for the app where an id is shown; the app has none. */
export const APP_ID = "app";

/**
 * The component with an id that a client sent.
 * @throws PlatformError 404 `ComponentNotFound`
 */
export function componentWithId(tx: Transaction, id: string): ComponentId {
  return id === APP_ID ? ROOT_COMPONENT : installedComponent(tx, id)._id;
}

/**
 * Deletes a component and its descendants with all their data.
 * @throws PlatformError `ComponentNotFound`, `ComponentMustBeUnmounted`
 */
export function deleteComponent(tx: Transaction, id: string, origin: AuditOrigin): void {
  const component = installedComponent(tx, id);
  const tree = withDescendants(allComponents(tx), component);
  if (tree.some(({ state }) => state === "active")) {
    throw userError("ComponentMustBeUnmounted", "Component must be unmounted before deletion");
  }
  const metadata = auditedComponent(tx, component._id);
  removeComponents(tx, tree);
  recordAudit(tx, { action: "delete_component", metadata }, origin);
}

function installedComponent(tx: Transaction, id: string): Component {
  const component = componentById(tx, id);
  if (component !== null && component.state !== "prepared") return component;
  throw new PlatformError("notFound", "ComponentNotFound", "Component not found");
}

function withDescendants(all: readonly Component[], component: Component): Component[] {
  const children = all.filter(({ parent }) => parent === component._id);
  return [component, ...children.flatMap((child) => withDescendants(all, child))];
}
