// A table as user functions see it: their own tables, and the virtual ones of `db.system`. Private
// system tables behave as if they did not exist (spec values-and-queries 7.1).

import type { TableInfo } from "./catalog.ts";
import type { Transaction } from "./transaction.ts";
import type { ComponentId } from "./types.ts";
import {
  type ClientVersion,
  publicTableName,
  storedTableName,
  virtualView,
} from "./virtual_tables.ts";

export interface VisibleTable {
  /** The name that functions use. */
  readonly name: string;
  /** The table that stores the documents. */
  readonly info: TableInfo;
  /** How a stored document of a virtual table looks to functions; null for a user table. */
  readonly view: ((json: string) => string) | null;
}

export function visibleTableByName(
  tx: Transaction,
  component: ComponentId,
  name: string,
  version: ClientVersion | null,
): VisibleTable | null {
  const storedName = storedTableName(name);
  const info = storedName === null ? null : tx.tableByName(component, storedName);
  return info === null ? null : visible(info, name, version);
}

export function visibleTableByNumber(
  tx: Transaction,
  component: ComponentId,
  number: number,
  version: ClientVersion | null,
): VisibleTable | null {
  const info = tx.tableByNumber(component, number);
  const name = info === null ? null : publicTableName(info);
  return name === null ? null : visible(info!, name, version);
}

function visible(info: TableInfo, name: string, version: ClientVersion | null): VisibleTable {
  if (!info.isSystem) return { name, info, view: null };
  const view = virtualView(name);
  return { name, info, view: (json) => view(json, version) };
}
