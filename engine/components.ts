// Documents of `_components`: the instances of component definitions, a tree below the app, which
// has no document (spec components 1, 5). A component's id is its document's; it never changes.

import { assert, type PlatformError, userError } from "./errors.ts";
import type { SystemDocument } from "./system_table_access.ts";
import type { Transaction } from "./transaction.ts";
import type { ComponentId } from "./types.ts";

/** The app itself. */
export const ROOT_COMPONENT: ComponentId = "";

/** A value for a declared variable, or the name of the variable of the app that holds it. */
export type EnvBinding =
  | { readonly type: "value"; readonly value: string }
  | { readonly type: "envVar"; readonly name: string };

/** A document of `_components` without the system fields. */
export interface ComponentDocument {
  /** The app's is "". */
  readonly parent: ComponentId;
  /** Unique among siblings. */
  readonly name: string;
  /** Names from the app down, joined by `/`. */
  readonly path: string;
  readonly definitionPath: string;
  /** "prepared": `start_push` made its tables, and no finished push has installed it yet. */
  readonly state: "active" | "unmounted" | "prepared";
  /** Absolute path at which requests reach it, with both slashes; null if not mounted. */
  readonly httpPrefix: string | null;
  /** What its variables are. Bindings to variables of the parent are resolved up to the app's. */
  readonly env: Readonly<Record<string, EnvBinding>>;
  /** Prefix and child name of each of its own mounts. */
  readonly mounts: readonly (readonly [prefix: string, childName: string])[];
}

export type Component = ComponentDocument & {
  readonly _id: ComponentId;
  readonly _creationTime: number;
};

/** All components that were ever installed, parents before their children. */
export function listComponents(tx: Transaction): Component[] {
  return allComponents(tx).filter(({ state }) => state !== "prepared");
}

/** Also those that no push has installed yet. */
export function allComponents(tx: Transaction): Component[] {
  return tx.table("components").all().map(asComponent);
}

export function componentById(tx: Transaction, id: ComponentId): Component | null {
  const row = tx.table("components").get(id);
  return row === null ? null : asComponent(row);
}

export function childComponent(
  tx: Transaction,
  parent: ComponentId,
  name: string,
): Component | null {
  const row = tx.table("components").first("by_parent", [parent, name]);
  return row === null ? null : asComponent(row);
}

/** The component at a path like `a/b`, unmounted ones included; null if there is none. */
export function componentByPath(tx: Transaction, path: string): ComponentId | null {
  let id = ROOT_COMPONENT;
  for (const name of path === "" ? [] : path.split("/")) {
    const child = childComponent(tx, id, name);
    if (child === null || child.state === "prepared") return null;
    id = child._id;
  }
  return id;
}

/** The path of a component that exists. */
export function componentPath(tx: Transaction, id: ComponentId): string {
  if (id === ROOT_COMPONENT) return "";
  const component = componentById(tx, id);
  assert(component !== null, () => `there is no component ${id}`);
  return component.path;
}

/**
 * For what the host writes on behalf of a component: a push may have unmounted it, or an administrator
 * removed it, since its action started or its upload URL was made.
 * @throws PlatformError UnmountedComponent (spec components 5)
 */
export function requireMounted(tx: Transaction, id: ComponentId): void {
  if (id === ROOT_COMPONENT) return;
  const component = componentById(tx, id);
  if (component === null || component.state === "unmounted") throw unmountedComponentError();
}

export function unmountedComponentError(): PlatformError {
  return userError(
    "UnmountedComponent",
    "Cannot perform write operations in an unmounted component. Make sure your component is " +
      "installed in your `convex.config.ts` file.",
  );
}

function asComponent(row: SystemDocument): Component {
  return row as unknown as Component;
}
