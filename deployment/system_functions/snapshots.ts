// `_system/cli/exports` and `_system/cli/queryImport`: the state of exports and imports.

import { z } from "zod";
import type { SystemDocument } from "../../engine/system_table_access.ts";
import type { Json } from "../../engine/values/value.ts";
import { systemQuery } from "./system_function.ts";

/** Imports that the list shows. */
const IMPORTS_LISTED_MAX = 20;

/** The newest export that somebody asked for, or null. */
export const latestExport = systemQuery(z.object({}), (_args, { tx }) => {
  const rows = tx.table("exports").all().filter(({ requestor }) => requestor === "snapshotExport");
  return documentJson(newestFirst(rows)[0] ?? null);
});

/** One import, or null. */
export const getImport = systemQuery(
  z.object({ importId: z.string() }),
  ({ importId }, { tx }) => documentJson(tx.table("snapshotImports").get(importId)),
);

export const listImports = systemQuery(
  z.object({}),
  (_args, { tx }) =>
    newestFirst(tx.table("snapshotImports").all()).slice(0, IMPORTS_LISTED_MAX).map(documentJson),
);

function newestFirst(rows: readonly SystemDocument[]): SystemDocument[] {
  return [...rows].sort((left, right) => right._creationTime - left._creationTime);
}

function documentJson(document: SystemDocument | null): Json {
  return document === null ? null : { ...document };
}
