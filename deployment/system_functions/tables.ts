// `_system/cli/tables`, `tableData`, `tableSize` and `queryTable`: the data of one component.

import { z } from "zod";
import { byIdIndex } from "../../engine/system_tables.ts";
import { KEY_AFTER } from "../../engine/values/key.ts";
import { systemQuery } from "./system_function.ts";

/** A page of table data reads at most this much, and may be shorter than asked for. */
const PAGE_ROWS_MAX = 10_000;
const PAGE_SIZE_BYTES_MAX = 5_000_000;

/** The query interface asks which client reads; old ones may not see `_storage` and the like. */
const READER_VERSION = "1.48.0";

const paginationOptions = z.looseObject({
  numItems: z.number(),
  cursor: z.string().nullable(),
});

/** The component's user tables, on one page. */
export const listTables = systemQuery(
  z.object({ paginationOpts: z.unknown() }),
  (_args, { tx, component }) => {
    const names = tx.table("tables").find("by_name", [component])
      .filter(({ state, name }) => state === "active" && !String(name).startsWith("_"))
      .map(({ name }) => String(name));
    return { page: names.sort().map((name) => ({ name })), isDone: true, continueCursor: "end" };
  },
);

/** Documents of a table in creation order. */
export const tableData = systemQuery(
  z.object({
    table: z.string(),
    order: z.enum(["asc", "desc"]),
    paginationOpts: paginationOptions,
    componentId: z.string().nullish(),
  }),
  ({ table, order, paginationOpts }, { tx, component }) => {
    const { page, isDone, continueCursor } = tx.database(component, { isServer: true }).page({
      query: {
        source: { type: "FullTableScan", tableName: table, order },
        operators: [],
      },
      cursor: paginationOpts.cursor,
      endCursor: null,
      pageSize: Math.min(paginationOpts.numItems, PAGE_ROWS_MAX),
      maximumRowsRead: PAGE_ROWS_MAX,
      maximumBytesRead: PAGE_SIZE_BYTES_MAX,
      version: READER_VERSION,
    }, null);
    return { page: page.map((text) => JSON.parse(text)), isDone, continueCursor };
  },
);

/** How many documents a table has. */
export const tableSize = systemQuery(
  z.object({ tableName: z.string() }),
  ({ tableName }, { tx, component }) => tx.database(component).count(tableName),
);

/**
 * A number that is a new one after every change of the table: `convex dev` waits for it to change
 * when existing data did not match a pushed schema.
 */
export const watchTable = systemQuery(
  z.object({ tableName: z.string() }),
  ({ tableName }, { tx, component }) => {
    tx.table("tables").find("by_name", [component, tableName]);
    const table = tx.catalog.tableByName(component, tableName);
    if (table !== null) tx.addRead(byIdIndex(table.tablet), "", KEY_AFTER);
    return Math.random();
  },
);
