// Which table an id belongs to, for validators of ids (`v.id("messages")`).

import type { Catalog } from "./catalog.ts";
import { VIRTUAL_TABLES } from "./system_tables.ts";
import type { ComponentId } from "./types.ts";
import type { IdContext } from "./values/validator.ts";

const VIRTUAL_NAMES = new Map(
  Object.entries(VIRTUAL_TABLES).map(([name, table]) => [table.number, name]),
);

/** The ids of one component, as its functions name the tables. */
export function idContext(catalog: Catalog, component: ComponentId): IdContext {
  return {
    tableOfNumber(number) {
      const table = catalog.tableByNumber(component, number);
      if (table === null) return null;
      return { name: VIRTUAL_NAMES.get(number) ?? table.name, system: table.isSystem };
    },
  };
}
