// How a push changes the tree of installed components. Nodes match stored ones by parent and name,
// whatever their definition; what is not in the tree any more is unmounted and keeps its data
// (spec components 5).

import { isDeepStrictEqual } from "node:util";
import {
  allComponents,
  childComponent,
  type Component,
  type ComponentDocument,
  ROOT_COMPONENT,
} from "../engine/components.ts";
import { createComponentTables } from "../engine/table_creation.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import type { Json } from "../engine/values/value.ts";
import type { ComponentNode } from "./component_tree.ts";

/** A node by itself. A list of them has parents before their children. */
export type ComponentPlacement = Omit<ComponentNode, "children">;

export type DiffType = "create" | "modify" | "unmount" | "remount";

/** Ids by component path while a tree is walked from the app down. */
export class TreeWalk {
  readonly #ids = new Map<string, ComponentId>([["", ROOT_COMPONENT]]);

  /** The stored counterpart of a node that is not the app; null if there is none. */
  find(tx: Transaction, node: ComponentPlacement): Component | null {
    return childComponent(tx, this.#parentOf(node), node.name);
  }

  /** The id of a node's component. One that is new gets its id and its system tables. */
  prepare(tx: Transaction, node: ComponentPlacement): { id: ComponentId; isNew: boolean } {
    if (node.path === "") return { id: ROOT_COMPONENT, isNew: false };
    const existing = this.find(tx, node);
    const id = existing?._id ?? this.#create(tx, node);
    this.#ids.set(node.path, id);
    return { id, isNew: existing === null };
  }

  /**
   * Installs the component of a node, which was prepared before.
   * @returns null if it was removed since then
   */
  install(tx: Transaction, node: ComponentPlacement): { id: ComponentId; type: DiffType } | null {
    if (node.path === "") return { id: ROOT_COMPONENT, type: "modify" };
    const existing = this.find(tx, node);
    if (existing === null) return null;
    const { _id: id, _creationTime: _, ...before } = existing;
    this.#ids.set(node.path, id);
    const after = this.#document(node, "active");
    if (!isDeepStrictEqual(before, after)) tx.table("components").replace(id, fieldsOf(after));
    return { id, type: DIFF_TYPES[existing.state] };
  }

  #create(tx: Transaction, node: ComponentPlacement): ComponentId {
    const id = tx.table("components").insert(fieldsOf(this.#document(node, "prepared")));
    createComponentTables(tx, id);
    return id;
  }

  #document(node: ComponentPlacement, state: ComponentDocument["state"]): ComponentDocument {
    const { name, path, definitionPath, httpPrefix, env, mounts } = node;
    return {
      parent: this.#parentOf(node),
      name,
      path,
      definitionPath,
      state,
      httpPrefix,
      env,
      mounts,
    };
  }

  #parentOf({ path }: ComponentPlacement): ComponentId {
    return this.#ids.get(path.slice(0, Math.max(path.lastIndexOf("/"), 0)))!;
  }
}

const DIFF_TYPES = { prepared: "create", active: "modify", unmounted: "remount" } as const;

/**
 * Unmounts the active components other than these.
 * @returns what was unmounted
 */
export function unmountOthers(
  tx: Transaction,
  installed: ReadonlySet<ComponentId>,
): Component[] {
  const gone = allComponents(tx).filter(({ _id, state }) =>
    state === "active" && !installed.has(_id)
  );
  for (const { _id } of gone) {
    tx.table("components").patch(_id, { state: "unmounted", httpPrefix: null });
  }
  return gone;
}

function fieldsOf(document: ComponentDocument) {
  return { ...document, env: { ...document.env }, mounts: document.mounts as unknown as Json };
}
