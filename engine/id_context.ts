// Which table an id belongs to, for validators of ids (`v.id("messages")`).

import type { Catalog } from "./catalog.ts";
import type { ComponentId } from "./types.ts";
import type { IdContext } from "./values/validator.ts";

/** The ids of one component. */
export function idContext(catalog: Catalog, component: ComponentId): IdContext {
  return {
    tableOfNumber(number) {
      const table = catalog.tableByNumber(component, number);
      return table === null ? null : { name: table.name, system: table.isSystem };
    },
  };
}
