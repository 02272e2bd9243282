// `_system/cli/queryEnvironmentVariables` and `_system/cli/convexUrl`.

import { z } from "zod";
import { systemVariables } from "../canonical_urls.ts";
import { systemQuery } from "./system_function.ts";

/** Rows of all variables, by name. `convex dev` subscribes to it after a failed push. */
export const listEnvironmentVariables = systemQuery(
  z.object({}),
  (_args, { tx }) =>
    tx.table("environmentVariables").range("by_name", []).map((
      { _id, _creationTime, name, value },
    ) => ({ _id, _creationTime, name: name ?? null, value: value ?? null })),
);

/** One variable, built-in ones included; null if it is not set. */
export const getEnvironmentVariable = systemQuery(
  z.object({ name: z.string() }),
  ({ name }, { tx, origins }) => {
    const row = tx.table("environmentVariables").first("by_name", [name]);
    if (row !== null) return { name, value: row.value ?? null };
    const value = Object.entries(systemVariables(tx, origins)).find(([key]) => key === name)?.[1];
    return value === undefined ? null : { name, value };
  },
);

export const cloudUrl = systemQuery(
  z.object({}),
  (_args, { tx, origins }) => systemVariables(tx, origins).CONVEX_CLOUD_URL,
);
